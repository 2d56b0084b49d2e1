"""What an ablation is asked for."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from vinpaint_lib.comparison.cells import Comparison, Size

Tell = Callable[[object], None]


@dataclass(frozen=True)
class Ablating:
    """What to leave out of which system, how to train it, how to score it.

    name       a system of `vinpaint models`
    out        the folder of the trainings and of results.jsonl; with `switches` the file of results itself
    score      clips to score on, in the words of `datasets.parse.parse_source`
    switches   nothing is trained: parts of weights that are there are switched off
    variants   forms or rows by name; empty: all. The full form always takes part
    preset     one of the system's presets; steps: in place of the preset's
    data       clips to train on, likewise; held_back: names of those that are not
    seed       of the first trial; a trial has one seed, of its trainings and of its holes
    seeds      number of trials
    weights    that every training begins with; with `switches` those whose parts are switched off
    workers    processes that make samples; None: as many as `vinpaint train` takes
    masks, protocol, size, limit, clips  of the scores, as `Comparison` has them
    retry      whether cells that failed before are run again
    device     as torch writes it
    """

    name: str
    out: Path
    score: str
    switches: bool = False
    variants: Sequence[str] = ()
    preset: str = "laptop"
    steps: int | None = None
    data: str = "toy"
    held_back: Sequence[str] = ()
    seed: int = 0
    seeds: int = 1
    weights: Path | None = None
    workers: int | None = None
    masks: Sequence[str] = ("stationary", "moving")
    protocol: str = "clean"
    size: Size = (240, 432)
    limit: int | None = 40
    clips: Sequence[str] = ()
    retry: bool = False
    device: str = "cpu"

    def comparison(self, out: Path, seeds: Sequence[int], clips: Sequence[str]) -> Comparison:
        """The cells of these trials."""
        return Comparison(
            models=(),
            data=self.score,
            out=out,
            masks=self.masks,
            protocols=(self.protocol,),
            sizes=(self.size,),
            limit=self.limit,
            clips=list(clips) or None,
            seeds=seeds,
            retry=self.retry,
            device=self.device,
        )
