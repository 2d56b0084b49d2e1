"""Forms of a system that are trained by the normal loop, one after the other, each in a folder of its own."""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from vinpaint_lib import checkpoints, train
from vinpaint_lib.comparison.ablations.asked import Ablating, Tell
from vinpaint_lib.comparison.ablations.forms import Labels, chosen, system_of
from vinpaint_lib.comparison.measure import Contestant
from vinpaint_lib.datasets.parse import split_sources, without_places
from vinpaint_lib.errors import UserError
from vinpaint_lib.files import sha256_of
from vinpaint_lib.options import check_seed, spell_names
from vinpaint_lib.systems import registry
from vinpaint_lib.training.loop import WEIGHTS
from vinpaint_lib.training.resume import Run
from vinpaint_lib.training.variants import Variant

SAMPLES = "samples"  # the folder of prepared samples, which all forms share


@dataclass(frozen=True)
class Form:
    """A variant with the training that makes it."""

    variant: Variant
    training: train.Training
    run: Run

    @property
    def name(self) -> str:
        return self.variant.name

    @property
    def weights(self) -> Path:
        return self.training.out / WEIGHTS


def forms(asked: Ablating, seed: int, tell: Tell) -> list[Form]:
    """The forms of one trial, the full one first. A variant that changes nothing of this preset is left out, with a
    note.

    Raises UserError for a system, variant or preset that is not known, and for values with which nothing is trained.
    """
    system = system_of(asked.name, switches=False)
    presets = registry.presets(asked.name)
    if asked.preset not in presets:
        raise UserError(f"unknown preset {asked.preset!r}: choose one of {', '.join(presets)}")
    config = system.configs[presets[asked.preset].config]
    found: list[Form] = []
    for variant in chosen(system.retrained, asked.variants, system.retrained[0].name):
        training = train.Training(
            model=asked.name,
            preset=asked.preset,
            out=asked.out / f"{slug(variant.name)}-seed{seed}",
            data=asked.data,
            held_back=tuple(asked.held_back),
            steps=asked.steps,
            seed=check_seed(seed),
            start=asked.weights,
            device=asked.device,
            workers=train.usual_workers(asked.device) if asked.workers is None else asked.workers,
            config=variant.changes(config),
            changed=variant.preset,
            samples=asked.out / SAMPLES,
        )
        form = Form(variant, training, train.run_of(training))
        if found and form.run == found[0].run:
            tell(f"{variant.name} is left out: it changes nothing of the preset {asked.preset}")
            continue
        found.append(form)
    return found


def slug(name: str) -> str:
    """A name as part of a folder's name: 'scales 1/2 and 1/4' -> 'scales-1-2-and-1-4'."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def scored_clips(asked: Ablating) -> Sequence[str]:
    """The names of the clips that may be scored on; empty: all of them.

    Raises UserError where clips would be scored on that the forms are trained on.
    """
    trained, scored = ({each._replace(weight="") for each in split_sources(text)} for text in (asked.data, asked.score))
    if not trained & scored:
        return asked.clips
    if not asked.held_back or not set(asked.clips) <= set(asked.held_back):
        raise UserError(
            f"--score {asked.score}: holds clips that the forms are trained on; name some with --held-back, which are "
            "not, and no others with --clips"
        )
    return asked.clips or asked.held_back


def train_all(every: Sequence[Form], say: Tell) -> None:
    """Train what is not finished. Raises what `train.train` raises, with the name of the form."""
    for number, form in enumerate(every, 1):
        if finished(form):
            continue
        say(f"training {number} of {len(every)}: {form.name}, seed {form.run.seed}")
        try:
            train.train(replace(form.training, tell=say))
        except UserError as error:
            raise UserError(f"{form.name}: {error}") from error


def finished(form: Form) -> bool:
    """Whether the weights of a form are those of its whole training.

    Raises UserError if what is there was begun with other weights than are asked for. Other settings are told by the
    training itself.
    """
    if not form.weights.exists():
        return False
    header = checkpoints.read_provenance(form.weights)
    start = None if form.training.start is None else digest(form.training.start)
    if (header.get("start") or {}).get("sha256") != start:
        raise UserError(f"{form.training.out}: was begun with other --weights; give these again, or another --out")
    asked = asdict(form.run) | {"data": without_places(form.run.data)}
    return header.get("run") == json.loads(json.dumps(asked)) and header.get("step") == form.run.preset.steps


def digest(path: Path) -> str:
    """Raises UserError for a file that cannot be read."""
    try:
        return sha256_of(path)
    except OSError as error:
        raise UserError(f"--weights {path}: cannot be read ({error.strerror}); give a weights file") from error


def contestants(asked: Ablating, every: Sequence[Form]) -> list[Contestant]:
    """The forms of one trial, with the weights that were trained."""
    labels, found = Labels(asked.name, every[0].name), []
    for form in every:
        model = registry.build(asked.name, form.weights).to(asked.device).eval()
        told: dict[str, Any] = {"says": form.variant.says, "changes": form.run.config, "training": described(form)}
        found.append(labels.contestant(form.name, model, form.weights, told | {"seed": form.run.seed}))
    return found


def described(form: Form) -> str:
    """A training in words, but for its seed."""
    run = form.run
    words = [run.preset_name, f"{run.preset.steps} steps", without_places(run.data)]
    words += [f"without {spell_names(run.held_back)}"] if run.held_back else []
    words += [f"from {digest(form.training.start)[:8]}"] if form.training.start is not None else []
    return ", ".join(words)


def notes(every: Sequence[Form], seeds: int) -> list[str]:
    """What the table says of how its rows came about."""
    one = "One training a form: part of a difference may be the seed's, and no interval here shows that."
    more = f"{seeds} trainings a form, each with holes of its own; the intervals are over clips, not over trainings."
    return [f"Trained anew: {described(every[0])}; every form sees the same samples.", one if seeds == 1 else more]
