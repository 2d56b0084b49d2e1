"""How a check gives its verdict: one sentence for each mistake, also for a mistake that gives a traceback in Python.

def coverage(function: Callable[..., Any]) -> None:
    hole = torch.zeros(...)                      # a fixed seed, sizes that are all different
    found = verdict.call(function, hole)         # refuses stubs, None, errors, changed inputs
    wanted = problem.coverage(hole)              # the library's function
    verdict.same_shape(found, wanted, "the coverage")
    verdict.require(found.min() >= 0, "a share is negative: is the mask subtracted twice?")
    verdict.close(found, wanted, "the coverage differs from a count over all frames: does it count known pixels?")
    verdict.passed("coverage")
"""

import traceback
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor


class Wrong(AssertionError):
    """A check's answer: one sentence about the reader's function."""

    def _render_traceback_(self) -> list[str]:
        """What IPython shows below the cell: the sentence, without the lines of the check."""
        return [str(self)]


def call(function: Any, *args: Any, returns: type | tuple[type, ...] = Tensor, **options: Any) -> Any:
    """What the reader's function returns for copies of `args` and `options`.

    Raises Wrong if the function is an empty stub, stops with an error, changes its arguments, returns nothing, or
    returns a value of another type than `returns` (one type, or a tuple of types that are allowed; a function that
    returns several values returns a `tuple`).
    """
    if not callable(function):
        given_kind = with_article(kind(function))
        raise Wrong(f"a function is wanted here, and this is {given_kind}: give the function without brackets.")
    name = getattr(function, "__name__", "the function")
    given = [copy(value) for value in args]
    named = {key: copy(value) for key, value in options.items()}
    try:
        found = function(*given, **named)
    except Exception as error:
        if isinstance(error, NotImplementedError) and not str(error):  # those of torch have a text
            stub = "put your lines in the place of `raise NotImplementedError`."
            raise Wrong(f"{name} is not written yet: {stub}") from None
        raise Wrong(f"{name} stops with {error_in_words(error, function)}") from None
    if found is None:
        raise Wrong(f"{name} returns nothing: is it still empty, or is the `return` missing?")
    for before, after in [*zip(args, given), *((options[key], named[key]) for key in options)]:
        require(
            same(before, after),
            f"{name} changes one of its arguments: work on a copy, or use an operation without `_`.",
        )
    wanted = returns if isinstance(returns, tuple) else (returns,)
    names = " or ".join(with_article(each.__name__) for each in wanted)
    require(isinstance(found, wanted), f"{name} returns {with_article(kind(found))}, and {names} is wanted.")
    return found


def require(condition: bool | Tensor | np.bool_, sentence: str) -> None:
    """Raise Wrong with `sentence` unless `condition` is true."""
    if not bool(condition):
        raise Wrong(sentence)


def same_shape(found: Any, wanted: Any, what: str) -> None:
    """Raise Wrong unless `found` has the shape of `wanted`, a tensor or a tuple of sizes; `what`: "the coverage"."""
    shape = tuple(getattr(wanted, "shape", wanted))
    require(hasattr(found, "shape"), f"{what} is {with_article(kind(found))}, and a tensor of shape {shape} is wanted.")
    require(tuple(found.shape) == shape, f"{what} has the shape {tuple(found.shape)}, and {shape} is wanted.")


def close(found: Any, wanted: Any, sentence: str, atol: float | int = 1e-5, rtol: float | int = 1e-4) -> None:
    """Raise Wrong with `sentence` and the largest difference unless all values of `found` are near those of `wanted`.

    Both are tensors or numbers. For a wrong shape, and for values that are not finite, Wrong has another sentence.
    """
    require(
        isinstance(found, (Tensor, float, int)), f"the result is {with_article(kind(found))}, and numbers are wanted."
    )
    left, right_ = (torch.as_tensor(value).detach().cpu().double() for value in (found, wanted))
    same_shape(left, right_, "the result")
    bad = ~torch.isfinite(left) & torch.isfinite(right_)
    require(not bad.any(), f"{int(bad.sum())} of the values are not finite (nan or inf): is something divided by 0?")
    if not torch.allclose(left, right_, atol=atol, rtol=rtol, equal_nan=True):
        largest = float((left - right_).nan_to_num().abs().max())
        raise Wrong(f"{sentence} (largest difference: {largest:.2g})")


def precise(found: Tensor, what: str) -> Tensor:
    """The values in double precision, for comparisons. Raises Wrong for a type that cannot hold them."""
    name = str(found.dtype).removeprefix("torch.")
    require(found.dtype in (torch.float32, torch.float64), f"{what} is of type {name}: float32 is wanted.")
    return found.detach().cpu().double()


def alike(found: Tensor, other: Tensor) -> bool:
    """Whether all values are near each other, whatever their types; another shape is not alike."""
    return found.shape == other.shape and torch.allclose(found.double(), other.double(), atol=1e-5)


def passed(name: str) -> None:
    """Print the one line that ends a check."""
    print(f"right: {name}")


def error_in_words(error: Exception, function: Callable[..., Any]) -> str:
    """An error of the reader's function in one line, with the line of that function on which it happened."""
    message = " ".join(str(error).split())
    code = getattr(function, "__code__", None)
    lines = [line for frame, line in traceback.walk_tb(error.__traceback__) if frame.f_code is code]
    place = f" in line {lines[-1] - code.co_firstlineno + 1} of the function" if lines and code else ""
    return f"{type(error).__name__}{place}" + (f": {message}" if message else ".")


def kind(value: Any) -> str:
    """The type of a value in a reader's words."""
    return type(value).__name__


def with_article(name: str) -> str:
    """The name of a type with its article: a Tensor, an int."""
    return f"{'an' if name[0] in 'aeio' else 'a'} {name}"


def copy(value: Any) -> Any:
    """A value that the reader's function may change without harm to the check; gradients reach the original."""
    if isinstance(value, Tensor):
        return value.clone()
    if type(value) is dict:
        return {key: copy(part) for key, part in value.items()}
    return type(value)(copy(part) for part in value) if type(value) in (list, tuple) else value


def same(before: Any, after: Any) -> bool:
    """Whether a copy is still equal to the original; True for values that `copy` does not copy."""
    if isinstance(before, Tensor):
        return before.shape == after.shape and torch.equal(before.nan_to_num(), after.nan_to_num())
    if type(before) is dict:
        return before.keys() == after.keys() and all(same(part, after[key]) for key, part in before.items())
    if type(before) in (list, tuple):
        return len(before) == len(after) and all(map(same, before, after))
    return True
