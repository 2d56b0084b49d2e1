"""Small clips on disk, and systems that count their work, fail, or are stopped in the middle."""

from collections.abc import Iterator

import cv2
import numpy as np
import pytest
import torch

from vinpaint_lib.interface import Inpainter, ModelCard, Output, Step
from vinpaint_lib.systems import registry
from vinpaint_lib.toy.clip import Shot, toy_clip


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
    for number, (name, length) in enumerate({"ant": 3, "bee": 4, "cat": 3}.items()):
        made = toy_clip("coffee", Shot(length=length, size=(48, 64), objects=1, seed=number, speed=1.0))
        for kind in ("JPEGImages", "Annotations"):
            (root / kind / "480p" / name).mkdir(parents=True)
        for t, (frame, shape) in enumerate(zip(made.clip.frames, made.silhouettes, strict=True)):
            picture = (frame.permute(1, 2, 0).numpy()[..., ::-1] * 255).round().astype(np.uint8)
            cv2.imwrite(str(root / "JPEGImages" / "480p" / name / f"{t:05d}.png"), picture)
            drawn = shape[0].numpy().astype(np.uint8) * 255 * (name != "cat")
            cv2.imwrite(str(root / "Annotations" / "480p" / name / f"{t:05d}.png"), drawn)
    return f"davis:{root}"
