"""MPI Sintel (Butler, Wulff, Stanley, Black; ECCV 2012): scenes of a rendered film, whose flow is known.

Layout    <path>/training/clean/<scene>/frame_0001.png, ... and the same names in `final`; `flow` has frame_0001.flo for
          the motion from frame 1 to frame 2; `occlusions` is above 0 where a pixel is covered in the next frame, and
          `invalid` where the flow of a pixel is not known. <path>/test has frames without flow.
.flo      the number 202021.25, width and height, then u and v of each pixel by rows; float32 and int32, little-endian
          (Baker et al. 2011, "A Database and Evaluation Methodology for Optical Flow"). A value above 1e9 is no flow.
"""

from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float, Float32, UInt8
from torch import Tensor

from vinpaint_lib.datasets.clip_set import Size, TrueFlow
from vinpaint_lib.datasets.footage import VideoFolder
from vinpaint_lib.errors import UserError
from vinpaint_lib.video.sources import load_picture, picture_files, spelled

MAGIC = 202021.25  # as float32 these are the letters PIEH
HEADER = 12  # bytes
UNKNOWN = 1e9  # pixels; a larger value marks a pixel without flow
RENDERINGS = ("clean", "final")
TOUCHED = 1e-3  # share of a resized pixel below which a marked pixel does not count: the rounding of float32


class SintelFolder(VideoFolder):
    """The scenes of one rendering: "clean", or "final" with blur and fog. The true flow goes with both.

    A path that holds the renderings itself works as well, as <path>/training does, or <path>/test, which has no flow.
    """

    def __init__(self, path: str | Path, training: bool = False, rendering: str = "clean") -> None:
        root = Path(path)
        part = root / "training" if (root / "training").is_dir() else root
        if rendering not in RENDERINGS:
            raise UserError(f"{rendering!r} is no rendering of Sintel; use {' or '.join(RENDERINGS)}")
        if not (part / rendering).is_dir():
            raise UserError(f"{part / rendering}: no such folder; give the folder that holds training/{rendering}")
        super().__init__(part / rendering, training)
        self.part, self.rendering = part, rendering
        self.kind = "sintel" if rendering == "clean" else f"sintel-{rendering}"

    def true_flow(self, i: int, size: Size, chosen: range) -> TrueFlow | None:
        """The flow of clip i between neighbouring frames at `size`: u grows as the width does, v as the height.

        None without a folder `flow`, and for frames that do not follow each other. Raises UserError for a file of
        flow, of `occlusions` or of `invalid` that is missing, damaged, or of another size than the frames.
        """
        apart = len(chosen) < 2 or chosen.step != 1
        if apart or not self.clips[i].is_dir() or not (self.part / "flow").is_dir():
            return None
        frames = [file.stem for file in picture_files(self.clips[i])]
        known, forward, covered = [], [], []
        for t, _ in pairwise(chosen):
            name, stored = f"{self.name(i)}/{frames[t]}", self.size(i)
            flow, valid = read_flow(self.part / "flow" / f"{name}.flo", stored)
            if (self.part / "invalid").is_dir():
                valid &= ~read_marks(self.part / "invalid" / f"{name}.png", stored)
            forward.append(resize_flow(np.where(valid[..., None], flow, 0), size))
            known.append(~resize_marks(~valid, size))
            if (self.part / "occlusions").is_dir():
                covered.append(resize_marks(read_marks(self.part / "occlusions" / f"{name}.png", stored), size))
        return TrueFlow(
            rearrange(torch.from_numpy(np.stack(forward)), "p h w xy -> p xy h w").contiguous(),
            to_planes(known),
            to_planes(covered) if covered else None,
            "the true flow of Sintel",
        )


def read_flow(file: Path, size: Size) -> tuple[Float32[np.ndarray, "h w 2"], np.ndarray]:
    """The flow of a .flo file in pixels (x, y), and where it is known (h w, True).

    Raises UserError unless the file is there, whole, and as large as the frames (`size`: height, width).
    """
    if not file.is_file():
        raise UserError(f"{file}: no such file, though its frame is there; unpack the flow of Sintel again")
    content = file.read_bytes()
    start = np.frombuffer(content[:4], "<f4") if len(content) >= HEADER else np.zeros(1, np.float32)
    if start[0] != np.float32(MAGIC):
        raise UserError(f"{file}: does not begin with the number {MAGIC}, so it is no .flo file; unpack it again")
    width, height = (int(side) for side in np.frombuffer(content[4:HEADER], "<i4"))
    if (height, width) != size:
        raise UserError(
            f"{file}: holds the flow of {width}x{height} pixels, its frame has {spelled(size)}; "
            "put the flow and the frames of one data set together"
        )
    needed = HEADER + 8 * width * height
    if len(content) != needed:
        raise UserError(
            f"{file}: has {len(content)} bytes where {width}x{height} pixels need {needed}; unpack it again"
        )
    flow = rearrange(np.frombuffer(content, "<f4", offset=HEADER), "(h w xy) -> h w xy", h=height, xy=2)
    return flow.astype(np.float32), (np.abs(flow) <= UNKNOWN).all(axis=-1)


def read_marks(file: Path, size: Size) -> np.ndarray:
    """Where a picture is not black (h w, True). Raises UserError unless it is there and of the frames' size."""
    if not file.is_file():
        raise UserError(f"{file}: no such file, though its flow is there; unpack the folder {file.parts[-3]} again")
    picture: UInt8[np.ndarray, "h w"] = np.asarray(load_picture(file).convert("L"))
    if picture.shape != size:
        raise UserError(
            f"{file}: has {spelled((picture.shape[0], picture.shape[1]))} pixels, its frame has {spelled(size)}; "
            "put the pictures of one data set together"
        )
    return picture > 0


def resize_flow(flow: Float32[np.ndarray, "a b 2"], size: Size) -> Float32[np.ndarray, "h w 2"]:
    """The flow at another (height, width), resized as frames are and measured in the new pixels."""
    scale = np.array([size[1] / flow.shape[1], size[0] / flow.shape[0]], np.float32)
    return resized(flow, size) * scale


def resize_marks(marks: np.ndarray, size: Size) -> np.ndarray:
    """True where a pixel of the new size takes anything from a marked pixel (h w)."""
    return resized(marks.astype(np.float32), size) > TOUCHED


def resized(picture: np.ndarray, size: Size) -> np.ndarray:
    """As `video.clip.to_frame` resizes: area average when it shrinks, bilinear when it grows."""
    if picture.shape[:2] == size:
        return picture
    shrinks = size[0] < picture.shape[0] or size[1] < picture.shape[1]
    return np.asarray(cv2.resize(picture, size[::-1], interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR))


def to_planes(marks: list[np.ndarray]) -> Float[Tensor, "p 1 h w"]:
    return rearrange(torch.from_numpy(np.stack(marks).astype(np.float32)), "p h w -> p 1 h w")
