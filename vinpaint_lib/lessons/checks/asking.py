"""What every check does beside its own sentences: ask again at other sizes, follow gradients, never crash."""

import functools
import re
from collections.abc import Callable, Collection, Sequence
from typing import Any

import torch
from torch import Tensor

from vinpaint_lib.lessons import catalogue
from vinpaint_lib.lessons.checks import verdict
from vinpaint_lib.lessons.checks.verdict import Reader, Unwritten, Wrong
from vinpaint_lib.lessons.progress import file as progress

Cases = Sequence[tuple[Any, ...]]


Verdict = Callable[[Any], Callable[..., Any] | None]


def check(
    answer: Callable[..., Any] | None = None,
    cases: Callable[[], Cases] = tuple,
    *,
    gradients: dict[str, int] | None = None,
    atol: float | int = 1e-5,
    rtol: float | int = 1e-4,
    library: Collection[Callable[..., Any]] = (),
    without: Sequence[str] = (),
    **wanted: Any,
) -> Callable[[Callable[[Reader], None]], Verdict]:
    """Make a check out of a function that asks a `Reader` and raises `Wrong`.

    The check returns the function that the lesson goes on with: the reader's own, which is right, or the right answer
    in the place of an empty stub, and then it prints a line that says so. `judge`, an attribute of the check, raises
    for a stub too.

    answer: the right function. cases: arguments to ask with once more, of sizes and values that the check's own body
    does not use; results are compared within `atol` and `rtol`. gradients: name -> place of the arguments that a
    gradient must reach; it is compared with the right function's. library, without, and `wanted` are those of `Reader`.
    """

    def decorate(body: Callable[[Reader], None]) -> Verdict:
        name = body.__name__
        right = answer or body  # without an answer there are no cases

        def judge(function: Any) -> None:
            reader = Reader(function, library=library, without=without, **wanted)
            try:
                body(reader)
                for case in cases():
                    again(reader, right, case, atol, rtol)
                    slopes(reader, right, case, gradients or {})
            except Wrong as error:
                raise type(error)(sentence_for(str(error), reader.last)) from None
            except Exception as error:  # a result of a kind that nobody thought of
                came, want = described(reader.last), signature(body)
                kind = type(error).__name__
                raise Wrong(f"{reader.name} returns {came}, and {want} is wanted: comparing gives {kind}.") from None
            verdict.require(
                not reader.borrowed,
                f"the values are right, but {reader.borrowed} computes them: the exercise is to write this yourself.",
            )

        @functools.wraps(body)
        def asked(function: Any) -> Callable[..., Any] | None:
            try:
                judge(function)
            except Unwritten as error:
                instead = "with the library's function" if answer else "without it"
                print(f"{error} Until then the lesson goes on {instead}.")
                return answer
            verdict.passed(name)
            progress.passed(name, function, catalogue.solution)
            return function

        asked.judge = judge  # type: ignore[attr-defined]
        asked.terms = terms(bool(answer), gradients or (), library, without)  # type: ignore[attr-defined]
        return asked

    return decorate


def sentence_for(sentence: str, last: Any) -> str:
    """A check's sentence; if the result is nan as a whole and the sentence speaks of something else, one about that."""
    found = [x for x in verdict.tensors(last) if x.device.type != "meta" and not x.is_sparse and x.numel()]
    empty = bool(found) and all(x.isnan().all() for x in found)
    told = re.search(r"\bnan\b|finite|overflow|shape|ax[ei]s|\btype\b|device|returns|stops|argument", sentence, re.I)
    if not empty or told:
        return sentence
    return "all of the values are nan, and numbers are wanted: is 0 divided by 0, or the root of less than 0 taken?"


def terms(
    elsewhere: bool, gradients: Collection[str], library: Collection[Callable[..., Any]], without: Sequence[str]
) -> str:
    """What the text of an exercise says about its check: a line of plain sentences."""
    words = ["The check asks at other sizes and values too."] if elsewhere else []
    if gradients:
        *first, last = (f"`{name}`" for name in gradients)
        words.append(f"Gradients must reach {', '.join(first)}{' and ' if first else ''}{last}.")
    names = [f"`{function.__module__.split('.')[-1]}.{function.__name__}`" for function in library]
    words.append(
        f"Of `vinpaint_lib`, you may call {' and '.join(names)} only."
        if names
        else "You may call no function of `vinpaint_lib`."
    )
    if without:
        words.append(f"You may not call torch's `{without[0]}`.")
    return " ".join(words)


def again(
    reader: Reader, answer: Callable[..., Any], case: tuple[Any, ...], atol: float | int, rtol: float | int
) -> None:
    """Raise Wrong unless the reader's function also gives the right result for `case`."""
    found, wanted = verdict.call(reader, *case), answer(*map(verdict.copy, case))
    where = f"right for the first arguments, and wrong for others ({told(case)})"
    compare(found, wanted, where, atol, rtol)


def compare(found: Any, wanted: Any, where: str, atol: float | int, rtol: float | int) -> None:
    """Raise Wrong, with `where` in its sentence, unless a result, or each part of it, is right."""
    if isinstance(wanted, (tuple, list)):
        verdict.require(len(found) == len(wanted), f"{where}: {len(found)} values come back, and not {len(wanted)}.")
        for one, other in zip(found, wanted, strict=True):
            compare(one, other, where, atol, rtol)
        return
    if isinstance(wanted, Tensor):
        came, shape = tuple(found.shape), tuple(wanted.shape)
        verdict.require(
            came == shape,
            f"{where}: the result has the shape {came}, and {shape} is wanted. Is a size written into the function?",
        )
        bad = ~torch.isfinite(found) & torch.isfinite(wanted)
        verdict.require(not bad.any(), f"{where}: {int(bad.sum())} values are nan or inf. Is something divided by 0?")
    exact = isinstance(wanted, (bool, int))
    sentence = f"{where}: is a size or a value written into the function?"
    verdict.close(found, wanted, sentence, *((0, 0) if exact else (atol, rtol)))


def slopes(reader: Reader, answer: Callable[..., Any], case: tuple[Any, ...], places: dict[str, int]) -> None:
    """Raise Wrong unless gradients of the reader's result reach the arguments at `places`, and are the right ones."""
    if not places:
        return
    wanted = gradients_of(answer, case, places, answer)
    found = gradients_of(functools.partial(verdict.call, reader), case, places, answer)
    for name, one, other in zip(places, found, wanted, strict=True):
        if other is None or not other.any():
            continue
        if one is None or not one.any():
            way = "no `.item()`, `.detach()`, `.data` or new tensor on the way."
            raise Wrong(f"the values are right, and no gradient reaches `{name}`: {way}")
        known = torch.isfinite(other)
        verdict.require(
            torch.isfinite(one[known]).all(),
            f"the values are right, and the gradient that reaches `{name}` is not finite: what is the slope there?",
        )
        verdict.close(
            one[known],
            other[known],
            f"the values are right, and the gradient that reaches `{name}` is not: is a part of it cut off by "
            "`detach`, or rounded?",
            atol=1e-5,
            rtol=1e-3,
        )


def gradients_of(
    function: Callable[..., Any], case: tuple[Any, ...], places: dict[str, int], answer: Callable[..., Any]
) -> list[Tensor | None]:
    """The gradient of a fixed weighted sum of the result with respect to each argument at `places`."""
    given = list(map(verdict.copy, case))
    learn = [given[place].detach().requires_grad_() for place in places.values()]
    for place, tensor in zip(places.values(), learn, strict=True):
        given[place] = tensor
    found = function(*given)
    weights = torch.cos(torch.arange(found.numel(), dtype=found.dtype)).reshape(found.shape) + 0.5
    if not found.requires_grad:
        return [None] * len(learn)
    try:
        return list(torch.autograd.grad((found * weights).sum(), learn, allow_unused=True))
    except RuntimeError as error:
        if function is answer:
            raise
        words = " ".join(str(error).split())[: verdict.LONGEST]
        raise Wrong(f"the values are right, and the gradient cannot be computed: {words}") from None


def told(case: tuple[Any, ...]) -> str:
    """The arguments of a case in a few words: shapes, and numbers as they are."""
    words = []
    for value in case:
        if isinstance(value, Tensor):
            words.append(f"shape {tuple(value.shape)}")
        elif isinstance(value, (int, float, list)):
            words.append(
                f"{len(value)} tensors" if list(verdict.tensors(value)) and isinstance(value, list) else f"{value}"
            )
    return ", ".join(words)


def described(value: Any) -> str:
    """What came back, in words."""
    if isinstance(value, Tensor):
        return f"a tensor of {verdict.type_name(value.dtype)} with the shape {tuple(value.shape)}"
    if isinstance(value, (tuple, list)):
        return f"{verdict.with_article(verdict.kind(value))} of {len(value)}: " + ", ".join(map(described, value[:3]))
    return verdict.with_article(verdict.kind(value))


def signature(body: Callable[..., Any]) -> str:
    """What stands behind the arrow in a check's docstring: the result that is wanted."""
    first = " ".join((body.__doc__ or "").split()).partition("->")[2]
    return first.partition(":")[0].strip(" `.") or "another kind of result"


def uniform(seed: int, *sizes: int) -> Tensor:
    """Numbers in [0, 1), the same for the same seed."""
    return torch.rand(*sizes, generator=torch.Generator().manual_seed(seed))


def normal(seed: int, *sizes: int) -> Tensor:
    """Numbers of a normal distribution, the same for the same seed."""
    return torch.randn(*sizes, generator=torch.Generator().manual_seed(seed))


def ones(seed: int, share: float, *sizes: int) -> Tensor:
    """1 with the probability `share`, else 0; the same for the same seed."""
    return (uniform(seed, *sizes) < share).float()
