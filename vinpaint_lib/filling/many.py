"""A folder of clips with a folder of masks: all are filled, one after another, and a table says what became of each.

A folder is a clip if pictures lie in it, and a folder of clips if videos or folders of pictures do. If both do, the
masks decide: where one of them has the name of a clip, nothing tells which is meant, and the folder is refused.
"""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from vinpaint_lib.errors import UserError
from vinpaint_lib.files import real
from vinpaint_lib.filling.job import Job, Tell, counted, work
from vinpaint_lib.interface import Inpainter
from vinpaint_lib.video.clip import check_limit
from vinpaint_lib.video.hidden import visible
from vinpaint_lib.video.pictures import PICTURE_SUFFIXES, natural_key
from vinpaint_lib.video.sources import open_source
from vinpaint_lib.video.writing import CONTAINERS, png_names

CLIP_SUFFIXES = (
    ".mp4", ".m4v", ".mov", ".qt", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".m2v", ".vob", ".ts", ".mts", ".m2ts",
    ".mxf", ".wmv", ".asf", ".flv", ".f4v", ".ogv", ".3gp", ".y4m", ".gif",
)  # fmt: skip
HEADER = ("clip", "frames", "minutes", "result")


@dataclass(frozen=True)
class Row:
    """What became of one clip; `frames` and `seconds` are None where it was not filled."""

    clip: str
    result: str
    frames: int | None = None
    seconds: float | None = None
    failed: bool = False

    def cells(self) -> tuple[str, ...]:
        frames = "-" if self.frames is None else f"{self.frames}"
        return (self.clip, frames, "-" if self.seconds is None else f"{self.seconds / 60:.1f}", self.result)


def clips_in(job: Job) -> list[Path] | None:
    """The clips of a folder of clips, in natural order; None if the input is one clip.

    The masks and the output are no clips where they lie in the folder. Raises UserError if the folder may be meant
    either way.
    """
    if not job.input.is_dir():
        return None
    apart = {real(job.mask), real(job.out)}
    entries = [entry for entry in in_order(job.input) if not apart & {real(entry), *real(entry).parents}]
    clips = [entry for entry in entries if is_clip(entry)]
    pictures = [entry for entry in entries if is_picture(entry)]
    if not clips or not pictures:
        return clips or None
    paired = [clip for clip in clips if job.mask.is_dir() and masks_of(clip, job.mask)]
    if not paired:
        return None
    raise UserError(
        f"{job.input}: holds pictures ({pictures[0].name}) and clips ({paired[0].name}), so it may be one clip or a "
        "folder of clips; move the pictures or the clips into a folder of their own"
    )


def fill_all(job: Job, clips: list[Path], tell: Tell, say: Tell, on_fault: Callable[[Exception], str]) -> bool:
    """Fill the `clips`, print the table, and say whether all are done.

    A clip whose output is there already is left as it is, unless the job may overwrite. A clip that fails does not stop
    the others; `on_fault` puts an exception that is no UserError in words. Raises UserError for what concerns all.
    """
    check_places(job)
    rows: list[Row] = []
    model = job.build()
    outs = {clip: job.out / output_name(clip) for clip in clips}
    shared = [out for out, count in Counter(outs.values()).items() if count > 1]
    for note in stray_notes(job, clips):
        tell(note)
    try:
        for number, clip in enumerate(clips, 1):
            if outs[clip] in shared:
                rows.append(
                    Row(clip.name, f"FAILED: {outs[clip]} would be the output of two clips; rename one", failed=True)
                )
                continue
            one = replace(job, input=clip, out=outs[clip])
            rows.append(tried(one, model, tell, say, on_fault, f"{number}/{len(clips)} {clip.name} "))
    except KeyboardInterrupt as stop:
        print(table(rows))
        left = counted(len(clips) - len(rows), "clip")
        raise KeyboardInterrupt(f"{stop}; {left} left, and the same command goes on there") from stop
    print(table(rows))
    return not any(row.failed for row in rows)


def tried(
    job: Job, model: Inpainter, tell: Tell, say: Tell, on_fault: Callable[[Exception], str], name: str = ""
) -> Row:
    """The clip of `job`, filled unless it is done already; or the sentence that says why not."""
    frames, started = None, time.perf_counter()
    try:
        job = replace(job, mask=mask_of(job))
        done, job = state_of(job)
        if done:
            return Row(job.input.name, f"{job.out} (was there already)")
        clip = job.open(tell)
        frames = len(clip)
        written = work(job, clip, model, tell, say, name)
        return Row(job.input.name, f"{written}", frames, time.perf_counter() - started)
    except UserError as error:
        return Row(job.input.name, f"FAILED: {error}", failed=True)
    except Exception as error:
        return Row(job.input.name, f"FAILED: {on_fault(error)}", failed=True)


def check_places(job: Job) -> None:
    """Make the folder for the outputs. Raises UserError if it cannot be, or is the input or the masks."""
    if job.out.exists() and not job.out.is_dir():
        raise UserError(f"{job.out}: is a file; {job.input} is a folder of clips, so give a folder for their outputs")
    if not job.mask.exists():
        raise UserError(f"{job.mask}: no such file or folder; check the path")
    for other, what in ((job.input, "the folder of clips"), (job.mask, "the folder of masks")):
        if job.out.exists() and job.out.samefile(other):
            raise UserError(f"{job.out}: is {what} itself; give another name")
    try:
        job.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{job.out}: cannot be made ({error.strerror}); give another folder") from error


def state_of(job: Job) -> tuple[bool, Job]:
    """Whether the output is there and whole; and the job, which may overwrite what an earlier run left unfinished."""
    if job.overwrite or not job.out.exists():
        return False, job
    if job.out.is_file():
        return True, job
    source = open_source(job.input)
    length = source.length if job.limit is None else min(check_limit(job.limit), source.length)
    wanted = set(png_names(source.names[:length]))
    there = {entry.name for entry in visible(job.out)}
    if wanted and wanted <= there:
        return True, job
    return False, replace(job, overwrite=there <= wanted)


def mask_of(job: Job) -> Path:
    """The mask of the job's clip: of its name in the folder of masks; a file is the mask of all. Raises UserError."""
    if not job.mask.is_dir():
        return job.mask
    found = masks_of(job.input, job.mask)
    if not found:
        raise UserError(f"{job.mask}: has no mask named {job.input.stem}; name it so, or take the clip away")
    if len(found) > 1:
        names = " and ".join(entry.name for entry in found)
        raise UserError(f"{job.mask}: has more than one mask for {job.input.name} ({names}); keep one")
    return found[0]


def masks_of(clip: Path, folder: Path) -> list[Path]:
    """The entries of a folder of masks with the name of a clip. A name with its suffix goes before one without."""
    entries = in_order(folder)
    same = [entry for entry in entries if entry.name == clip.name]
    return same or [entry for entry in entries if stem(entry) == stem(clip)]


def stray_notes(job: Job, clips: list[Path]) -> list[str]:
    """Sentences on what is neither a clip nor the mask of one."""
    notes = []
    apart = {real(job.mask), real(job.out)}
    others = [entry.name for entry in in_order(job.input) if entry not in clips and real(entry) not in apart]
    if others:
        notes.append(f"{job.input}: no clips by their names and left out: {few(others)}")
    if job.mask.is_dir():
        used = {entry for clip in clips for entry in masks_of(clip, job.mask)}
        unused = [entry.name for entry in in_order(job.mask) if entry not in used]
        if unused:
            notes.append(f"{job.mask}: masks without a clip of their name: {few(unused)}")
    return notes


def output_name(clip: Path) -> str:
    """A folder keeps its name, and a video its name and container; what cannot be written becomes .mp4."""
    if clip.is_dir():
        return clip.name
    return clip.name if clip.suffix.lower() in CONTAINERS else f"{clip.stem}.mp4"


def in_order(folder: Path) -> list[Path]:
    """What lies in the folder, in natural order, without hidden files."""
    return sorted(visible(folder), key=lambda entry: natural_key(entry.name))


def is_picture(entry: Path) -> bool:
    return entry.is_file() and entry.suffix.lower() in PICTURE_SUFFIXES


def is_clip(entry: Path) -> bool:
    """A video by its suffix, or a folder with pictures in it."""
    if entry.is_dir():
        return any(is_picture(inner) for inner in visible(entry))
    return entry.suffix.lower() in CLIP_SUFFIXES


def stem(entry: Path) -> str:
    return entry.name if entry.is_dir() else entry.stem


def few(names: list[str], most: int = 5) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def table(rows: list[Row]) -> str:
    """The rows as text, columns aligned."""
    cells = [HEADER, *(row.cells() for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in cells)
