"""What no frame shows: how near each way to fill it comes to the truth, in colour and in features.

    python -m vinpaint_lib.lessons.experiments.unseen --data videos:PATH --clips NAME,NAME [--weights FILE]

A hole is cut into real clips. TGF-Net's walks say which of its pixels some frame shows; those are copied. What is left
is filled by each rule in turn, from the same picture. The table has the PSNR in that part, and the distance of features
(`losses.perceptual.feature_distance`) in two networks: the one that the painter was trained with, and one that it was
not. Lower is nearer. A membrane is right on average and wrong to the eye: it has the better PSNR.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from vinpaint_lib.datasets.clip_set import ClipSet, scaled, without_bars
from vinpaint_lib.datasets.parse import parse_source
from vinpaint_lib.errors import run_program
from vinpaint_lib.holes import mix
from vinpaint_lib.holes.box import bounding_box
from vinpaint_lib.holes.smooth import each, smooth_colours, telea
from vinpaint_lib.interface import Window
from vinpaint_lib.losses.features import find_features
from vinpaint_lib.losses.perceptual import feature_distance
from vinpaint_lib.motion.chains import Search, Views
from vinpaint_lib.motion.links import Links
from vinpaint_lib.options import parse_names
from vinpaint_lib.scoring import metrics
from vinpaint_lib.systems.painter.model import PainterModel
from vinpaint_lib.systems.registry import build
from vinpaint_lib.systems.tgfnet.groups import copied, gather_groups

HOLES = {"blob": 0.5, "moving blob": 0.5}
AREA = (0.06, 0.15)
LENGTH = 24
MARGIN = 64  # pixels around the hole that a rule may look at
LEAST = 200  # pixels; a smaller part that no frame shows is no case
NETWORKS = ("squeezenet", "vgg16-first-blocks")


class Case(NamedTuple):
    """One target around its hole: `picture` (3 h w) with everything that some frame shows, 0 in `unseen` (1 h w)."""

    clip: str
    picture: Float[Tensor, "3 h w"]
    unseen: Float[Tensor, "1 h w"]
    truth: Float[Tensor, "3 h w"]


Rule = Callable[[Tensor, Tensor], Tensor]  # (picture 3 h w, unseen 1 h w) -> picture 3 h w


def cases(source: ClipSet, *, height: int = 240, targets: int = 3, seed: int = 0) -> Iterator[Case]:
    """For every clip of the set and every kind of `HOLES`: `targets` frames of its middle, spread evenly."""
    for number, name in enumerate(source.names):
        size = scaled(source.size(number), height)
        clip = without_bars(source.load(number, size, length=LENGTH))
        for kind in HOLES:
            rng = np.random.default_rng((seed, number, list(HOLES).index(kind)))
            holes = mix.draw({kind: 1.0}, len(clip), clip.size, rng, mix.Ranges(AREA)).masks
            known = clip.frames * (1 - holes)
            window = Window(tuple(range(len(clip))), known, holes, torch.zeros_like(holes))
            links, views = Links(), Views()
            links.update(window)
            for target in np.linspace(0, len(clip) - 1, targets + 2).round().astype(int)[1:-1].tolist():
                box = bounding_box(holes[target], MARGIN, 8)
                if box is None:
                    continue
                search = Search(window, target, box)
                aligned = gather_groups(search, links, views)[0]
                truth, hole = (part[target][:, *box.slices] for part in (clip.frames, holes))
                picture, unknown = copied(truth * (1 - hole), hole, aligned)
                unseen = unknown.float()
                if unseen.sum() < LEAST:
                    continue
                yield Case(name, picture * (1 - unseen), unseen, truth)


def alone(rule: Callable) -> Rule:
    """A rule for arrays (`holes/smooth.py`) as a rule for one picture."""
    return lambda picture, unseen: each(rule, *(rearrange(x, "c h w -> 1 c h w") for x in (picture, unseen)))[0]


def distances(case: Case, filled: Float[Tensor, "3 h w"], networks: Sequence[nn.Module]) -> list[float]:
    """PSNR in the part that no frame shows (dB), and the feature distance there by each network."""
    one, truth, region = (rearrange(x, "c h w -> 1 c h w") for x in (filled.clamp(0, 1), case.truth, case.unseen))
    found = [float(metrics.psnr(one, truth, region)[0])]
    return found + [float(feature_distance(net(one), net(truth), region)[0]) for net in networks]


@torch.no_grad()
def table(found: Sequence[Case], rules: dict[str, Rule], networks: Sequence[nn.Module]) -> dict[str, list[float]]:
    """Mean over clips of `distances`, for each rule; a clip counts once, however many cases it has."""
    names = sorted({case.clip for case in found})
    scores: dict[str, list[float]] = {}
    for rule, fill in rules.items():
        rows = [[distances(c, fill(c.picture, c.unseen), networks) for c in found if c.clip == name] for name in names]
        scores[rule] = np.mean([np.mean(values, axis=0) for values in rows], axis=0).tolist()
    return scores


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="what no frame shows, filled by several rules")
    parser.add_argument("--data", required=True, help="set of clips, as for `vinpaint train`")
    parser.add_argument("--clips", default="", help="names, joined by commas; all if empty")
    parser.add_argument("--weights", type=Path, help="weights of a painter; without them it is left out")
    options = parser.parse_args(arguments)
    source = parse_source(options.data)
    chosen = source.only(parse_names(options.clips)) if options.clips else source
    networks = [net for kind in NETWORKS if (net := find_features(kind)) is not None]
    rules: dict[str, Rule] = {"membrane": alone(smooth_colours), "telea": alone(telea)}
    if options.weights is not None:
        painter = build("painter", options.weights)
        assert isinstance(painter, PainterModel)
        rules["painter"] = painter.net.paint
    found = list(cases(chosen))
    share = sum(float(case.unseen.sum()) for case in found)
    print(f"{len(found)} targets of {len({case.clip for case in found})} clips, {share:.0f} pixels that no frame shows")
    print("rule".ljust(16) + "".join(f"{name:>20}" for name in ("PSNR", *NETWORKS)))
    for name, values in table(found, rules, networks).items():
        print(name.ljust(16) + "".join(f"{value:>20.3f}" for value in values))


if __name__ == "__main__":
    run_program(main, None, name="python -m vinpaint_lib.lessons.experiments.unseen")
