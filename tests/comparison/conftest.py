"""Small clips on disk, and systems that count their work, fail, or are stopped in the middle."""

from collections.abc import Iterator

import pytest
import torch

from tests.datasets.davis_folder import write_davis
from vinpaint_lib.interface import Inpainter, ModelCard, Output, Step
from vinpaint_lib.systems import registry


class Flat(Inpainter):
    """Paints every hole in one colour. `trouble` is called before each frame."""

    card = ModelCard("flat", "one colour", "a test")

    def __init__(self, colour: float) -> None:
        super().__init__()
        self.colour = colour

    def plan(self, length: int) -> Iterator[Step]:
        for t in range(length):
            yield Step((t,), ())

    def forward(self, window, step, state) -> Output:
        Fakes.frames += 1
        Fakes.trouble(self, step)
        return Output(torch.full_like(window.frames, self.colour) + 0.01 * torch.rand_like(window.frames), {})


class Fakes:
    """What the tests know and change of the systems."""

    frames = 0

    @staticmethod
    def nothing(model, step) -> None:
        pass

    trouble = nothing


@pytest.fixture(autouse=True)
def fakes(monkeypatch):
    """The registry with two cheap systems more, `light` and `dark`."""
    baselines = registry.BASELINES | {"light": lambda: Flat(0.7), "dark": lambda: Flat(0.3)}
    monkeypatch.setattr(registry, "BASELINES", baselines)
    monkeypatch.setattr(registry, "MODELS", (*registry.VARIANTS, *baselines))
    monkeypatch.setattr(Fakes, "frames", 0)
    monkeypatch.setattr(Fakes, "trouble", Fakes.nothing)
    return Fakes


@pytest.fixture(scope="session")
def clips(tmp_path_factory) -> str:
    """Three short clips with annotations in the layout of DAVIS; the third has no object."""
    root = tmp_path_factory.mktemp("davis")
    write_davis(root, {"ant": 3, "bee": 4, "cat": 3}, without="cat")
    return f"davis:{root}"
