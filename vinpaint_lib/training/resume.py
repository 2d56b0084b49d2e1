"""Whether a stored run and the one that is asked for are the same run: what may differ, and what is refused.

The number of steps may differ: the run goes on, and the learning rate (with the stages and drops of a preset) follows
the schedule of the new length from there. Also free are the place of the data, if the same clips lie there, the name of
the preset, how often it is stored and scored, and, without batch norm, the number of processes. Workers, device and
compilation never counted. Every other setting decides the numbers, and is refused with its old and its new value.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from vinpaint_lib.errors import UserError
from vinpaint_lib.training.schedule import learning_rate, of_length

FREE = ("checkpoint", "validate")  # of a preset
WITH_STEPS = ("drops", "until")  # places in the schedule, which move with its length
ABSENT = "not set"
PARTS: dict[str, type] = {"run": str, "step": int, "bad": int, "model": dict, "average": dict, "optimiser": dict}
SETTINGS = ("model", "seed", "held_back", "data", "processes", "preset")  # of the stored run


@dataclass(frozen=True)
class Run:
    """Everything that decides a run's numbers; stored beside its log."""

    model: str
    preset_name: str
    preset: Any  # the dataclass of the model's recipe
    data: str
    held_back: tuple[str, ...]
    seed: int
    processes: int
    config: dict[str, Any] = field(default_factory=dict)  # fields of the network's configuration that were changed

    def stored(self) -> str:
        """The run as JSON, for the state on disk."""
        return json.dumps(asdict(self), sort_keys=True)


def check_whole(path: Path, state: Mapping[str, Any]) -> None:
    """Raises UserError unless `state` has the parts that a run stores."""
    wrong = [name for name, kind in PARTS.items() if not isinstance(state.get(name), kind)]
    wrong += [name for name in ("step", "bad") if name not in wrong and state[name] < 0]
    if "run" not in wrong:
        try:
            settings = json.loads(state["run"])
            whole = set(SETTINGS) <= set(settings) and "steps" in settings["preset"]
        except (ValueError, TypeError, RecursionError):
            whole = False
        wrong += [] if whole else ["run"]
    if wrong:
        raise broken(path, wrong)


def check_tensors(path: Path, state: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Raises UserError unless the networks of `state` have these shapes and finite numbers."""
    for name in ("model", "average"):
        found = {key: tuple(value.shape) for key, value in state[name].items() if isinstance(value, Tensor)}
        if found != dict(shapes) or not all(bool(value.isfinite().all()) for value in state[name].values()):
            raise broken(path, [name])


def broken(path: Path, parts: Sequence[str]) -> UserError:
    """The error for a state whose parts are none."""
    return UserError(
        f"{path}: its {' and '.join(parts)} cannot be part of a training of this model; delete it to start anew"
    )


def check_same(
    path: Path, state: Mapping[str, Any], run: Run, content: Mapping[str, str], *, batch_norm: bool
) -> list[str]:
    """Compare `run` with the one whose `state` was read from `path`; returns notes on what differs and may.

    `content` identifies the clips of each pool, without their place. `batch_norm`: the network takes means over a
    process's share of the batch. Raises UserError, with the old and the new value, for a setting that decides the
    numbers.
    """
    old, new = json.loads(state["run"]), json.loads(run.stored())
    differ = {name: (old.get(name), new[name]) for name in ("model", "seed") if old.get(name) != new[name]}
    if sorted(old["held_back"]) != sorted(new["held_back"]):
        differ["held_back"] = ",".join(old["held_back"]), ",".join(new["held_back"])
    known = state.get("content")
    moved = old["data"] != new["data"]
    if known is None:  # an old state does not say which clips its data held
        if moved:
            differ["data"] = old["data"], new["data"]
    elif known != dict(content) and (moved or "held_back" not in differ):
        differ["data"] = (old["data"], new["data"]) if moved else ("other files", f"those in {new['data']} now")
    changed = old.get("config", {}), new["config"]
    for name in sorted({*changed[0], *changed[1]}):
        pair = tuple(each.get(name, ABSENT) for each in changed)
        differ |= {f"config.{name}": pair} if pair[0] != pair[1] else {}
    if batch_norm and old["processes"] != new["processes"]:
        differ["processes"] = old["processes"], new["processes"]
    steps = old["preset"]["steps"], new["preset"]["steps"]
    differ |= presets_differ(old["preset"], new["preset"])
    if differ:
        pairs = {name: (shown(one), shown(two)) for name, (one, two) in differ.items()}
        said = "; ".join(f"{name} was {one} and is {two} now" for name, (one, two) in pairs.items())
        raise UserError(
            f"{path}: belongs to a run with other settings ({said}); give these again, choose another --out, or begin "
            "anew with --no-resume"
        )
    done, notes = state["step"], []
    if steps[1] < done:
        notes.append(f"{path.parent}: {done} steps are done already, and nothing is left to do for --steps {steps[1]}")
    elif steps[0] != steps[1]:
        notes.append(longer(path.parent, done, run, steps[0]))
    if old["processes"] != new["processes"]:
        notes.append(
            f"{path.parent}: goes on with {new['processes']} processes in place of {old['processes']}; the samples "
            "stay the same, and sums differ in their last digits"
        )
    return notes


def presets_differ(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Settings of a preset that decide the numbers and differ, by name: old and new value."""
    one, two = flat(old), flat(new)
    free = {*FREE, "steps"}
    if old["steps"] != new["steps"]:
        free |= {name for name in {*one, *two} if any(part in WITH_STEPS for part in name.split("."))}
    names = [name for name in dict.fromkeys([*two, *one]) if name not in free]
    pairs = {f"preset.{name}": (one.get(name, ABSENT), two.get(name, ABSENT)) for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def flat(values: Any, name: str = "") -> dict[str, Any]:
    """Nested settings by dotted names: {"a": {"b": 1}} -> {"a.b": 1}."""
    inner = dict(enumerate(values)) if isinstance(values, list) else values
    if not isinstance(inner, Mapping) or not inner:
        return {name: values}
    found: dict[str, Any] = {}
    for key, value in inner.items():
        found |= flat(value, f"{name}.{key}" if name else str(key))
    return found


def shown(value: Any) -> str:
    """A setting in a message."""
    return "none" if value in ("", None, [], {}) else str(value)


def longer(out: Path, step: int, run: Run, steps: int) -> str:
    """The note for another number of steps: where it goes on, and what that does to the learning rate."""
    before = learning_rate(of_length(run.preset, steps), max(0, step - 1))
    now = learning_rate(run.preset, min(step, run.preset.steps - 1))
    return (
        f"{out}: goes on from step {step} to {run.preset.steps} in place of {steps}; from here on the learning rate is "
        f"that of a run of {run.preset.steps} steps ({now:.3g}, where it was {before:.3g}), so the weights are not "
        "those of such a run from its beginning"
    )
