"""Synthetic clips: photographs under camera motion, with objects that move above them, made by `toy/`."""

from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8

from vinpaint_lib.datasets import heldout
from vinpaint_lib.datasets.broken import picture_fault
from vinpaint_lib.datasets.clip_set import ClipSet, Size, TrueFlow, scaled
from vinpaint_lib.errors import UserError
from vinpaint_lib.motion import flow
from vinpaint_lib.toy.clip import PHOTOS, Material, Shot, photograph, toy_scene
from vinpaint_lib.toy.scene import Scene
from vinpaint_lib.video.clip import Clip
from vinpaint_lib.video.sources import header_size, load_picture, picture_files

LENGTH = 48  # frames; a synthetic clip could have any length, but a data set must give a number
USUAL_HEIGHT = 240  # pixels; the height for which the speeds below are meant
SPEEDS = (0.5, 4.0)  # pixels per frame of camera and objects
WIDEST = 16 / 9  # the shape of a clip is between square and this; the camera moves over the rest of the photograph


class SyntheticClips(ClipSet):
    """Photographs under camera motion with moving objects. Clip i is always the same; `load_random` makes new ones."""

    kind = "synthetic"
    length = LENGTH

    def photo(self, i: int) -> UInt8[np.ndarray, "a b 3"]:
        raise NotImplementedError

    def frames(self, i: int) -> int:
        return self.length

    def describe(self) -> dict[str, Any]:
        return {"kind": self.kind, "clips": self.names, "length": self.length}

    def read(self, i: int, size: Size, chosen: range) -> Clip:
        return shown(self.fixed(i, size), chosen, self.name(i))

    def true_flow(self, i: int, size: Size, chosen: range) -> TrueFlow | None:
        """The exact motion of clip i; a pixel is covered where the exact motions of both directions disagree."""
        if len(chosen) < 2:
            return None
        scene = self.fixed(i, size)
        forward = torch.stack([scene.between(t, u)[0] for t, u in pairwise(chosen)])
        backward = torch.stack([scene.between(u, t)[0] for t, u in pairwise(chosen)])
        covered = flow.occlusion(forward, backward).float()
        return TrueFlow(forward, torch.ones_like(covered), covered, "the exact motion of photographs in motion")

    def fixed(self, i: int, size: Size) -> Scene:
        """The scene of clip i, the same at every call."""
        return self.scene(i, np.random.default_rng(i), size, self.length, 1)

    def load_random(self, i: int, rng: np.random.Generator, *, height: int, length: int, stride: int = 1) -> Clip:
        scene = self.scene(i, rng, scaled(self.size(i), height), length, stride)
        return shown(scene, range(length), self.name(i))

    def scene(self, i: int, rng: np.random.Generator, size: Size, length: int, stride: int) -> Scene:
        """A scene whose camera, speed and objects are drawn from `rng`; a larger stride makes the motion faster."""
        pace = stride * size[0] / USUAL_HEIGHT
        others = [self.photo(int(k)) for k in rng.integers(len(self), size=2)]
        return toy_scene(
            self.name(i),
            Shot(
                length=length,
                size=size,
                camera="homography" if rng.random() < 0.5 else "affine",
                objects=int(rng.integers(0, 3)),
                seed=int(rng.integers(2**31)),
                speed=float(rng.uniform(*SPEEDS)) * pace,
                object_speed=float(rng.uniform(*SPEEDS)) * pace,
            ),
            material=Material(photo=self.photo(i), textures=others),
        )


class ToyClips(SyntheticClips):
    """The photographs that scikit-image ships, in motion: this set needs no data on disk."""

    kind = "toy"

    def __len__(self) -> int:
        return len(PHOTOS)

    def name(self, i: int) -> str:
        return PHOTOS[i]

    def size(self, i: int) -> Size:
        return USUAL_HEIGHT, 432

    def photo(self, i: int) -> UInt8[np.ndarray, "a b 3"]:
        return photograph(PHOTOS[i])


class PhotoMotion(SyntheticClips):
    """A folder of photographs, each of which is put in motion; objects are cut from photographs of the same folder."""

    kind = "photos"

    def __init__(self, path: str | Path, training: bool = False) -> None:
        self.path = Path(path)
        if not self.path.is_dir():
            raise UserError(f"{path}: no such folder of photographs; check the path")
        if training:
            heldout.check_photographs(self.path)
        self.files = picture_files(self.path)

    def __len__(self) -> int:
        return len(self.files)

    def name(self, i: int) -> str:
        return self.files[i].stem

    def size(self, i: int) -> Size:
        """The height of the photograph, and a width between square and 16:9."""
        height, width = header_size(self.files[i])
        return height, round(min(max(width / height, 1.0), WIDEST) * height)

    def photo(self, i: int) -> UInt8[np.ndarray, "a b 3"]:
        return read_photograph(self.files[i])

    def faults(self, i: int) -> list[str]:
        fault = picture_fault(self.files[i])
        return [fault] if fault else []


def shown(scene: Scene, chosen: range, name: str) -> Clip:
    """The chosen frames of a scene, with the silhouettes of its objects as masks."""
    return Clip(scene.frames(chosen=chosen), scene.silhouettes(chosen), name=name)


@lru_cache(maxsize=32)
def read_photograph(file: Path) -> UInt8[np.ndarray, "a b 3"]:
    return np.asarray(load_picture(file).convert("RGB"))
