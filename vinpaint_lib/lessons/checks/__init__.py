"""Every check of every exercise, by name: `checked = checks.coverage(my_function)` (from vinpaint_lib.lessons).

The checks of a notebook stand in this folder, in the module with the notebook's name (without its number). This file
finds them. A module names its checks in `CHECKS`. A check takes the reader's function. If the function is right, the
check prints one line and returns it; else it raises `verdict.Wrong` with a sentence that says what is wrong. For a
function that is still empty it prints so, and returns the library's, so that the lesson goes on.
"""

import pkgutil
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any

Check = Callable[[Callable[..., Any]], Callable[..., Any] | None]


@cache
def found() -> dict[str, Check]:
    """Name -> check. Raises ValueError if two lessons use one name, or a lesson names a check that it does not have."""
    checks: dict[str, Check] = {}
    for module in pkgutil.iter_modules(__path__):
        lesson = import_module(f"{__name__}.{module.name}")
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
    if name.startswith("__") or name in (module.name for module in pkgutil.iter_modules(__path__)):
        raise AttributeError(name)  # a module of this folder that is not imported yet: Python goes on and does so
    if name not in found():
        raise AttributeError(f"there is no check {name}; there are {', '.join(names())}")
    return found()[name]


def __dir__() -> list[str]:
    return [*globals(), *names()]
