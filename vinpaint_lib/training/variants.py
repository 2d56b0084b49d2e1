"""Forms of a system that are trained anew, each with one part changed: `vinpaint ablate`.

Each system's `ablation.py` declares its variants. All are trained by one preset, on the same samples, in the same order
and with as many steps; a variant changes the network's configuration, the preset, or both.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any


def same(form: Any) -> Any:
    """No change."""
    return form


@dataclass(frozen=True)
class Variant:
    """One form.

    name    short, as it stands in tables and on the command line
    says    in a sentence, what the form is and what it is not
    config  the configuration of the network, from that of the preset
    preset  the preset, from the one that is asked for
    """

    name: str
    says: str
    config: Callable[[Any], Any] = same
    preset: Callable[[Any], Any] = same

    def changes(self, config: Any) -> dict[str, Any]:
        """The fields of a configuration that the variant changes, with their new values."""
        new = self.config(config)
        return {
            each.name: getattr(new, each.name)
            for each in fields(new)
            if getattr(new, each.name) != getattr(config, each.name)
        }


def having(**values: Any) -> Callable[[Any], Any]:
    """A change of fields to these values."""
    return lambda form: replace(form, **values)


def weighed(changes: Mapping[str, float]) -> Callable[[Any], Any]:
    """A change of the weights of terms of the loss, in the preset and in its stages; a term with weight 0 is left out.
    Stages that do not have a term do not get it."""

    def changed(preset: Any) -> Any:
        stages: Sequence[Any] = getattr(preset, "stages", ())
        if not stages:
            return replace(preset, weights=mixed(preset.weights, changes))
        of_stages = (replace(s, weights=mixed(s.weights, only(changes, s.weights))) for s in stages)
        return replace(preset, stages=tuple(of_stages))

    return changed


def only(changes: Mapping[str, float], known: Mapping[str, float]) -> dict[str, float]:
    return {name: weight for name, weight in changes.items() if name in known}


def mixed(weights: Mapping[str, float], changes: Mapping[str, float]) -> dict[str, float]:
    return {name: weight for name, weight in {**weights, **changes}.items() if weight}
