"""The table of an evaluation: means of scores, their columns as text, and the file that holds all numbers."""

import json
import math
import tempfile
from pathlib import Path
from typing import Any

import torch

from vinpaint_lib.errors import UserError
from vinpaint_lib.files import draft_of
from vinpaint_lib.scoring import metrics
from vinpaint_lib.scoring.ablation import Ablation, beside_paper, explained

SCORES = ("psnr", "hole_psnr", "ssim", "warping_error", "hole_warping_error")
# Column: heading, factor, digits. Higher is better for the first three, lower for the others.
COLUMNS = {
    "psnr": ("PSNR dB", 1.0, 2),
    "hole_psnr": ("hole PSNR dB", 1.0, 2),
    "ssim": ("SSIM", 1.0, 4),
    "warping_error": ("E_warp x1e-3", 1000.0, 3),
    "hole_warping_error": ("hole E_warp x1e-3", 1000.0, 3),
    "seconds_per_frame": ("s/frame", 1.0, 3),
}


def summary(done: list[dict[str, Any]], about: list[dict[str, Any]], protocol: str) -> dict[str, Any]:
    """The means of one model, the number of values behind each mean, and all single scores."""
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


def score_table(result: dict[str, Any], ablation: Ablation | None = None) -> str:
    """The means as a text table, with notes below on how they were measured.

    With `ablation` the rows of `result` are the rows of that ablation, and the paper's numbers stand beside them.
    """
    rows = result["models"]
    shown = [key for key in COLUMNS if any(key in row["mean"] for row in rows.values())]
    lines = [["model", *(COLUMNS[key][0] for key in shown)]]
    for name, row in rows.items():
        lines.append([name, *(cell(row["mean"].get(key), *COLUMNS[key][1:]) for key in shown)])
    if ablation is not None:
        lines = beside_paper(ablation, lines)
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
        f"E_warp follows {protocol['flow_estimator']}",
    ]
    perfect = max(row["values"].get("psnr", {}).get("infinite", 0) for row in rows.values())
    if perfect:
        text.append(
            f"PSNR leaves out up to {perfect} frames a model that came back without error (no hole, or perfect)"
        )
    text += explained(ablation) if ablation is not None else ()
    return "\n".join(text)


def cell(value: float | str | None, factor: float, digits: int) -> str:
    if value is None:
        return "-"
    return value if isinstance(value, str) else f"{value * factor:.{digits}f}"


def write_json(path: Path, result: dict[str, Any]) -> None:
    """Write beside the final name, then rename: an interrupted run leaves no half table.

    Raises UserError if the file cannot be written; it says where the table lies instead.
    """
    text = json.dumps(result, indent=1, allow_nan=False) + "\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with draft_of(path) as draft:
            draft.write_text(text, encoding="utf-8")
    except OSError as error:
        with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8", delete=False) as elsewhere:
            elsewhere.write(text)
        raise UserError(
            f"--out {path}: cannot be written ({error.strerror}); the table lies in {elsewhere.name}"
        ) from error
