"""A cell of the comparison: one system on one clip with one draw of holes, at one size, by one protocol.

A cell's key is a hash of all that its scores depend on, but the code: system and weights, data set and clip, holes,
protocol, size, frames, seed. What is measured with other weights is another cell.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vinpaint_lib.datasets.clip_set import ClipSet
from vinpaint_lib.errors import UserError
from vinpaint_lib.scoring.protocols import generator

Size = tuple[int, int]


@dataclass(frozen=True)
class Comparison:
    """What to compare.

    models     names of `vinpaint models`
    data       a set of clips in the words of `datasets.parse.parse_source`
    out        the file of results, .jsonl
    masks      kinds of holes, in the words of `scoring.protocols.parse_masks`
    protocols  clean, paper
    sizes      (height, width) in pixels
    limit      the first so many frames of each clip; None: all
    clips      only these of the data, by name; None: all
    seeds      of the holes: one for each trial
    sample     so many clips are drawn for each trial; None: all
    weights    files by the names of systems; the others get the weights that ship
    retry      whether cells that failed before are run again
    features   the network of VFID's features, by its name in `scoring.video_features`; none
    pictures   a folder for five frames of every filled clip
    device     as torch writes it
    """

    models: Sequence[str]
    data: str
    out: Path
    masks: Sequence[str] = ("stationary", "moving")
    protocols: Sequence[str] = ("clean",)
    sizes: Sequence[Size] = ((240, 432),)
    limit: int | None = 40
    clips: Sequence[str] | None = None
    seeds: Sequence[int] = (0,)
    sample: int | None = None
    weights: Mapping[str, Path] | None = None
    retry: bool = False
    features: str = "none"
    pictures: Path | None = None
    device: str = "cpu"


@dataclass(frozen=True)
class Group:
    """What the cells of several systems share: they see the same clip with the same holes.

    data is a hash of what the data set says of itself; number is the clip's place in the set, since two clips may have
    one name.
    """

    data: str
    clip: str
    number: int
    masks: str
    protocol: str
    size: Size
    limit: int | None
    seed: int

    def describe(self) -> dict[str, Any]:
        """As JSON's types; the size as WIDTHxHEIGHT."""
        return asdict(self) | {"size": f"{self.size[1]}x{self.size[0]}"}

    def __str__(self) -> str:
        height, width = self.size
        return f"{self.clip}, {self.masks}, {self.protocol}, {width}x{height}, seed {self.seed}"


def cell_of(group: Group, system: str, weights: str | None) -> dict[str, Any]:
    """A cell as JSON's types; `weights` is the sha256 of the system's weights, None for a baseline."""
    return {"system": system, "weights": weights, **group.describe()}


def key_of(cell: Mapping[str, Any]) -> str:
    """16 hex digits that stand for a cell."""
    return digest(dict(cell))[:16]


def digest(value: Any) -> str:
    """The sha256 of JSON data; the order of names does not count."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def groups(asked: Comparison, source: ClipSet) -> Iterator[Group]:
    """All groups, in the order in which they are run. Raises UserError for clips that are not there or too few."""
    data = digest(source.describe())[:16]
    every = list(range(len(source)))
    if asked.clips is not None:
        source.only(asked.clips)  # complains of names that no clip has
        every = [i for i in every if source.name(i) in asked.clips]
    if asked.sample is not None and not 1 <= asked.sample <= len(every):
        raise UserError(f"--sample {asked.sample}: there are {len(every)} clips; give a number from 1 to {len(every)}")
    drawn = {seed: draw(every, asked.sample, seed) for seed in asked.seeds}
    for size in asked.sizes:
        for protocol in asked.protocols:
            for masks in asked.masks:
                for seed in asked.seeds:
                    for i in drawn[seed]:
                        yield Group(data, source.name(i), i, masks, protocol, size, asked.limit, seed)


def draw(clips: Sequence[int], count: int | None, seed: int) -> list[int]:
    """The clips of one trial, in their order: `count` of them by chance, or all."""
    if count is None:
        return list(clips)
    return sorted(int(i) for i in generator(seed, "clips of a trial").choice(clips, count, replace=False))
