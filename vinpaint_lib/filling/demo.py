"""What `make demo` shows first: a man is taken out of a filmed street; the same weights are scored beside baselines.

Nobody filmed the wall in the moment when the man hides it, so his removal has no truth and no score. The scores come
from later frames of the same shot, when he is gone: his outline is laid over them as a hole, and what is under it is
known.

The weights that ship were trained on this clip, among others: their score is not one on unseen video (`FOOTNOTE`).
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor
from tqdm import tqdm

from vinpaint_lib import inpaint
from vinpaint_lib.datasets import street
from vinpaint_lib.figures import clips
from vinpaint_lib.files import draft_of
from vinpaint_lib.interface import Inpainter
from vinpaint_lib.options import choose_device
from vinpaint_lib.scoring import metrics
from vinpaint_lib.systems import build
from vinpaint_lib.video import Clip, write_video

MODEL, BASELINES = "tgfnet", ("aligned-median", "flow", "median", "telea")
STRIDE = 2  # every second frame: half of the work, and the man still moves little enough to be followed
PASSING = range(187, 223, STRIDE)  # frames of the street: the man crosses the picture and has left it
EMPTY, OUTLINES = range(215, 241, STRIDE), range(189, 215, STRIDE)  # frames without him; frames whose outlines they get
SCORES = ("psnr", "hole_psnr", "ssim", "warping_error")
FOOTNOTE = f"{MODEL} was trained on this clip, among others: no score on unseen video. The baselines learn nothing."


def passing(size: tuple[int, int] = street.SIZE) -> Clip:
    """The frames in which the man crosses the picture; the masks are his outline."""
    return street.read(len(PASSING), size=size, first=PASSING.start, stride=STRIDE)


def scored_clip(size: tuple[int, int] = street.SIZE) -> Clip:
    """Frames of the street without the man, whose masks are the outlines that he had before."""
    empty = street.read(len(EMPTY), size=size, first=EMPTY.start, stride=STRIDE)
    return Clip(empty.frames, street.walker(OUTLINES, size, spare=False), empty.fps, empty.name)


def filled(model: Inpainter, clip: Clip) -> Float[Tensor, "t 3 h w"]:
    """The clip with its holes filled, under a bar where someone looks on; the model sees nothing under the holes."""
    given = Clip(clip.frames * (1 - clip.masks), clip.masks, clip.fps, clip.name)
    steps = inpaint.fill(model, given)
    return torch.stack(list(tqdm(steps, model.card.name, len(clip), leave=False, disable=not sys.stderr.isatty())))


def film(model: Inpainter, out: Path, clip: Clip) -> Float[Tensor, "t 3 h w"]:
    """Fill the clip and write `filled.mp4` and, beside the clip with its outline, `before_after.mp4` into `out`."""
    result = filled(model, clip)
    write_video(out / "filled.mp4", result, clip.fps)
    pairs = clips.side_by_side(clips.outlined(clip.frames, clip.masks), result)
    write_video(out / "before_after.mp4", pairs, clip.fps)
    return result


def scores(models: Mapping[str, Inpainter], clip: Clip) -> dict[str, dict[str, float]]:
    """A row of SCORES for each model: PSNR over the frame and in the hole (dB), SSIM (11x11), warping error (DIS)."""
    motion, truth, rows = metrics.truth_motion(clip.frames), clip.frames, {}
    for name, model in models.items():
        result = filled(model, clip)
        values = (
            metrics.psnr(result, truth),
            metrics.psnr(result, truth, clip.masks),
            metrics.ssim(result, truth, "clean"),
            metrics.warping_error(result, truth, motion),
        )
        rows[name] = {key: metrics.mean(each).value for key, each in zip(SCORES, values, strict=True)}
    return rows


def table(rows: Mapping[str, Mapping[str, float]]) -> str:
    """Lines of text: a row for each method, best hole PSNR first. PSNR (dB): higher is better; warping error: lower."""
    width = max(len("method"), *map(len, rows))
    lines = [f"{'method':{width}}  {'PSNR':>6}  {'hole PSNR':>9}  {'SSIM':>6}  {'warping error':>13}"]
    for name, row in sorted(rows.items(), key=lambda item: -item[1]["hole_psnr"]):
        psnr, hole, ssim, warping = (row[key] for key in SCORES)
        lines.append(f"{name:{width}}  {psnr:6.2f}  {hole:9.2f}  {ssim:6.4f}  {warping:13.3g}")
    return "\n".join(lines)


def show(out: Path, size: tuple[int, int] = street.SIZE) -> None:
    """Film, scores and film strip, in this order, into the folder `out`, which is made; what is there is printed."""
    out.mkdir(parents=True, exist_ok=True)
    device = choose_device("auto")
    model, clip = build(MODEL).to(device), passing(size)
    print(f"a man walks through a street ({len(clip)} frames of {size[1]}x{size[0]}); {model.card.title} takes him out")
    result = film(model, out, clip)
    print(out / "filled.mp4", out / "before_after.mp4", sep="\n", flush=True)

    known = scored_clip(size)
    rows = scores({MODEL: model} | {name: build(name) for name in BASELINES}, known)
    title = f"the street without him, {len(known)} frames, under a hole of his shape that moves as he did"
    with draft_of(out / "metrics.json") as draft:
        draft.write_text(
            json.dumps({"clip": title, "note": FOOTNOTE, "scores": rows}, indent=2) + "\n", encoding="utf-8"
        )
    print(f"\n{title}\n{table(rows)}\n{FOOTNOTE}\n\n{out / 'metrics.json'}", flush=True)
    print(strip(out / "film_strip.png", clip, result), flush=True)


def strip(path: Path, clip: Clip, result: Float[Tensor, "t 3 h w"]) -> Path:
    """The picture at the head of README: three frames as filmed, with the outline, and without the man."""
    rows = {"filmed": clips.outlined(clip.frames, clip.masks), "filled": result}
    shown = slice(3, 12)  # from behind the bollard to the picture's edge
    return clips.poster(path, {name: frames[shown] for name, frames in rows.items()}, columns=3)
