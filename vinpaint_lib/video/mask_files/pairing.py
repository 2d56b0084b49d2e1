"""Which mask belongs to which frame, by the names of their files.

Names are compared without what all names of a folder have in common, so that frame_0003.jpg and mask_3.png pair. What
is left are numbers, or else words.
"""

from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path

from vinpaint_lib.errors import UserError

Keys = list[int] | list[str]


def paired(path: Path, masks: Sequence[str], frames: Sequence[str], wanted: int) -> tuple[list[int], list[str]]:
    """The places of the masks for the frames in order, and sentences on what is odd about the pairing.

    path: the folder of the masks, for messages. wanted: so many first frames need a mask. Masks without a frame are
    left out. Where the names have nothing in common, or are numbered from another number, masks go by their order.

    Raises UserError if some frames find their mask by name and others do not.
    """
    ours, theirs = keys(frames), keys(masks)
    if ours == theirs:
        return list(range(len(masks))), []
    place = {key: number for number, key in enumerate(theirs)}
    if len(place) == len(masks) and len(set(ours)) == len(ours):
        lost = [number for number, key in enumerate(ours) if key not in place]
        if not lost or lost[0] >= wanted:
            kept = ours[: lost[0] if lost else None]
            spare = [name for key, name in zip(theirs, masks, strict=True) if key not in set(ours)]
            note = f"{path}: {len(spare)} of {len(masks)} masks have no frame of their name ({few(spare)}); left out"
            return [place[key] for key in kept], [note] if spare else []
        if len(lost) < len(ours) and not shifted(ours, theirs):
            count = f"{len(masks)} masks for {len(frames)} frames; " if len(masks) != len(frames) else ""
            raise UserError(
                f"{path}: {count}no mask has the name or number of frame {few([frames[n] for n in lost])}; give every "
                "frame a mask of its name (a black one where nothing is missing), or remove the frame"
            )
    if len(masks) not in (len(frames), wanted):
        return list(range(len(masks))), []  # for the caller to refuse
    return list(range(len(masks))), [
        f"{path}: the names of masks and frames differ, so they pair in their order ({masks[0]} with {frames[0]}, "
        f"{masks[-1]} with {frames[len(masks) - 1]})"
    ]


def keys(names: Sequence[str]) -> Keys:
    """What tells the names of one folder apart: numbers if that is all, else words in lower case."""
    stems = [Path(name).stem for name in names]
    start = len(common(stems))
    rest = [stem[start:] for stem in stems]
    end = len(common([word[::-1] for word in rest]))
    rest = [word[: len(word) - end].lower() for word in rest]
    if all(word.isascii() and word.isdigit() for word in rest):
        return [int(word) for word in rest]
    return rest


def common(words: Sequence[str]) -> str:
    """The longest common beginning that does not end inside of a number."""
    shared = takewhile(lambda letters: len(set(letters)) == 1, zip(*words, strict=False))
    return "".join(letters[0] for letters in shared).rstrip("0123456789")


def shifted(ours: Keys, theirs: Keys) -> bool:
    """Whether the numbers are the same but for the first one, as those of frames from 0 and masks from 1."""
    steps = {b - a for a, b in zip(ours, theirs, strict=False) if isinstance(a, int) and isinstance(b, int)}
    return len(ours) == len(theirs) and len(steps) == 1


def few(names: Sequence[str], most: int = 3) -> str:
    """The first names."""
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")
