"""One clip of `vinpaint inpaint`, from its options to its output."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from vinpaint_lib.filling.forecast import Costs, Forecast, costs_of, least_memory, spelled_memory, spelled_time
from vinpaint_lib.filling.part import Part, Parts, choose_part, find_holes, parse_margin
from vinpaint_lib.filling.progress import Working, passing
from vinpaint_lib.inpaint import fill
from vinpaint_lib.interface import Inpainter
from vinpaint_lib.process_memory import available, resident
from vinpaint_lib.systems import registry
from vinpaint_lib.video.clip import ClipStream, check_output, open_clip, write_clip
from vinpaint_lib.video.encoding import held_by_encoder
from vinpaint_lib.video.hidden import visible
from vinpaint_lib.video.sources import spelled as spelled_size
from vinpaint_lib.video.writing import CONTAINERS, check_apart, check_target

Tell = Callable[[object], None]


@dataclass(frozen=True)
class Job:
    """What was asked for: the options of `vinpaint inpaint`, in the library's types.

    size (height, width); margin and max_side as in `part.choose_part`; device as torch writes it.
    """

    input: Path
    mask: Path
    out: Path
    model: str = "tgfnet"
    weights: Path | None = None
    dilate: int = 0
    invert_mask: bool = False
    size: tuple[int, int] | None = None
    margin: str = "auto"
    max_side: int | None = None
    limit: int | None = None
    fps: Fraction | None = None
    overwrite: bool = False
    device: str = "cpu"
    seed: int = 0

    def build(self) -> Inpainter:
        """The model, on its device."""
        return registry.build(self.model, self.weights).to(self.device).eval()

    def open(self, tell: Tell) -> ClipStream:
        """The clip and its masks; `tell` gets notes on what is odd and what the output cannot keep.

        Raises UserError if they cannot be read, or the output cannot be written, and a KeyboardInterrupt that says what
        is kept.
        """
        # Before the masks are read, which takes a while.
        check_apart(self.out, self.input, "the input")
        check_apart(self.out, self.mask, "the mask")
        check_target(self.out, overwrite=self.overwrite)
        started = time.time()
        try:
            clip = open_clip(
                self.input, self.mask, size=self.size, limit=self.limit, invert=self.invert_mask, dilate=self.dilate,
                fps=self.fps, watch=passing,
            )  # fmt: skip
        except KeyboardInterrupt as stop:
            raise KeyboardInterrupt(f"stopped while {self.input} was read; {kept(self.out, started)}") from stop
        parse_margin(self.margin, clip.size)
        for note in (*clip.notes, *check_output(self.out, clip, overwrite=self.overwrite)):
            tell(note)
        return clip


def fill_one(job: Job, tell: Tell, say: Tell) -> Path:
    """Fill the clip of `job`. `tell` gets notes before the work, `say` the forecast. Raises UserError."""
    return work(job, job.open(tell), job.build(), tell, say)


def work(job: Job, clip: ClipStream, model: Inpainter, tell: Tell, say: Tell, name: str = "") -> Path:
    """Fill an open clip and write it; `name` stands before the progress bar.

    The forecast is said before the bar begins. The first steps, which it is measured on, are part of the work. Ctrl-C
    leaves with a KeyboardInterrupt whose text says what is kept.
    """
    started, bar = time.time(), None
    try:
        holes = find_holes(clip, passing)
        part = choose_part(clip.size, holes.around_all, model.multiple, job.margin, job.max_side)
        size = clip.size if part is None else part.size
        costs = costs_of(model, holes.boxes if part is None else part.boxes(holes), size)
        if part is not None:
            tell(part_note(job, clip, part))
        for note in memory_notes(job, costs, size):
            tell(note)
        about = f"{job.input}: {counted(len(clip), 'frame')} of {spelled_size(clip.size)}, {job.model} on {job.device}"
        bar = working = Working(len(clip), name)

        def foretell(words: str) -> None:
            say(words)
            working.forecast_is_told()

        if len(costs.held) == 1:
            least = spelled_memory(resident() + least_memory(costs, size))
            foretell(f"{about}: all in one step, so its time is not known before; at least {least} of memory")
        torch.manual_seed(job.seed)
        forecast = Forecast(costs, lambda *found: foretell(f"{about}: {expected(*found)}"), job.device)
        if job.out.suffix.lower() in CONTAINERS and not job.out.is_dir():
            forecast.writer = partial(held_by_encoder, clip.size)
            forecast.written = partial(held_by_encoder, clip.size, ended=True)
        source = clip if part is None else Parts(clip, part)
        frames: Iterable[Tensor] = fill(model, source, on_step=forecast)
        if isinstance(source, Parts):
            frames = source.whole(frames)
        return write_clip(job.out, working.over(frames), clip, overwrite=job.overwrite)
    except KeyboardInterrupt as stop:
        done = 0 if bar is None else bar.done
        words = f"stopped after {done} of {counted(len(clip), 'frame')}; {kept(job.out, started)}"
        raise KeyboardInterrupt(words) from stop
    finally:
        if bar is not None:
            bar.close()


def part_note(job: Job, clip: ClipStream, part: Part) -> str:
    """What of a frame is worked on, and at which size."""
    words = f"{job.input}: of frames of {spelled_size(clip.size)} the model works on"
    if part.box.size != clip.size:
        words += f" {spelled_size(part.box.size)} around the holes (--margin)"
    if part.size != part.box.size:
        words += (
            f" at {spelled_size(part.size)} (--max-side): holes are as sharp as that, known pixels keep the full size"
        )
    return words


def memory_notes(job: Job, costs: Costs, size: tuple[int, int]) -> list[str]:
    """A sentence if the frames of (height, width) `size` that are held at once do not fit into the memory."""
    least, left = least_memory(costs, size), available()
    if least <= left:
        return []
    frames = counted(max(costs.held), "frame")
    return [
        f"{job.input}: {frames} of {spelled_size(size)} at once take {spelled_memory(least)} of memory and "
        f"{spelled_memory(left)} are free: give a smaller --max-side"
    ]


def expected(seconds: float, memory: float, gpu: float) -> str:
    """The forecast in words: 'about 14 minutes and 1.3 GB of memory'; with a remedy if the machine has less."""
    words = f"about {spelled_time(seconds)} and {spelled_memory(memory)} of memory"
    words = f"{words}, {spelled_memory(gpu)} on the GPU" if gpu else words
    most = resident() + available()
    return words if memory <= most else f"{words}, but only {spelled_memory(most)} are there: give a smaller --max-side"


def kept(out: Path, started: float) -> str:
    """What a run that was stopped leaves at `out`, by what was written there since it `started`.

    Writers put a video in its place when it is whole.
    """
    files = visible(out) if out.is_dir() else [out] if out.exists() else []
    new = sum(file.stat().st_mtime >= started for file in files)
    if new:
        return f"{out} is finished" if out.is_file() else f"{out} holds {counted(new, 'finished picture')}"
    return f"nothing is kept, {out} {'is as it was before' if files else 'appears when it is whole'}"


def counted(number: int, what: str) -> str:
    """'1 frame', '2 frames'."""
    return f"{number} {what}{'s' * (number != 1)}"
