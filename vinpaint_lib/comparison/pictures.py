"""Five frames of every filled clip, kept beside the results, and the film strips that are made of them.

A folder for each clip and its holes holds `input.png`, `truth.png` and a picture for each system: the same frames of
each, side by side.
"""

import json
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from vinpaint_lib.comparison.cells import Group
from vinpaint_lib.errors import UserError
from vinpaint_lib.figures import clips as figure, page
from vinpaint_lib.files import draft_of
from vinpaint_lib.video.clip import Clip

COUNT = 5
FIRST, LAST = "input", "truth"
NUMBERS = "frames"


def folder_of(folder: Path, group: Group) -> Path:
    """Where the pictures of a group lie."""
    return folder / re.sub(r"[^\w.-]+", "-", f"{group}, clip {group.number}")


def keep(folder: Path, group: Group, clip: Clip, system: str, filled: Float[Tensor, "t 3 h w"]) -> None:
    """Write the chosen frames of a filled clip, and once those of the input and the truth."""
    place = folder_of(folder, group)
    place.mkdir(parents=True, exist_ok=True)
    chosen = figure.picks(len(clip), COUNT)
    if not (place / f"{LAST}.png").exists():
        write(place / f"{FIRST}.png", figure.tinted(clip.frames[chosen], clip.masks[chosen]), chosen)
        write(place / f"{LAST}.png", clip.frames[chosen], chosen)
    write(place / f"{system}.png", filled[chosen], chosen)


def write(path: Path, frames: Float[Tensor, "t 3 h w"], numbers: Sequence[int]) -> None:
    """Frames side by side as one PNG, which also holds their numbers."""
    pixels = rearrange(frames, "t c h w -> h (t w) c").clamp(0, 1).mul(255).round().byte().numpy()
    text = PngInfo()
    text.add_text(NUMBERS, json.dumps(list(numbers)))
    with draft_of(path) as draft:
        Image.fromarray(pixels).save(draft, format="png", pnginfo=text)


def strip(place: Path, out: Path) -> Path:
    """Draw the film strip of one folder: the input, every system that lies there, the truth.

    Raises UserError for a folder without such pictures.
    """
    files = {path.stem: path for path in sorted(place.glob("*.png"))}
    if not {FIRST, LAST} < set(files):
        raise UserError(f"{place}: holds no frames of a comparison; run `vinpaint compare` with --pictures")
    names = [FIRST, *(name for name in files if name not in (FIRST, LAST)), LAST]
    rows = [read(files[name]) for name in names]
    return page.save(page.grid([list(frames) for frames, _ in rows], names, [f"frame {n}" for n in rows[0][1]]), out)


def read(path: Path) -> tuple[Float[Tensor, "t 3 h w"], list[int]]:
    """What `write` wrote: frames and their numbers. Raises UserError for another picture."""
    with Image.open(path) as picture:
        pixels = torch.from_numpy(np.array(picture.convert("RGB"))).float() / 255
        numbers = json.loads(str(picture.info.get(NUMBERS, "[]")))
    if not numbers or pixels.shape[1] % len(numbers):
        raise UserError(f"{path}: was not written by `vinpaint compare --pictures`; take it away")
    return rearrange(pixels, "h (t w) c -> t c h w", t=len(numbers)), numbers
