"""Every check of every exercise, by name: `from vinpaint_lib import checks; checks.coverage(my_function)`.

The checks are written in `vinpaint_lib/exercises/`, a module for each lesson, and found there by this module.
"""

import pkgutil
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any

from vinpaint_lib import exercises

Check = Callable[[Callable[..., Any]], None]


@cache
def found() -> dict[str, Check]:
    """Name -> check. Raises ValueError if two lessons use one name, or a lesson names a check that it does not have."""
    checks: dict[str, Check] = {}
    for module in pkgutil.iter_modules(exercises.__path__):
        lesson = import_module(f"{exercises.__name__}.{module.name}")
        for name in getattr(lesson, "CHECKS", ()):
            if name in checks:
                raise ValueError(f"two lessons have a check {name}: {checks[name].__module__} and {lesson.__name__}")
            if not callable(getattr(lesson, name, None)) or name in globals():
                raise ValueError(f"{lesson.__name__} names a check {name} that it does not define, or that is taken")
            checks[name] = getattr(lesson, name)
    return checks


def names() -> tuple[str, ...]:
    """The names of all checks in alphabetical order."""
    return tuple(sorted(found()))


def __getattr__(name: str) -> Check:
    if name.startswith("__"):
        raise AttributeError(name)
    if name not in found():
        raise AttributeError(f"there is no check {name}; there are {', '.join(names())}")
    return found()[name]


def __dir__() -> list[str]:
    return [*globals(), *names()]
