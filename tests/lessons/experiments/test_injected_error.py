"""An error put into an exact alignment: its size, what is aligned without it, the rules, and what they may see."""

import math

import numpy as np
import pytest
import torch

from vinpaint_lib.holes.masks import stationary_blob
from vinpaint_lib.lessons.experiments import injected_error as injected
from vinpaint_lib.systems.registry import build
from vinpaint_lib.systems.tgfnet.groups import Groups
from vinpaint_lib.toy.clip import Shot, toy_clip

SIZE = (64, 96)


@pytest.mark.parametrize("kind", injected.KINDS)
@pytest.mark.parametrize("pixels", [0.0, 1.0, 5.0])
def test_pixels_miss_their_places_by_the_mean_distance(kind, pixels):
    """A loop over all pixels; tolerance 1e-6."""
    for seed in range(4):
        matrix = injected.wrong_map(kind, pixels, SIZE, np.random.default_rng(seed))
        total = 0.0
        for y in range(SIZE[0]):
            for x in range(SIZE[1]):
                u, v, w = matrix @ (x, y, 1.0)
                total += math.hypot(u / w - x, v / w - y)
        assert total / (SIZE[0] * SIZE[1]) == pytest.approx(pixels, abs=1e-6)


def test_each_reference_goes_its_own_way():
    rng = np.random.default_rng(0)
    maps = [injected.wrong_map("shift", 3.0, SIZE, rng) for _ in range(3)]
    assert not np.allclose(maps[0], maps[1])
    assert not np.allclose(maps[1], maps[2])


@pytest.fixture(scope="module")
def clip():
    return toy_clip("coffee", Shot(length=20, size=SIZE, camera="homography", objects=0, seed=1))


@pytest.fixture(scope="module")
def masks():
    return stationary_blob(20, SIZE, np.random.default_rng(0), area=(0.08, 0.12))


def test_without_an_error_references_show_the_target(clip, masks):
    """The median difference where a reference shows something: that of interpolation."""
    groups = injected.references(clip.clip.frames, masks, clip.homographies, 9, lambda: np.eye(3))
    gap = (groups.frames - clip.clip.frames[9]).abs().mean(1)[groups.trust[:, 0] > 0]
    assert gap.median() < 0.01
    assert groups.names == ("-2", "+2", "-4", "+4", "-7", "+7")
    assert not (groups.frames * (groups.trust == 0)).any()


def test_an_error_shows_in_the_references(clip, masks):
    exact, wrong = (injected.wrong_map("shift", e, SIZE, np.random.default_rng(0)) for e in (0.0, 4.0))
    groups = [injected.references(clip.clip.frames, masks, clip.homographies, 9, lambda m=m: m) for m in (exact, wrong)]
    gaps = [(g.frames - clip.clip.frames[9]).abs().mean(1)[g.trust[:, 0] > 0].mean() for g in groups]
    assert gaps[1] > 2 * gaps[0]


def test_homographies_are_chained_in_both_directions(clip):
    steps = clip.homographies.double().numpy()
    there, back = injected.between(steps, 3, 8), injected.between(steps, 8, 3)
    assert np.allclose(there @ back, np.eye(3), atol=1e-6)
    assert np.allclose(injected.between(steps, 3, 4), steps[3])


def some_groups() -> Groups:
    rng = torch.Generator().manual_seed(0)
    seen = (torch.rand(4, 1, 5, 6, generator=rng) < 0.5).float()
    ages = torch.tensor([4.0, 2.0, 7.0, 11.0])[:, None, None, None] * seen
    return Groups(torch.rand(4, 3, 5, 6, generator=rng) * seen, seen * 0.5, ages, ("a", "b", "c", "d"))


@pytest.mark.parametrize("name", injected.RULES)
def test_a_rule_is_its_loop(name):
    """Pixel by pixel; tolerance 1e-6. Where nothing shows a pixel, the fallback is taken."""
    groups, fallback = some_groups(), torch.rand(3, 5, 6)
    found = injected.RULES[name](groups, fallback)
    for y in range(5):
        for x in range(6):
            shown = [n for n in range(4) if groups.trust[n, 0, y, x] > 0]
            for c in range(3):
                values = sorted(float(groups.frames[n, c, y, x]) for n in shown)
                if not shown:
                    expected = float(fallback[c, y, x])
                elif name == "mean of the references":
                    expected = sum(values) / len(values)
                elif name == "median":
                    expected = values[(len(values) - 1) // 2]
                else:
                    nearest = min(shown, key=lambda n: float(groups.age[n, 0, y, x]))
                    expected = float(groups.frames[nearest, c, y, x])
                assert float(found[c, y, x]) == pytest.approx(expected, abs=1e-6)


def test_nothing_behind_the_hole_is_seen(clip, masks):
    model = build("tgfnet")
    groups = injected.references(clip.clip.frames, masks, clip.homographies, 9, lambda: np.eye(3))
    frame, hole = clip.clip.frames[9], masks[9]
    other = torch.where(hole > 0, torch.rand_like(frame), frame)
    one, two = (injected.filled(model, picture, hole, groups) for picture in (frame, other))
    assert set(one) == {"TGF-Net", *injected.RULES}
    for name in one:
        assert torch.equal(one[name] * hole, two[name] * hole), name


@pytest.mark.slow
def test_an_error_costs_every_method(monkeypatch):
    monkeypatch.setattr(injected, "SIZE", SIZE)
    scores = injected.measured(build("tgfnet"), "coffee", "shift", targets=1, errors=(0.0, 8.0))
    assert all(exact > wrong + 1 for exact, wrong in scores.values())


@pytest.mark.slow
def test_the_command_prints_a_table(monkeypatch, capsys):
    monkeypatch.setattr(injected, "SIZE", SIZE)
    monkeypatch.setattr(injected, "ERRORS", (0.0, 4.0))
    injected.main(["--targets", "1"])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3 * (2 + len(injected.RULES))
    assert [line.split(",")[0] for line in lines[:: 2 + len(injected.RULES)]] == list(injected.KINDS)
