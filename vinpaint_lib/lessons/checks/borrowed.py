"""Whose work it is: which functions of this library, or of torch, a reader's function calls while it runs."""

import sys
from collections.abc import Callable, Collection
from types import FrameType
from typing import Any

LIBRARY = "vinpaint_lib"


class Watch:
    """Notes the first call of a function of this library, or of one of torch's that the exercise rules out.

    allowed: keys (`key_of`) of functions that may be called; what these call in turn is nobody's business. without:
    names of torch's functions that the exercise rules out. A call counts however deep it stands below the reader's
    function: in a helper, a class, or a `map`.
    """

    def __init__(self, allowed: Collection[str] = (), without: Collection[str] = ()) -> None:
        self.allowed, self.without = frozenset(allowed), frozenset(without)
        self.found = ""

    def run(self, function: Callable[..., Any], args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        """What `function(*args, **options)` returns, watched; another profiler is set back afterwards."""
        base, before = sys._getframe(), sys.getprofile()

        def event(frame: FrameType, what: str, arg: Any) -> None:
            if not self.found and what in ("call", "c_call"):
                self.judge(frame, arg if what == "c_call" else None, base)

        sys.setprofile(event)
        try:
            return function(*args, **options)
        finally:
            sys.setprofile(before)

    def judge(self, frame: FrameType, builtin: Any, base: FrameType) -> None:
        """Note this call, unless it is allowed, or made by a function of the library, which was judged before."""
        module, code = frame.f_globals.get("__name__") or "", frame.f_code
        if builtin is not None:
            if getattr(builtin, "__name__", "") in self.without and not within(frame, base):
                self.found = f"`{builtin.__name__}` of torch"
            return
        if not ours(frame):
            if code.co_name in self.without and module.startswith("torch") and not within(frame, base):
                self.found = f"`{code.co_name}` of torch"
        elif f"{module}.{code.co_qualname}" not in self.allowed and not within(frame.f_back, base):
            self.found = f"`{module}.{code.co_qualname}`"


def ours(frame: FrameType) -> bool:
    """Whether a frame runs code of this library."""
    return (frame.f_globals.get("__name__") or "").split(".")[0] == LIBRARY


def within(frame: FrameType | None, base: FrameType) -> bool:
    """Whether the library's code runs in `frame`, or in a frame between it and `base`."""
    while frame is not None and frame is not base:
        if ours(frame):
            return True
        frame = frame.f_back
    return False


def key_of(function: Any) -> str:
    """The name by which `Watch` knows a function again, also behind a decorator."""
    return f"{getattr(function, '__module__', '')}.{getattr(function, '__qualname__', '')}"
