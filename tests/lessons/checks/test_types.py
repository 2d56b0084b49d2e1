"""No check crashes: whatever a reader's function hands back or does becomes one sentence, and shows no answer."""

import inspect

import numpy as np
import pytest
import torch

from tests.lessons.checks.solutions import function_of, sources, verdict_on
from vinpaint_lib.lessons import assignments, checks

pytestmark = pytest.mark.slow


def each(change):
    """The same change for every tensor in a result; numbers become tensors first."""

    def changed(result):
        if isinstance(result, (tuple, list)):
            return type(result)(changed(part) for part in result)
        return change(torch.as_tensor(result))

    return changed


RESULTS = {  # name -> what comes back instead of the right result, words of the sentence that names it
    "half": (each(lambda x: x.half()), "float16|a Tensor"),
    "double": (each(lambda x: x.double()), "float64|a Tensor"),
    "long": (each(lambda x: x.long()), "int64|a Tensor"),
    "bool": (each(lambda x: x.bool()), "type bool|a Tensor"),
    "complex": (each(lambda x: x + 0j), "complex|a Tensor"),
    "another device": (each(lambda x: x.to("meta")), "meta|a Tensor"),
    "sparse": (each(lambda x: x.to_sparse()), "sparse|a Tensor"),
    "a new leaf": (each(lambda x: x.double().float().requires_grad_()), "requires_grad|a Tensor|float32"),
    "nan": (each(lambda x: torch.full_like(x.float(), torch.nan)), ""),
    "no elements": (lambda x: torch.zeros(0), "(0,)|a Tensor|float32|for each"),
    "one axis more": (lambda x: torch.as_tensor(x)[None] if not isinstance(x, (tuple, list)) else [x], ""),
    "one number": (lambda x: torch.tensor(0.25), ""),
    "numpy": (lambda x: np.asarray(x) if not isinstance(x, (tuple, list)) else np.zeros(3), "ndarray"),
    "numpy numbers": (lambda x: np.float32(0.5), "float32|float"),
    "a list": (lambda x: [x], "a list|values|entries|sizes|indices|each entry|value 1|not written as"),
    "a tuple": (lambda x: (x,), "a tuple|values|indices|value 1|tensors"),
    "three values": (lambda x: (x, x, x), "a tuple|values|indices|value 1|tensors"),
    "an empty tuple": (lambda x: (), "a tuple|values|indices|tensors"),
    "an empty list": (lambda x: [], "a list|values|entries|sizes|indices"),
    "a list of lists": (lambda x: [[1.5, 2], [3]], "a list|entries|sizes|value 1"),
    "a list of None": (lambda x: [None] * 6, "a list|sizes|entries|NoneType"),
    "a tuple of strings": (lambda x: ("a", "b"), "a tuple|str"),
    "None": (lambda x: None, "returns nothing"),
    "a string": (lambda x: "0.5", "a str"),
    "a dict": (lambda x: {"result": x}, "a dict"),
    "a set": (lambda x: {1, 2}, "a set"),
    "a generator": (lambda x: (part for part in [x]), "a generator"),
    "a function": (lambda x: lambda: x, "a function"),
    "a class": (lambda x: ValueError, "a type"),
    "an object": (lambda x: object(), "an object"),
    "a complex number": (lambda x: 1j, "a complex"),
    "nan as a number": (lambda x: float("nan"), ""),
    "a number off by less than one": (lambda x: x + 0.4 if type(x) is int else 0.5, ""),
    "True": (lambda x: True, ""),
}
ALLOWED = {("psnr", "double"), ("warping_error", "double")}  # what the text of the exercise allows


class Rude(Exception):
    """An error that cannot even be printed."""

    def __str__(self):
        raise RuntimeError("no text")


def raises(error):
    def function(*given, **named):
        raise error

    return function


def endless(*given):
    return endless(*given)


async def later(*given):
    return None


FUNCTIONS = {
    "ValueError": (raises(ValueError("two\nlines")), "stops with ValueError in line 2 of the function: two lines"),
    "KeyError": (raises(KeyError("a")), "stops with KeyError"),
    "without words": (raises(RuntimeError()), "stops with RuntimeError"),
    "long": (raises(RuntimeError("many words " * 200)), "stops with RuntimeError"),
    "AssertionError": (raises(AssertionError("no")), "stops with AssertionError"),
    "StopIteration": (raises(StopIteration()), "stops with StopIteration"),
    "SystemExit": (raises(SystemExit(1)), "stops with SystemExit"),
    "rude": (raises(Rude()), "."),
    "stub": (raises(NotImplementedError()), "is not written yet"),
    "endless": (endless, "stops with RecursionError"),
    "no arguments": (lambda: 1, "takes 0 positional arguments"),
    "a class": (Rude, "returns a Rude"),
    "a coroutine": (later, "returns a coroutine"),
    "a number": (3, "a function is wanted here, and this is an int"),
    "a tensor": (torch.zeros(2), "a function is wanted here, and this is a Tensor"),
    "nothing": (None, "a function is wanted here, and this is a NoneType"),
    "text": ("reduce", "a function is wanted here, and this is a str"),
}


def sentence_of(name, function):
    """What the check says, which must be one sentence that shows no line of the solution, nor of the check."""
    sentence = verdict_on(name, function)
    check = inspect.unwrap(getattr(checks, name))
    secret = [*assignments.split(sources()[name][1])[1], *inspect.getsource(check).splitlines()]
    assert "\n" not in sentence
    assert len(sentence) < 600
    assert not [line for line in assignments.telling(secret) if line in sentence]
    return sentence


@pytest.mark.parametrize("name", checks.names())
def test_any_result_of_another_kind_is_refused_in_one_sentence(name):
    solution, bad = function_of(name), []
    for kind, (change, words) in RESULTS.items():

        def function(*given, change=change, **named):
            return change(solution(*given, **named))

        sentence = sentence_of(name, function)
        if (name, kind) in ALLOWED:
            assert sentence == ""
        elif not any(word in sentence for word in words.split("|")) or not sentence or "comparing gives" in sentence:
            bad.append(f"{kind}: {sentence or 'passes'}")
    assert not bad, "\n".join(bad)


@pytest.mark.parametrize("name", checks.names())
@pytest.mark.filterwarnings("ignore:coroutine")
def test_any_function_is_refused_in_one_sentence(name):
    for function, words in FUNCTIONS.values():
        assert words in sentence_of(name, function)
