"""Frame counts: what the papers' lists say, what a folder or an archive holds, and the difference in words.

The lists are clip -> number of frames, as STTN publishes them: DAVIS 2017 train and validation (90 clips, 6,208
frames), YouTube-VOS train (3,471 clips, 469,887 frames) and test (508 clips, 70,382 frames), both at 30 fps.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from vinpaint_lib.video.hidden import visible

Counts = dict[str, int]


def published(name: str) -> Counts:
    """A published list: davis_trainval, youtube_vos_train or youtube_vos_test."""
    return json.loads((Path(__file__).parent / "splits" / f"{name}.json").read_text())


def in_names(names: Iterable[str], folder: str, suffix: str) -> Counts:
    """Files per clip among names like '.../FOLDER/CLIP/00000.jpg', `folder` being one or more path parts."""
    parents = tuple(folder.split("/"))
    counts: Counter[str] = Counter()
    for name in names:
        *above, clip, file = name.split("/") if name.count("/") else ("", name)
        if file.endswith(suffix) and not file.startswith(".") and tuple(above[-len(parents) :]) == parents:
            counts[clip] += 1
    return dict(counts)


def in_folder(folder: Path, suffix: str) -> Counts:
    """Files per clip in FOLDER/CLIP/00000.jpg; empty when the folder is not there."""
    clips = sorted(path for path in visible(folder) if path.is_dir()) if folder.is_dir() else []
    return {clip.name: sum(file.suffix == suffix for file in visible(clip)) for clip in clips}


def difference(found: Counts, expected: Counts) -> str | None:
    """How counts differ from a list, with up to three examples; None when they agree."""
    wrong = [clip for clip in expected if found.get(clip) != expected[clip]]
    extra = [clip for clip in found if clip not in expected]
    if not wrong and not extra:
        return None
    examples = [f"{clip} has {found.get(clip, 0)} frames where {expected[clip]} are known" for clip in wrong[:3]]
    examples += [f"{clip} is not in the list" for clip in extra[: 3 - len(examples)]]
    return f"{len(wrong) + len(extra)} clips differ ({'; '.join(examples)})"


def every_fifth(found: Counts, expected: Counts) -> bool:
    """Whether most clips hold one frame in five: 6 fps where the list was counted at 30 fps."""
    common = [clip for clip in found if clip in expected]
    fifth = sum(abs(found[clip] - -(-expected[clip] // 5)) <= 1 for clip in common)
    return bool(common) and fifth > len(common) / 2


def size(counts: Counts) -> str:
    """'90 clips, 6208 frames'."""
    return f"{len(counts)} clips, {sum(counts.values())} frames"
