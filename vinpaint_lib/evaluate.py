"""Score models on clips whose truth is known: one table, and a JSON file with all numbers and settings behind it.

Every model sees the same clips and the same holes; outputs are composited (known pixels are the input's), as the
papers score them. Full-frame PSNR therefore says mostly how large the hole is: compare models by the PSNR of the hole.
"""

import hashlib
import platform
import shlex
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from vinpaint_lib import __version__
from vinpaint_lib.datasets.parse import parse_source
from vinpaint_lib.errors import UserError
from vinpaint_lib.files import sha256_of
from vinpaint_lib.inpaint import fill
from vinpaint_lib.interface import Inpainter
from vinpaint_lib.options import check_seed, spell_names
from vinpaint_lib.places import check_file, claimed
from vinpaint_lib.scoring import metrics, protocols
from vinpaint_lib.scoring.ablation import Ablation, describe
from vinpaint_lib.scoring.table import plain, score_table, summary, write_json
from vinpaint_lib.systems import registry

Size = tuple[int, int]
SMALLEST = 8  # pixels
PACKAGES = ("torch", "numpy", "opencv-python-headless", "scikit-image")


@dataclass(frozen=True)
class Evaluation:
    """What to evaluate, and how.

    models    names of `vinpaint models`
    data      a set of clips in the words of `datasets.parse.parse_source`
    masks     stationary, watermark, moving, object, fvi:PATH
    protocol  clean or paper (`scoring/protocols.py`)
    size      (height, width) to work at, in pixels
    limit     the first so many frames of each clip; None: all
    seed      of the holes
    out       a .json file for everything that was measured
    weights   one file for all networks, or one for each name; None: those that ship
    clips     only these of the data, by name; None: all
    device    as torch writes it
    ablation  a system whose paper has a table of parts: its rows take the place of `models`
    """

    models: Sequence[str] = ()
    data: str = "toy"
    masks: str = "stationary"
    protocol: str = "clean"
    size: Size = (240, 432)
    limit: int | None = 40
    seed: int = 0
    out: Path | None = None
    weights: Path | dict[str, Path] | None = None
    clips: Sequence[str] | None = None
    device: str = "cpu"
    ablation: str | None = None

    def command(self) -> str:
        """The command line that makes this table again; weights by name have no option and are left out."""
        rows = ["--model", ",".join(self.models)] if self.ablation is None else ["--ablation", self.ablation]
        words = ["vinpaint", "evaluate", *rows, "--data", self.data, "--masks", self.masks]
        words += ["--protocol", self.protocol, "--size", f"{self.size[1]}x{self.size[0]}"]
        words += ["--limit", str(self.limit), "--seed", str(self.seed)]
        if self.clips is not None:
            words += ["--clips", spell_names(self.clips)]
        if isinstance(self.weights, Path):
            words += ["--weights", str(self.weights)]
        return shlex.join([*words, "--device", self.device])


def evaluate(asked: Evaluation) -> dict[str, Any]:
    """Fill every clip with every model, score, print the table; return (and write to `out`) everything as JSON data.

    Progress goes to stderr. Raises UserError before anything is filled: for an `out` that is no name of a .json file,
    cannot be written, or is written by another run, and as `measured` does.
    """
    if asked.out is None:
        return measured(asked)
    if asked.out.is_dir() or asked.out.suffix.lower() != ".json":
        raise UserError(f"--out {asked.out}: cannot hold the table; give the name of a .json file")
    check_file(asked.out)
    with claimed(asked.out):
        return measured(asked)


def measured(asked: Evaluation) -> dict[str, Any]:
    """`evaluate`, for an `out` that is ours.

    Raises UserError for an unknown model, protocol, mask rule or clip, and for a missing folder.
    """
    protocol, seed = asked.protocol, check_seed(asked.seed)
    if asked.limit is not None and asked.limit < 1:
        raise UserError(f"--limit {asked.limit}: leaves no frames to score; give 1 or more, or None for all")
    if min(asked.size) < SMALLEST:
        height, width = asked.size
        raise UserError(f"--size {width}x{height}: is too small to score; give sides of {SMALLEST} pixels or more")
    if protocol not in protocols.PROTOCOLS:
        raise UserError(f"--protocol {protocol}: is not known; use one of {', '.join(protocols.PROTOCOLS)}")
    rule = protocols.parse_masks(asked.masks, protocol)
    source = parse_source(asked.data)
    chosen = list(range(len(source)))
    if asked.clips is not None:
        source.only(asked.clips)  # complains of names that no clip has
        chosen = [i for i in chosen if source.name(i) in asked.clips]
    parts = None if asked.ablation is None else ablation_of(asked.ablation)
    systems = build_all(asked.models, asked.weights) if parts is None else build_rows(parts, asked.weights)
    for system in systems.values():
        system.to(asked.device).eval()
    rows: dict[str, dict[str, Any]] = {name: {} for name in systems}
    about: list[dict[str, Any]] = []
    total = len(systems) * sum(min(source.frames(i), asked.limit or source.frames(i)) for i in chosen)
    with tqdm(total=total, unit="frame", file=sys.stderr) as progress:
        for case in protocols.cases(source, rule, protocol, asked.size, asked.limit, seed, chosen):
            motion = protocols.motion_of(case, rule)
            about.append(describe_case(case, motion))
            for name, system in systems.items():
                progress.set_description(f"{case.clip.name}, {name}")
                torch.manual_seed(seed)  # a model that draws numbers must not depend on the models before it
                started = time.perf_counter()
                filled = torch.stack([step(frame, progress) for frame in fill(system, case.clip)])
                seconds = (time.perf_counter() - started) / len(case.clip)
                scores = protocols.score(filled, case, motion, rule, protocol)
                rows[name][f"{len(about) - 1}"] = {"scores": scores, "seconds_per_frame": seconds}
    result = {
        "command": asked.command(),
        "seed": seed,
        "size": {"height": asked.size[0], "width": asked.size[1]},
        "limit": asked.limit,
        "protocol": describe_protocol(protocol, asked.size, about),
        "masks": rule.describe(),
        "data": {
            "spec": asked.data,
            "source": source.describe(),
            "only": None if asked.clips is None else sorted(asked.clips),
        },
        "versions": {"vinpaint": __version__, "python": platform.python_version()}
        | {package: version(package) for package in PACKAGES},
        "machine": {"device": asked.device, "threads": torch.get_num_threads(), "processor": platform.machine()},
        "clips": about,
        "models": {
            name: {
                **describe_model(name if parts is None else parts.model, system, asked.weights),
                **summary(list(rows[name].values()), about, protocol),
            }
            for name, system in systems.items()
        },
    }
    if parts is not None:
        result["ablation"] = describe(parts)
    print(score_table(result, parts))
    if asked.out is not None:
        write_json(asked.out, result)
    return result


def step(frame: torch.Tensor, progress: tqdm) -> torch.Tensor:
    """Count a finished frame."""
    progress.update()
    return frame.float()


def build_all(models: Sequence[str], weights: Path | dict[str, Path] | None) -> dict[str, Inpainter]:
    """The models by name, in the given order, each once. A single weights file goes to all models with weights.

    Raises UserError for unknown names, and for weights that no model takes.
    """
    names = list(dict.fromkeys(models))
    if not names or "" in names:
        raise UserError(f"--model {','.join(models)}: names no model; choose among {', '.join(registry.MODELS)}")
    for name in names:
        if name not in registry.MODELS:
            raise UserError(f"unknown model {name!r}: choose among {', '.join(registry.MODELS)}")
    networks = [name for name in names if name not in registry.BASELINES]
    if isinstance(weights, dict):
        if stray := set(weights) - set(names):
            raise UserError(f"weights are given for {', '.join(sorted(stray))}, which is not evaluated; name it too")
        files = weights
    elif weights is not None and not networks:
        raise UserError(f"{weights}: none of {', '.join(names)} has weights; leave --weights away")
    else:
        files = {name: weights for name in networks if weights is not None}
    return {name: registry.build(name, files.get(name)) for name in names}


def ablation_of(name: str) -> Ablation:
    """The table of parts of a system's paper. Raises UserError for a name that has no such table."""
    known = {each.name: each.ablation for each in registry.SYSTEMS.values() if each.ablation is not None}
    if name not in known:
        raise UserError(f"--ablation {name}: is no system with a table of parts; use one of {', '.join(known)}")
    return known[name]


def build_rows(parts: Ablation, weights: Path | dict[str, Path] | None) -> dict[str, Inpainter]:
    """A model for each row of a table of parts, all with one weights file. Raises UserError like `registry.build`."""
    if isinstance(weights, dict):
        raise UserError(f"--ablation {parts.model}: has one network for all rows; give one weights file or none")
    return {row.name: registry.build(parts.model, weights, **row.options) for row in parts.rows}


def describe_protocol(protocol: str, size: Size, about: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Every choice that a number depends on, in words; `about` holds what `describe_case` says of each clip."""
    window = metrics.ssim_window(protocol, *size)
    kind = "Gaussian, sigma 1.5" if protocol == "clean" else "uniform"
    by_frame = protocol == "paper"
    return {
        "name": protocol,
        "psnr": "RGB in [0, 1], composited frames; frames without error are left out of means",
        "ssim": f"scikit-image, {window}x{window} {kind}",
        "warping_error": "mean square over RGB in [0, 1] along the flow, hidden pixels left out",
        "flow_estimator": describe_motions([clip["flow_estimator"] for clip in about]),
        "feature_nets": "none",
        "outputs": "rounded to 8 bits, as are the clips" if by_frame else "not rounded",
        "average": "over all frames of all clips (E_warp and time: over clips)" if by_frame else "over clips",
    }


def describe_motions(names: Sequence[str]) -> str:
    """The flows that E_warp follows, in words; where clips differ in it, with the number of clips."""
    counted = Counter(names)
    if len(counted) == 1:
        return names[0]
    return " and ".join(f"{name} ({count} clip{'s' * (count > 1)})" for name, count in counted.items())


def describe_case(case: protocols.Case, motion: metrics.ScoredMotion) -> dict[str, Any]:
    """A clip of the evaluation and its holes; the sha256 shows whether two tables had the same holes."""
    holes = case.clip.masks
    return {
        "name": case.clip.name,
        "frames": len(case.clip),
        "mask_share": float(holes.mean()),
        "mask_share_per_frame": plain(holes.double().mean((1, 2, 3))),
        "mask_sha256": hashlib.sha256(holes.byte().numpy().tobytes()).hexdigest(),
        "mask_donor": case.donor,
        "flow_estimator": motion.estimator,
    }


def describe_model(name: str, system: Inpainter, weights: Path | dict[str, Path] | None) -> dict[str, Any]:
    """The title of a model, its number of parameters, and the file and sha256 of its weights."""
    count = sum(p.numel() for p in system.parameters())
    if not count:
        return {"title": system.card.title, "parameters": 0, "weights": None}
    given = weights.get(name) if isinstance(weights, dict) else weights
    path = given or registry.weights_of(name)
    if path is None:
        return {"title": system.card.title, "parameters": count, "weights": None}
    digest = sha256_of(path) if path.exists() else None
    found = {"file": path.name, "sha256": digest, "shipped": given is None}
    return {"title": system.card.title, "parameters": count, "weights": found}
