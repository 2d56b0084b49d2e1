"""A textured clip that moves by whole pixels, and what the tests of the motion's users ask of it."""

from pathlib import Path

import cv2
import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from vinpaint_lib.holes.box import Box
from vinpaint_lib.interface import Window
from vinpaint_lib.motion import chains
from vinpaint_lib.motion.chains import EarlierOutput, Search, Views
from vinpaint_lib.motion.links import Link, Links
from vinpaint_lib.systems.tgfnet import groups

STEP = (3, 1)  # pixels per frame, x and y, of the whole picture
HEIGHT, WIDTH, LENGTH = 72, 96, 13
TARGET = 6
HOLE = Box(26, 46, 36, 60)
BOX = Box(20, 52, 28, 68)
FLOW_ONLY = chains.walks(("flow",))
MARKER = torch.tensor([0.9, 0.1, 0.2])


def texture(h: int, w: int, seed: int = 0) -> np.ndarray:
    """A picture (h w 3) in [0, 1] with detail at two scales, which DIS can follow."""
    rng = np.random.default_rng(seed)
    parts = [
        cv2.resize(rng.random((h // s + 2, w // s + 2, 3)), (w, h), interpolation=cv2.INTER_CUBIC) for s in (12, 4)
    ]
    return np.clip(0.6 * parts[0] + 0.4 * parts[1], 0, 1)


def to_frames(pictures: list[np.ndarray]) -> Tensor:
    """Pictures (h w 3) as frames (t 3 h w), float32."""
    return rearrange(torch.from_numpy(np.stack(pictures)).float(), "t h w c -> t c h w").contiguous()


def davis_frames(davis: Path, name: str, length: int) -> Tensor:
    """The first frames of a DAVIS clip at 216x120."""
    paths = sorted((davis / "JPEGImages" / "480p" / name).glob("*.jpg"))[:length]
    pictures = [cv2.imread(str(path))[..., ::-1] / 255 for path in paths]
    return to_frames([cv2.resize(picture, (216, 120), interpolation=cv2.INTER_AREA) for picture in pictures])


def moving_clip(step: tuple[int, int] = STEP) -> Tensor:
    """What is at x in frame i is at x + step in frame i + 1."""
    wide = texture(HEIGHT + 40, WIDTH + 80)
    cuts = [(20 - step[1] * (i - TARGET), 40 - step[0] * (i - TARGET)) for i in range(LENGTH)]
    return to_frames([wide[y : y + HEIGHT, x : x + WIDTH] for y, x in cuts])


def exact_links(step: tuple[float, float] = STEP, length: int = LENGTH) -> Links:
    forward = np.broadcast_to(np.float32(step), (HEIGHT, WIDTH, 2)).copy()
    matrix = np.array([[1.0, 0, step[0]], [0, 1, step[1]], [0, 0, 1]])
    link = Link(forward, -forward, matrix, np.linalg.inv(matrix))
    return Links(by_index=dict.fromkeys(range(length - 1), link))


def window_of(truth: Tensor, written_back: int = 0) -> Window:
    """Every frame with the same hole; the first `written_back` frames are completed with the marker's colour."""
    masks = torch.zeros_like(truth[:, :1])
    masks[..., HOLE.top : HOLE.bottom, HOLE.left : HOLE.right] = 1
    filled = torch.zeros_like(masks)
    frames = truth * (1 - masks)
    frames[:written_back] += masks[:written_back] * rearrange(MARKER, "c -> c 1 1")
    filled[:written_back], masks[:written_back] = masks[:written_back].clone(), 0
    return Window(tuple(range(len(truth))), frames, masks, filled)


def cut(x: Tensor, box: Box = BOX) -> Tensor:
    return x[..., box.top : box.bottom, box.left : box.right]


def gathered(
    window: Window,
    links: Links,
    target: int = TARGET,
    box: Box = BOX,
    *,
    picks: int = 2,
    feedback: str = "unseen",
    views: Views | None = None,
    **options,
) -> tuple[groups.Groups, EarlierOutput | None]:
    """The aligned groups, and what earlier outputs show."""
    search = Search(window, target, box, picks, feedback)
    return groups.gather_groups(search, links, Views() if views is None else views, **options)


def groups_of(*arguments, **options) -> groups.Groups:
    """The aligned groups alone."""
    return gathered(*arguments, **options)[0]


def shows(window: Window, index: int, x: int, y: int, earlier: bool = False) -> bool:
    """Frame `index` shows (x, y): inside, and no hole within a pixel; outputs count as hole unless `earlier`."""
    if not (0 <= x < WIDTH and 0 <= y < HEIGHT):
        return False
    hidden = window.masks[index, 0] if earlier else torch.maximum(window.masks[index, 0], window.filled[index, 0])
    return hidden[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2].max().item() == 0


def first_distance(window: Window, x: int, y: int, side: int, start: int, reach: int, earlier: bool = False) -> int:
    """Slow walk along whole pixels: the first distance >= start at which (x, y) of the target is shown, or 0."""
    for k in range(start, reach + 1):
        index = TARGET + side * k
        if index not in window.indices:
            return 0
        if shows(window, window.indices.index(index), x + side * k * STEP[0], y + side * k * STEP[1], earlier):
            return k
    return 0
