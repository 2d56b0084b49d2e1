"""Score models on clips whose truth is known: one table, and a JSON file with all that made it.

Every model sees the same clips and the same holes; outputs are composited (known pixels are the input's), as the
papers score them. Full-frame PSNR therefore says mostly how large the hole is: compare models by the hole's.
"""

import hashlib
import json
import math
import os
import platform
import shlex
import sys
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from vinpaint_lib import __version__, ablation, metrics, protocols
from vinpaint_lib.datasets import parse_source
from vinpaint_lib.errors import UserError
from vinpaint_lib.inpaint import fill
from vinpaint_lib.models import Inpainter, registry

Size = tuple[int, int]
SCORES = ("psnr", "hole_psnr", "ssim", "warping_error", "hole_warping_error")
PACKAGES = ("torch", "numpy", "opencv-python-headless", "scikit-image")
# Column: heading, factor, digits. Higher is better for the first three, lower for the others.
COLUMNS = {
    "psnr": ("PSNR dB", 1.0, 2),
    "hole_psnr": ("hole PSNR dB", 1.0, 2),
    "ssim": ("SSIM", 1.0, 4),
    "warping_error": ("E_warp x1e-3", 1000.0, 3),
    "hole_warping_error": ("hole E_warp x1e-3", 1000.0, 3),
    "seconds_per_frame": ("s/frame", 1.0, 3),
}


def run(
    models: Sequence[str],
    data: str,
    masks: str,
    protocol: str = "clean",
    size: Size = (240, 432),
    limit: int | None = 40,
    seed: int = 0,
    out: Path | None = None,
    weights: Path | dict[str, Path] | None = None,
    clips: Sequence[str] | None = None,
    device: str = "cpu",
    ablate: str | None = None,
) -> dict[str, Any]:
    """Fill every clip with every model, score, print the table; return (and write to `out`) everything as JSON data.

    models   names of the registry. weights: one file for all networks, or one for each name
    data     a source in the words of `datasets.parse_source`. clips: only these of it
    masks    stationary, moving, object, fvi:PATH. protocol: clean, paper (`protocols.py`). size: (height, width)
    limit    the first so many frames of each clip
    ablate   a name of `ablation.ABLATIONS`: its rows are the models, and `models` is not used

    Progress goes to stderr. Raises UserError, before anything is filled: unknown model, protocol, masks, clip, missing
    folder, an `out` that cannot be written.
    """
    if protocol not in protocols.PROTOCOLS:
        raise UserError(f"--protocol {protocol}: is not known; use one of {', '.join(protocols.PROTOCOLS)}")
    if out is not None and (out.is_dir() or out.suffix != ".json"):
        raise UserError(f"--out {out}: cannot hold the table; give the name of a .json file")
    rule = protocols.parse_masks(masks, protocol)
    source = parse_source(data)
    chosen = list(range(len(source)))
    if clips is not None:
        source.only(clips)  # complains of names that no clip has
        chosen = [i for i in chosen if source.name(i) in clips]
    if ablate is not None:
        if isinstance(weights, dict):
            raise UserError(f"--ablation {ablate}: has one network for all rows; give one weights file or none")
        systems = ablation.build(ablate, weights)
    else:
        systems = build_all(models, weights)
    for system in systems.values():
        system.to(device).eval()
    rows: dict[str, dict[str, Any]] = {name: {} for name in systems}
    about: list[dict[str, Any]] = []
    total = len(systems) * sum(min(source.frames(i), limit or source.frames(i)) for i in chosen)
    with tqdm(total=total, unit="frame", file=sys.stderr) as progress:
        for case in protocols.cases(source, rule, protocol, size, limit, seed, chosen):
            motion = protocols.motion_of(case, rule)
            about.append(describe_case(case))
            for name, system in systems.items():
                progress.set_description(f"{case.clip.name}, {name}")
                torch.manual_seed(seed)  # a model that draws numbers must not depend on the models before it
                started = time.perf_counter()
                filled = torch.stack([step(frame, progress) for frame in fill(system, case.clip)])
                seconds = (time.perf_counter() - started) / len(case.clip)
                scores = protocols.score(filled, case, motion, rule, protocol)
                rows[name][f"{len(about) - 1}"] = {"scores": scores, "seconds_per_frame": seconds}
    result = {
        "command": command(models, data, masks, protocol, size, limit, seed, weights, device, ablate),
        "seed": seed,
        "size": {"height": size[0], "width": size[1]},
        "limit": limit,
        "protocol": describe_protocol(protocol, size, rule),
        "masks": rule.describe(),
        "data": {"spec": data, "source": source.describe(), "only": None if clips is None else sorted(clips)},
        "versions": {"vinpaint": __version__, "python": platform.python_version()}
        | {package: version(package) for package in PACKAGES},
        "machine": {"device": device, "threads": torch.get_num_threads(), "processor": platform.machine()},
        "clips": about,
        "models": {
            name: {
                **describe_model(name, system, weights, ablate),
                **summary(list(rows[name].values()), about, protocol),
            }
            for name, system in systems.items()
        },
    }
    if ablate is not None:
        result["ablation"] = ablation.describe(ablate)
    print(table(result))
    if out is not None:
        write_json(out, result)
    return result


def step(frame: torch.Tensor, progress: tqdm) -> torch.Tensor:
    """Count a frame that has come; a model may give frames back on its own device."""
    progress.update()
    return frame.float().cpu()


def build_all(models: Sequence[str], weights: Path | dict[str, Path] | None) -> dict[str, Inpainter]:
    """The models by name, in the order asked for, each once. One weights file goes to all that have weights."""
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


def command(models, data, masks, protocol, size, limit, seed, weights, device, ablate=None) -> str:
    """The command line that makes this table again (a selection of clips and weights by name have no option)."""
    rows = ["--model", ",".join(models)] if ablate is None else ["--ablation", ablate]
    words = ["vinpaint", "evaluate", *rows, "--data", data, "--masks", masks]
    words += ["--protocol", protocol, "--size", f"{size[1]}x{size[0]}", "--limit", str(limit), "--seed", str(seed)]
    if isinstance(weights, Path):
        words += ["--weights", str(weights)]
    return shlex.join([*words, "--device", device])


def describe_protocol(protocol: str, size: Size, rule: protocols.MaskRule) -> dict[str, Any]:
    """Every choice that a number depends on, in words."""
    window = metrics.ssim_window(protocol, *size)
    kind = "Gaussian, sigma 1.5" if protocol == "clean" else "uniform"
    by_frame = protocol == "paper"
    return {
        "name": protocol,
        "psnr": "RGB in [0, 1], composited frames; frames without error are left out of means",
        "ssim": f"scikit-image, {window}x{window} {kind}",
        "warping_error": "mean square over RGB in [0, 1] along the flow, hidden pixels left out",
        "flow_estimator": protocols.estimator(rule),
        "feature_nets": "none",
        "outputs": "rounded to 8 bits, as are the clips" if by_frame else "not rounded",
        "average": "over all frames of all clips (E_warp and time: over clips)" if by_frame else "over clips",
    }


def describe_case(case: protocols.Case) -> dict[str, Any]:
    """A clip of the evaluation and its holes; the fingerprint tells whether two tables had the same ones."""
    holes = case.clip.masks
    return {
        "name": case.clip.name,
        "frames": len(case.clip),
        "mask_share": float(holes.mean()),
        "mask_share_per_frame": plain(holes.double().mean((1, 2, 3))),
        "mask_sha256": hashlib.sha256(holes.byte().numpy().tobytes()).hexdigest(),
        "mask_donor": case.donor,
    }


def describe_model(
    name: str, system: Inpainter, weights: Path | dict[str, Path] | None, ablate: str | None = None
) -> dict[str, Any]:
    """Which model with which weights."""
    name = name if ablate is None else ablation.ABLATIONS[ablate].model
    count = sum(p.numel() for p in system.parameters())
    if not count:
        return {"title": system.card.title, "parameters": 0, "weights": None}
    given = weights.get(name) if isinstance(weights, dict) else weights
    path = given or registry.weights_of(name)
    if path is None:
        return {"title": system.card.title, "parameters": count, "weights": None}
    digest = hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else None
    found = {"file": path.name, "sha256": digest, "shipped": given is None}
    return {"title": system.card.title, "parameters": count, "weights": found}


def summary(done: list[dict[str, Any]], about: list[dict[str, Any]], protocol: str) -> dict[str, Any]:
    """Means of one model, with how many values each rests on, and all single scores."""
    means: dict[str, float | str | None] = {}
    counts: dict[str, dict[str, int]] = {}
    for score in SCORES:
        parts = [clip["scores"][score] for clip in done if score in clip["scores"]]
        if not parts:
            continue
        pooled = metrics.mean(torch.cat(parts))
        each = torch.tensor([metrics.mean(part).value for part in parts], dtype=torch.float64)
        by_frame = protocol == "paper" and score in ("psnr", "hole_psnr", "ssim")
        means[score] = plain_value(pooled.value if by_frame else metrics.mean(each).value)
        counts[score] = {"finite": pooled.finite, "infinite": pooled.infinite, "undefined": pooled.undefined}
    means["seconds_per_frame"] = plain_value(sum(clip["seconds_per_frame"] for clip in done) / len(done))
    by_clip = [
        {
            "name": info["name"],
            "mean": {score: plain_value(metrics.mean(values).value) for score, values in clip["scores"].items()}
            | {"seconds_per_frame": plain_value(clip["seconds_per_frame"])},
            "each": {score: plain(values) for score, values in clip["scores"].items()},
        }
        for info, clip in zip(about, done, strict=True)
    ]
    return {"mean": means, "values": counts, "clips": by_clip}


def plain(values: torch.Tensor) -> list[float | str | None]:
    """Numbers that JSON can hold: infinity as "inf", nothing to score as null."""
    return [plain_value(value) for value in values.tolist()]


def plain_value(value: float) -> float | str | None:
    if math.isnan(value):
        return None
    return float(f"{value:.9g}") if math.isfinite(value) else "inf"


def table(result: dict[str, Any]) -> str:
    """The means as text, and below it what they mean."""
    rows = result["models"]
    shown = [key for key in COLUMNS if any(key in row["mean"] for row in rows.values())]
    which = result.get("ablation", {}).get("of")
    lines = [["model", *(COLUMNS[key][0] for key in shown)]]
    for name, row in rows.items():
        lines.append([name, *(cell(row["mean"].get(key), *COLUMNS[key][1:]) for key in shown)])
    if which is not None:
        lines = ablation.beside_paper(lines, which)
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    text = ["  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]) for line in lines]
    text.insert(1, "  ".join("-" * width for width in widths))
    shares = [clip["mask_share"] for clip in result["clips"]]
    frames = sum(clip["frames"] for clip in result["clips"])
    protocol, size = result["protocol"], result["size"]
    text += [
        "",
        f"{len(shares)} clips, {frames} frames, {size['width']}x{size['height']}, seed {result['seed']}; "
        f"holes: {result['masks']} ({sum(shares) / len(shares):.1%} of the frame on average)",
        f"protocol {protocol['name']}: SSIM {protocol['ssim']}; outputs {protocol['outputs']}; "
        f"averages {protocol['average']}",
        f"E_warp: flow by {protocol['flow_estimator']}",
    ]
    perfect = max(row["values"].get("psnr", {}).get("infinite", 0) for row in rows.values())
    if perfect:
        text.append(
            f"PSNR leaves out up to {perfect} frames a model that came back without error (no hole, or perfect)"
        )
    text += ablation.ABLATIONS[which].notes if which is not None else ()
    return "\n".join(text)


def cell(value: float | str | None, factor: float, digits: int) -> str:
    if value is None:
        return "-"
    return value if isinstance(value, str) else f"{value * factor:.{digits}f}"


def write_json(path: Path, result: dict[str, Any]) -> None:
    """Write beside the final name, then rename: an interrupted run leaves no half table."""
    beside = path.with_name(path.name + ".tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(json.dumps(result, indent=1, allow_nan=False) + "\n", encoding="utf-8")
        os.replace(beside, path)
    except OSError as error:
        raise UserError(f"--out {path}: cannot be written ({error.strerror}); give another place") from error
    finally:
        beside.unlink(missing_ok=True)
