"""The entry of a system: what the command line and the loops must know of it. It stands in the system's `__init__`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from vinpaint_lib.interface import Inpainter
from vinpaint_lib.scoring.ablation import Ablation
from vinpaint_lib.training.task import Task
from vinpaint_lib.training.variants import Variant

FOLDER = Path(__file__).resolve().parent


@dataclass(frozen=True)
class System:
    """A paper's system.

    name           its folder in `systems/`, and its name on the command line
    model          the class that fills clips; it takes a configuration
    configs        the configurations of the network by name, all of one dataclass
    presets        ways to train it, by name; `training.schedule.Schedule` has the fields that all share
    task           the class that the training loop works with
    variants       further names on the command line, each with fields of the configuration that it changes; the weights
                   stay the same, except for
    own_weights    variants that were trained apart, each with the name of its weights file in the system's folder
    untrained      baselines by their names on the command line: forms of the system that need no weights, each with the
                   name of its configuration
    read_released  reads a file of weights that the authors released; None: there is none
    ablation       rows with parts switched off, for `evaluate --ablation`; None: there are none
    retrained      forms that are trained anew, the full one first, for `vinpaint ablate`
    """

    name: str
    model: type[Inpainter]
    configs: dict[str, Any]
    presets: dict[str, Any]
    task: type[Task]
    variants: dict[str, dict[str, Any]] = field(default_factory=dict)
    own_weights: dict[str, str] = field(default_factory=dict)
    untrained: dict[str, str] = field(default_factory=dict)
    read_released: Callable[[Path], Inpainter] | None = None
    ablation: Ablation | None = None
    retrained: tuple[Variant, ...] = ()

    @property
    def weights(self) -> dict[str, Path]:
        """The files of weights that ship, in the system's folder: its own, and those of variants trained apart."""
        names = {self.name: f"{self.name}-small.safetensors", **self.own_weights}
        return {name: FOLDER / self.name / file for name, file in names.items()}

    def make_task(self, preset: Any, changes: Mapping[str, Any] | None = None) -> Task:
        """The task of training this system by `preset`, one of `presets` or a copy with other values. `changes` are
        fields of the network's configuration with other values."""
        return self.task(preset, self.model, replace(self.configs[preset.config], **(changes or {})))
