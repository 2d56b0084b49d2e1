"""Figures of training runs: the pictures that a run writes are read back as they were, and figures carry words."""

import pytest
import torch

from vinpaint_lib.figures import page
from vinpaint_lib.lessons.figures import training as training_figures
from vinpaint_lib.training import run_log


@pytest.fixture
def shown(monkeypatch):
    """What is displayed: a list of (data, metadata)."""
    seen = []
    monkeypatch.setattr(page, "display", lambda data, metadata, raw: seen.append((data, metadata)))
    return seen


@pytest.fixture
def folder(tmp_path):
    """Two steps of a run with two samples, written as `progress.validate` does; the pictures (2 2 4 3 h w)."""
    pictures = torch.randint(0, 256, (2, 2, 4, 3, 16, 16)) / 255
    for step, rows in zip((30, 1000060), pictures, strict=True):
        run_log.save_grid(tmp_path / f"step_{step:06d}.png", [list(row) for row in rows])
    return tmp_path, pictures


def test_sample_pictures_are_read_as_they_were_written(folder):
    path, pictures = folder
    found = training_figures.sample_pictures(path)
    assert list(found) == [30, 1000060]
    for (_, rows), wanted in zip(found.items(), pictures, strict=True):
        torch.testing.assert_close(rows, wanted, atol=1e-6, rtol=0)


def test_the_hole_is_striped_and_black_elsewhere_is_not():
    truth = torch.rand(3, 24, 24) * 0.8 + 0.1
    truth[:, 10, 10] = 0  # black, and in the hole
    truth[:, 20:, 20:] = 0  # black, and known
    hole = torch.zeros(1, 24, 24)
    hole[:, 6:14, 6:14] = 1
    assert torch.equal(training_figures.blanked(truth * (1 - hole), truth), hole)


def test_figures_carry_their_words(shown, folder, tmp_path):
    training_figures.samples_over_time(training_figures.sample_pictures(folder[0]), "two rows")
    training_figures.draws([0, 3, 6], [[0, 1], [3, 2], [1, 1]], [2, 4, 4], "dots below a line")
    assert [data["text/plain"] for data, _ in shown] == ["two rows", "dots below a line"]
    with pytest.raises(ValueError, match="no sample pictures"):
        training_figures.samples_over_time(training_figures.sample_pictures(tmp_path / "nothing"), "none")
