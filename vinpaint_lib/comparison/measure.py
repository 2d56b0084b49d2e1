"""One cell measured: a clip filled, scored, and written down as a line of the file of results."""

import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from vinpaint_lib import process_memory
from vinpaint_lib.comparison.cells import Group, cell_of, key_of
from vinpaint_lib.comparison.results import Line
from vinpaint_lib.datasets.clip_set import ClipSet
from vinpaint_lib.errors import UserError
from vinpaint_lib.evaluate import describe_case, describe_model
from vinpaint_lib.inpaint import fill
from vinpaint_lib.interface import Inpainter
from vinpaint_lib.scoring import metrics, protocols, strata
from vinpaint_lib.scoring.table import plain_value
from vinpaint_lib.scoring.video_features import VideoFeatures

DIGITS = 7  # of a score; float32 has no more


@dataclass(frozen=True)
class Contestant:
    """A system that takes part, and what is written down about it: title, parameters, weights."""

    name: str
    model: Inpainter
    about: dict[str, Any]

    @property
    def weights(self) -> str | None:
        """The sha256 of its weights; None for a baseline."""
        return None if self.about["weights"] is None else self.about["weights"]["sha256"]

    def cell(self, group: Group) -> dict[str, Any]:
        return cell_of(group, self.name, self.weights)

    def key(self, group: Group) -> str:
        return key_of(self.cell(group))


def contestants(models: Mapping[str, Inpainter], weights: Mapping[str, Path] | None, device: str) -> list[Contestant]:
    """The models on their device, each with what is written down about it."""
    files = dict(weights or {})
    return [
        Contestant(name, model.to(device).eval(), describe_model(name, model, files)) for name, model in models.items()
    ]


class Scene(NamedTuple):
    """A clip with its holes and the motion that E_warp follows, made once for all systems, and what is told of it.

    features, truth: the network of VFID and the true clip's vector; None without one.
    """

    case: protocols.Case
    motion: metrics.ScoredMotion
    rule: protocols.MaskRule
    about: dict[str, Any]
    features: VideoFeatures | None = None
    truth: list[float | str | None] | None = None


def scene(group: Group, source: ClipSet, features: VideoFeatures | None = None) -> Scene:
    """The clip of a group. Raises UserError as `protocols.cases` does."""
    rule = protocols.parse_masks(group.masks, group.protocol)
    (case,) = protocols.cases(source, rule, group.protocol, group.size, group.limit, group.seed, [group.number])
    motion = protocols.motion_of(case, rule)
    told = describe_case(case, motion)
    kept = ("frames", "mask_share", "mask_sha256", "mask_donor")
    about = {name: told[name] for name in kept} | {"holes": rule.describe(), "flow": told["flow_estimator"]}
    about["camera_motion"] = shortened(strata.camera_motion(case.clip.frames))
    truth = None if features is None else vector_of(features, case.clip.frames)
    return Scene(case, motion, rule, about, features, truth)


def vector_of(features: VideoFeatures, frames: Float[Tensor, "t 3 h w"]) -> list[float | str | None]:
    """The features of a clip as JSON holds them."""
    return [shortened(value) for value in features.vector(frames).tolist()]


def measured(
    group: Group, scene: Scene, one: Contestant, device: str, on_frame: Callable[[], object]
) -> tuple[Line, Float[Tensor, "t 3 h w"]]:
    """The line of a cell but for `run`, and the filled clip. The scores do not depend on what was measured before.

    Raises UserError if the system gives values that are no numbers, and whatever the system raises.
    """
    torch.manual_seed(group.seed)
    process_memory.give_back()
    counted = process_memory.forget_peak()
    on_gpu = device.startswith("cuda")
    if on_gpu:
        torch.cuda.reset_peak_memory_stats(device)
    before, started, worked = process_memory.resident(), time.perf_counter(), time.process_time()
    frames = []
    for frame in fill(one.model, scene.case.clip):
        frames.append(frame.float())
        on_frame()
    filled, length = torch.stack(frames), len(frames)
    took, cpu = time.perf_counter() - started, time.process_time() - worked
    memory = {
        "before_mib": shortened(before),
        "peak_mib": shortened(process_memory.peak()) if counted else None,
        "gpu_peak_mib": shortened(torch.cuda.max_memory_allocated(device) / 2**20) if on_gpu else None,
    }
    if not torch.isfinite(filled).all():
        raise UserError(f"{one.name}: gave values that are no finite numbers, which cannot be scored")
    scores = protocols.score(filled, scene.case, scene.motion, scene.rule, group.protocol)
    line = {
        **begun(group, one),
        "scores": {name: [shortened(value) for value in values.tolist()] for name, values in scores.items()},
        "seconds_per_frame": shortened(took / length),
        "cpu_seconds_per_frame": shortened(cpu / length),
        "memory": memory,
        "clip": scene.about,
        "feature_nets": "none",
    }
    if scene.features is not None:
        line["feature_nets"] = scene.features.name
        line["vfid"] = {
            "note": scene.features.note,
            "true": scene.truth,
            "filled": vector_of(scene.features, filled.cpu()),
        }
    return line, filled


def begun(group: Group, one: Contestant) -> Line:
    """What the line of a cell says whether it fails or not."""
    return {"key": one.key(group), "cell": one.cell(group), "model": one.about}


def shortened(value: float | None) -> float | str | None:
    """A number as JSON holds it, with as many digits as count; infinity as "inf", what cannot be scored as null."""
    found = None if value is None else plain_value(value)
    return float(f"{found:.{DIGITS}g}") if isinstance(found, float) else found


def machine(device: str) -> dict[str, Any]:
    """What seconds depend on."""
    return {
        "device": f"{device} ({torch.cuda.get_device_name(device)})" if device.startswith("cuda") else device,
        "threads": torch.get_num_threads(),
        "processor": platform.machine(),
    }


def now() -> str:
    """The time in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
