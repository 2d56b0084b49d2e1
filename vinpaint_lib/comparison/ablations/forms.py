"""The forms of a system that are measured: rows of switches, or variants that were trained, as contestants."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

from vinpaint_lib.comparison.measure import Contestant
from vinpaint_lib.comparison.tables import WHOLE
from vinpaint_lib.errors import UserError
from vinpaint_lib.evaluate import describe_model
from vinpaint_lib.interface import Inpainter
from vinpaint_lib.systems import registry
from vinpaint_lib.systems.entry import System


@runtime_checkable
class Named(Protocol):
    """A row or a variant."""

    @property
    def name(self) -> str: ...


Form = TypeVar("Form", bound=Named)


@dataclass(frozen=True)
class Labels:
    """What the rows of a system are called in a file of results; `whole` is the form that all are held against."""

    system: str
    whole: str

    def of(self, form: str) -> str:
        return f"{self.system}: {form}"

    def contestant(self, form: str, model: Inpainter, weights: Path | None, told: Mapping[str, Any]) -> Contestant:
        """A form with what is known of it."""
        about = describe_model(self.system, model, weights) | {WHOLE: self.of(self.whole), **told}
        return Contestant(self.of(form), model, about)


def system_of(name: str, *, switches: bool) -> System:
    """The system of that name. Raises UserError if it has no such forms."""
    known = [
        each.name
        for each in registry.KNOWN.values()
        if (each.ablation is not None and each.name not in registry.COMING if switches else each.retrained)
    ]
    if name not in known:
        raise UserError(f"ablate {name}: is no system with parts to take away; use one of {', '.join(known)}")
    return registry.KNOWN[name]


def chosen(forms: Sequence[Form], names: Sequence[str], whole: str) -> list[Form]:
    """Those of the forms that are asked for by name, and the full one; all, if none is named.

    Raises UserError for a name that no form has.
    """
    known = [form.name for form in forms]
    if unknown := [name for name in names if name not in known]:
        raise UserError(f"--variants {unknown[0]}: is no form of this system; choose among {', '.join(known)}")
    return [form for form in forms if not names or form.name in names or form.name == whole]
