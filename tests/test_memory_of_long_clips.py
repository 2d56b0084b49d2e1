"""Memory does not grow with a clip: for every model, what lives in its middle lives late in it, and no more."""

import gc
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.pretend_device import DEVICE
from tests.test_every_model import make
from vinpaint_lib.inpaint import fill, oldest_needs
from vinpaint_lib.systems import registry

pytestmark = pytest.mark.slow

HEIGHT, WIDTH = 48, 64
PERIOD, LATER = 10, 30  # frames until the clip repeats itself, and between the two moments that are compared
REACH = 16  # frames that a window reaches at most, where that is an option: a property of windows needs no large ones
# Systems, the forms of them that begin with a first guess, which has memory of its own, and the classical methods.
NAMES = (*registry.SYSTEMS, *(name for name in registry.MODELS if name.endswith("-aligned")), *registry.BASELINES)
FRAME = 4 * 4 * HEIGHT * WIDTH  # bytes of a frame and its mask


class Passing:
    """A texture that moves under a hole that moves, again and again; frames are made when they are asked for."""

    def __init__(self, length: int) -> None:
        self.length = length
        self.wide = torch.rand(3, HEIGHT, WIDTH + 2 * PERIOD, generator=torch.Generator().manual_seed(0))

    def __len__(self) -> int:
        return self.length

    def __iter__(self):
        for t in range(self.length):
            left, hole = 2 * (t % PERIOD), torch.zeros(1, HEIGHT, WIDTH)
            hole[:, 16:32, 20 + left : 40 + left] = 1
            yield self.wide[:, :, left : left + WIDTH].clone(), hole


def alive() -> int:
    """Bytes of all tensors of the CPU, and of all arrays, that something holds."""
    gc.collect()
    storages, arrays = {}, {}
    holders = gc.get_objects()
    while holders:
        inner = []
        for found in gc.get_referents(*holders):
            while type(found) is np.ndarray and type(found.base) in (np.ndarray, Tensor):
                found = found.base  # a view holds what it is a view of
            kind = type(found)
            if kind is np.ndarray:
                arrays[id(found)] = found.nbytes
            elif issubclass(kind, Tensor) and found.device.type == "cpu":  # one of another device has no bytes here
                storages[found.untyped_storage().data_ptr()] = found.untyped_storage().nbytes()
            elif kind in (dict, tuple) and not gc.is_tracked(found):  # it holds nothing that could make a ring
                inner.append(found)
        holders = inner
    return sum(storages.values()) + sum(arrays.values())


def moments(model) -> tuple[int, int, int]:
    """Two frames far from the ends of a clip where the window is as large, and the length of the clip."""
    steps = list(model.plan(600))
    middle = next(n for n, step in enumerate(steps) if 300 in step.targets)
    oldest, newest = (
        oldest_needs(steps)[middle],
        max(max(step.targets + step.references) for step in steps[: middle + 1]),
    )
    before = -(-max(300 - oldest, 1) // PERIOD) * PERIOD
    return before, before + LATER, before + LATER + newest - 300 + PERIOD


def growth(model, leak=lambda frame: None) -> float:
    """What lives at the later moment and did not at the earlier one, in frames."""
    first, second, length = moments(model)
    found = {}
    for index, frame in enumerate(fill(model, Passing(length))):
        leak(frame)
        if index in (first, second):
            found[index] = alive()
        if index == second:
            break
    return (found[second] - found[first]) / FRAME


@pytest.mark.parametrize("name", NAMES)
def test_what_lives_is_bounded_by_the_window(name):
    """30 frames later the same lives: hardly more than at the first moment. Volumes do not overlap alike everywhere."""
    model = make(name)
    config = getattr(model, "config", None)
    if getattr(config, "reach", None):
        model.config = replace(config, reach=min(config.reach, REACH))
    assert growth(model) < (2 if name.startswith("combcn") else 0.5)


@pytest.mark.parametrize("what", ["frames", "masks", "arrays", "in a dictionary"])
def test_what_is_kept_for_each_frame_is_seen(what):
    """Also the sixteenth part of a frame, in whatever form it is kept."""
    kept = {}
    forms = {
        "frames": lambda frame: frame.clone(),
        "masks": lambda frame: frame[:1] > 0.5,
        "arrays": lambda frame: frame[0].numpy().copy(),
        "in a dictionary": lambda frame: {"grey": frame[0].numpy().copy()},
    }
    assert growth(make("telea"), lambda frame: kept.setdefault(len(kept), forms[what](frame))) > 1.8


def test_tensors_of_another_device_do_not_disturb_the_count():
    """Other tests of the same process leave such tensors behind; what they stand for is on the CPU, and counts."""
    before = alive()
    elsewhere = torch.zeros(100).to(DEVICE)
    assert elsewhere.device == DEVICE
    assert alive() - before == 400
