"""The systems that are built, by the names of the command line. A new one is an entry in `SYSTEMS`."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from vinpaint_lib import checkpoints
from vinpaint_lib.errors import UserError
from vinpaint_lib.fusion_net import CONFIGS
from vinpaint_lib.models import Inpainter, align_attend, combcn, sttn, tgfnet, vinet
from vinpaint_lib.models.classical import AlignedMedian, FlowPropagation, Telea, TemporalMedian

FOLDER = Path(__file__).resolve().parent.parent / "weights"


@dataclass(frozen=True)
class System:
    """A network: its class, its configurations by name (all of one dataclass), and the file of the weights that ship.

    `variants` are further names, for fields of the configuration that need no other weights.
    """

    network: type[Inpainter]
    configs: dict[str, Any]
    file: str
    variants: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def weights(self) -> Path:
        return FOLDER / self.file


SYSTEMS: dict[str, System] = {
    "tgfnet": System(
        tgfnet.TGFNet,
        CONFIGS,
        "tgfnet-small.safetensors",
        # What is aligned how, and what is written back.
        {
            "tgfnet-learned": {"align": ("learned",)},
            "tgfnet-robust": {"align": ("robust",)},
            "tgfnet-homography": {"align": ("homography",)},
            "tgfnet-flow": {"align": ("flow",)},
            "tgfnet-unaligned": {"align": ("none",)},
            "tgfnet-no-feedback": {"feedback": "off"},
            "tgfnet-all-feedback": {"feedback": "all"},
        },
    ),
    # Keys inside holes count, as in the released code.
    "sttn": System(sttn.STTN, sttn.CONFIGS, "sttn-small.safetensors", {"sttn-as-released": {"as_released": True}}),
    # Frame by frame: CombCN sees even grey instead of 3DCN's frame.
    "combcn": System(
        combcn.CombCN, combcn.CONFIGS, "combcn-small.safetensors", {"combcn-no-guidance": {"guidance": False}}
    ),
    "vinet": System(
        vinet.VINet,
        vinet.CONFIGS,
        "vinet-small.safetensors",
        # What is carried from frame to frame.
        {
            "vinet-as-released": {"as_released": True},
            "vinet-no-recurrence": {"recurrence": False},
            "vinet-no-memory": {"memory": False},
        },
    ),
    # Rows of the paper's Table 2.
    "align_attend": System(
        align_attend.AlignAttend,
        align_attend.CONFIGS,
        "align_attend-small.safetensors",
        {
            "align_attend-no-align": {"align": False},
            "align_attend-no-refine": {"refine": False},
            "align_attend-no-flow": {"flow": False},
            "align_attend-entire": {"matching": "entire"},
        },
    ),
}
SHIPPED = {name: system.weights for name, system in SYSTEMS.items()}
BASELINES: dict[str, Callable[[], Inpainter]] = {
    "telea": Telea,
    "median": TemporalMedian,
    "aligned-median": AlignedMedian,
    "flow": FlowPropagation,
}
# Name of the command line -> the system whose weights it takes, and what its configuration changes.
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    variant: (name, options)
    for name, system in SYSTEMS.items()
    for variant, options in {name: {}, **system.variants}.items()
}
MODELS = (*VARIANTS, *BASELINES)
PICKLES = (".pth", ".pt")  # what authors released; ours are safetensors


def build(name: str, weights: Path | None = None, **options: Any) -> Inpainter:
    """The model of that name, ready to fill clips; networks with the shipped weights or those given.

    `weights` that end in .pth are read as its authors' own (`released.py`), and the network behaves as they released
    it. `options` replace fields of the network's configuration that need no new weights (align, reach, feedback, ...).
    Raises UserError: unknown name, weights that are missing or of another model.
    """
    if name in BASELINES:
        if weights is not None:
            raise UserError(f"{weights}: the baseline {name} has no weights; leave --weights away")
        return BASELINES[name]()
    if name not in VARIANTS:
        raise UserError(f"unknown model {name!r}: choose among {', '.join(MODELS)}")
    of, changes = VARIANTS[name]
    path = weights or SHIPPED[of]
    if path.suffix in PICKLES:
        return checkpoints.read_released(of, path)
    if not path.exists():
        raise UserError(f"{path}: no such weights file; train one with `vinpaint train {of}` or reinstall the package")
    found = checkpoints.read_provenance(path)
    if found.get("model") != of:
        raise UserError(f"{path}: holds weights of {found.get('model')!r}, not of {of}")
    system = SYSTEMS[of]
    model = system.network(replace(stored_config(path, found, system), **changes, **options))
    checkpoints.load_weights(model, path)
    return model.eval()


def weights_of(name: str) -> Path | None:
    """The file of the weights that ship for a model or a variant of it; None for a baseline."""
    return SHIPPED[VARIANTS[name][0]] if name in VARIANTS else None


def stored_config(path: Path, provenance: dict[str, Any], system: System) -> Any:
    """The configuration that the weights were trained with, from their header."""
    stored = provenance.get("config")
    kind = type(next(iter(system.configs.values())))
    if not isinstance(stored, dict) or not set(stored) <= set(kind.__dataclass_fields__):
        raise UserError(f"{path}: its header names no configuration of {system.network.card.title} of this version")
    return kind(**{key: tuple(value) if isinstance(value, list) else value for key, value in stored.items()})


__all__ = ["BASELINES", "CONFIGS", "MODELS", "SHIPPED", "SYSTEMS", "VARIANTS", "System", "build", "weights_of"]
