"""How a check gives its verdict: one sentence for each mistake, also for a mistake that gives a traceback in Python.

@asking.check(answer=problem.coverage, cases=lambda: [...])   # asks again, at other sizes (see `asking.py`)
def coverage(function: Callable[..., Any]) -> None:
    hole = torch.zeros(...)                      # a fixed seed, sizes that are all different
    found = verdict.call(function, hole)         # refuses stubs, None, errors, other types, changed inputs
    wanted = problem.coverage(hole)              # the library's function
    verdict.same_shape(found, wanted, "the coverage")
    verdict.require(found.min() >= 0, "a share is negative: is the mask subtracted twice?")
    verdict.close(found, wanted, "the coverage differs from a count over all frames: does it count known pixels?")
"""

import numbers
import traceback
from collections.abc import Callable, Collection, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vinpaint_lib.lessons.checks.borrowed import Watch, key_of

LONGEST = 300  # characters of an error's own text


class Wrong(AssertionError):
    """A check's answer: one sentence about the reader's function."""

    def _render_traceback_(self) -> list[str]:
        """What IPython shows below the cell: the sentence, without the lines of the check."""
        return [str(self)]


class Unwritten(Wrong):
    """The answer to a function that is still an empty stub."""


class Reader:
    """A reader's function, with what is wanted of it, and what it did so far.

    returns: the type of its result, or several that are allowed. each: the same for the parts of a tuple or list.
    dtype: of tensors; None stands for that of the first argument that holds fractions, float32 without one. library:
    functions of this library that it may call. without: names of torch's functions that it may not call.
    """

    def __init__(
        self,
        function: Any,
        *,
        returns: type | tuple[type, ...] = Tensor,
        each: type | tuple[type, ...] = (),
        dtype: torch.dtype | tuple[torch.dtype, ...] | None = None,
        library: Collection[Callable[..., Any]] = (),
        without: Collection[str] = (),
    ) -> None:
        self.function, self.returns, self.each, self.dtype = function, returns, each, dtype
        self.allowed, self.without = frozenset(map(key_of, library)), frozenset(without)
        self.name = getattr(function, "__name__", "the function")
        self.last: Any = None
        self.borrowed = ""

    def __call__(self, *args: Any, **options: Any) -> Any:
        return call(self, *args, **options)


def call(function: Any, *args: Any, returns: type | tuple[type, ...] | None = None, **options: Any) -> Any:
    """What the reader's function returns for copies of `args` and `options`.

    Raises Wrong if the function is an empty stub, stops with an error, changes its arguments, returns nothing, or
    returns a value of another type than `returns` (one type, or a tuple of types that are allowed; a function that
    returns several values returns a `tuple`; without it, the types of a `Reader`).
    """
    reader = function if isinstance(function, Reader) else Reader(function)
    if not callable(reader.function):
        given_kind = with_article(kind(reader.function))
        raise Wrong(f"a function is wanted here, and this is {given_kind}: give the function without brackets.")
    name = reader.name
    given = tuple(copy(value) for value in args)
    named = {key: copy(value) for key, value in options.items()}
    watch = Watch(reader.allowed | {key_of(x) for x in (*args, *options.values()) if callable(x)}, reader.without)
    try:
        found = watch.run(reader.function, given, named)
    except Wrong:
        raise
    except (Exception, SystemExit) as error:
        if isinstance(error, NotImplementedError) and not str(error):  # those of torch have a text
            stub = "put your lines in the place of `raise NotImplementedError`."
            raise Unwritten(f"{name} is not written yet: {stub}") from None
        raise Wrong(f"{name} stops with {error_in_words(error, reader.function)}") from None
    reader.last, reader.borrowed = found, reader.borrowed or watch.found
    if found is None:
        raise Wrong(f"{name} returns nothing: is it still empty, or is the `return` missing?")
    for before, after in [*zip(args, given), *((options[key], named[key]) for key in options)]:
        require(
            same(before, after),
            f"{name} changes one of its arguments: work on a copy, or use an operation without `_`.",
        )
    of_type(found, reader.returns if returns is None else returns, f"{name} returns")
    inputs = [x for value in (*args, *options.values()) for x in tensors(value)]
    if reader.each:
        for n, part in enumerate(found, start=1):
            of_type(part, reader.each, f"value {n} of what {name} returns is")
    if isinstance(found, Tensor) or reader.each is Tensor:
        for part in tensors(found):
            numbers_of(part, inputs, reader.dtype, name)
    return found


def of_type(found: Any, types: type | tuple[type, ...], what: str) -> None:
    """Raise Wrong unless `found` is of one of these types. True and False are no numbers; numpy's whole numbers are."""
    wanted = types if isinstance(types, tuple) else (types,)
    names = " or ".join(with_article(each.__name__) for each in wanted)
    whole = int in wanted and isinstance(found, numbers.Integral)
    right = (
        isinstance(found, bool) and bool in wanted
        if isinstance(found, (bool, np.bool_))
        else (whole or isinstance(found, wanted))
    )
    require(right, f"{what} {with_article(kind(found))}, and {names} is wanted.")


def numbers_of(
    found: Tensor, inputs: list[Tensor], dtype: torch.dtype | tuple[torch.dtype, ...] | None, name: str
) -> None:
    """Raise Wrong unless a tensor lies where its inputs lie, holds their type of numbers, or `dtype`, and comes from
    them."""
    fractions = [x.dtype for x in inputs if x.is_floating_point()]
    wanted = dtype if isinstance(dtype, tuple) else (dtype or (fractions[0] if fractions else torch.float32),)
    names = " or ".join(map(type_name, wanted))
    require(found.layout == torch.strided, f"{name} returns a sparse tensor, and a plain one is wanted.")
    places = {x.device.type for x in inputs} or {"cpu"}
    require(
        found.device.type in places,
        f"{name} returns a tensor on the device {found.device.type}, and one on {' or '.join(sorted(places))} is "
        "wanted, where the arguments are.",
    )
    require(
        found.dtype in wanted,
        f"{name} returns numbers of type {type_name(found.dtype)}, and {names} is wanted"
        + ("." if dtype else ": keep the type of what comes in."),
    )
    require(
        not found.requires_grad or any(x.requires_grad for x in inputs),
        f"{name} returns a tensor with `requires_grad`, and nothing that came in has it: a result of the arguments is "
        "wanted, which brings its gradient along.",
    )


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
    given = isinstance(found, (Tensor, float, numbers.Integral))
    require(given, f"the result is {with_article(kind(found))}, and numbers are wanted.")
    left, right_ = (torch.as_tensor(value).detach().cpu().double() for value in (found, wanted))
    same_shape(left, right_, "the result")
    bad = ~torch.isfinite(left) & torch.isfinite(right_)
    require(not bad.any(), f"{int(bad.sum())} of the values are not finite (nan or inf): is something divided by 0?")
    if not torch.allclose(left, right_, atol=atol, rtol=rtol, equal_nan=True):
        largest = float((left - right_).nan_to_num().abs().max())
        raise Wrong(f"{sentence} (largest difference: {largest:.2g})")


def precise(found: Tensor, what: str) -> Tensor:
    """The values in double precision, for comparisons. Raises Wrong for a type that cannot hold them."""
    name = type_name(found.dtype)
    require(found.dtype in (torch.float32, torch.float64), f"{what} is of type {name}: float32 is wanted.")
    return found.detach().cpu().double()


def alike(found: Tensor, other: Tensor) -> bool:
    """Whether all values are near each other, whatever their types; another shape is not alike."""
    return found.shape == other.shape and torch.allclose(found.double(), other.double(), atol=1e-5)


def passed(name: str) -> None:
    """Print the one line that ends a check."""
    print(f"right: {name}")


def error_in_words(error: BaseException, function: Callable[..., Any]) -> str:
    """An error of the reader's function in one line, with the line of that function on which it happened."""
    message = " ".join(str(error).split())
    message = message if len(message) <= LONGEST else f"{message[:LONGEST]} ..."
    code = getattr(function, "__code__", None)
    lines = [line for frame, line in traceback.walk_tb(error.__traceback__) if frame.f_code is code]
    place = f" in line {lines[-1] - code.co_firstlineno + 1} of the function" if lines and code else ""
    return f"{type(error).__name__}{place}" + (f": {message}" if message else ".")


def kind(value: Any) -> str:
    """The type of a value in a reader's words."""
    return type(value).__name__


def type_name(dtype: torch.dtype) -> str:
    """float32, and not torch.float32."""
    return str(dtype).removeprefix("torch.")


def with_article(name: str) -> str:
    """The name of a type with its article: a Tensor, an int."""
    return f"{'an' if name[0] in 'aeio' else 'a'} {name}"


def tensors(value: Any) -> Iterator[Tensor]:
    """The tensors in a value, also in lists, tuples and dicts."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (list, tuple, dict)):
        for part in value.values() if isinstance(value, dict) else value:
            yield from tensors(part)


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
        alike_ = isinstance(after, Tensor) and before.shape == after.shape and before.dtype == after.dtype
        return alike_ and torch.equal(before.nan_to_num(), after.nan_to_num())
    if type(before) is dict:
        return type(after) is dict and before.keys() == after.keys() and all(same(before[k], after[k]) for k in before)
    if type(before) in (list, tuple):
        return type(after) is type(before) and len(before) == len(after) and all(map(same, before, after))
    return True
