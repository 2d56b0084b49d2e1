"""What no frame shows: the cases hold nothing of the truth there, and the table is the mean over clips."""

import numpy as np
import pytest
import torch
from torch import nn

from vinpaint_lib.datasets.parse import parse_source
from vinpaint_lib.lessons.experiments import unseen

pytestmark = pytest.mark.slow


class Twice(nn.Module):
    """A stand-in for a network of features."""

    def forward(self, image):
        return [image, nn.functional.avg_pool2d(image, 2)]


def made(clip: str, value: float) -> unseen.Case:
    torch.manual_seed(0)
    truth, hole = torch.rand(3, 16, 16), torch.zeros(1, 16, 16)
    hole[:, 4:12, 4:12] = 1
    return unseen.Case(clip, truth * (1 - hole) + 0 * value, hole, truth * value)


def test_a_case_shows_everything_but_what_no_frame_shows(monkeypatch):
    monkeypatch.setattr(unseen, "LEAST", 20)
    source = parse_source("toy").only(["coffee"])
    found = list(unseen.cases(source, height=96, targets=1))
    assert found
    for case in found:
        assert case.unseen.sum() >= 20
        assert not (case.picture * case.unseen).any()
        outside = case.unseen.expand(3, -1, -1) == 0
        # What is copied is near the truth, and most of what is outside was never missing.
        assert (case.picture - case.truth).abs()[outside].mean() < 0.05


def test_the_table_is_a_mean_over_clips_not_over_cases():
    cases = [made("a", 1.0), made("a", 1.0), made("b", 0.5)]
    rules = {"grey": lambda picture, hole: torch.where(hole > 0, torch.tensor(0.5), picture)}
    (row,) = unseen.table(cases, rules, [Twice()]).values()
    single = [unseen.distances(c, rules["grey"](c.picture, c.unseen), [Twice()]) for c in cases]
    assert np.allclose(row, (np.array(single[0]) + np.array(single[2])) / 2, atol=1e-6)
    assert len(row) == 2


def test_a_rule_for_arrays_keeps_the_known_pixels():
    case = made("a", 1.0)
    filled = unseen.alone(unseen.telea)(case.picture, case.unseen)
    assert torch.allclose(filled * (1 - case.unseen), case.picture, atol=1e-6)
    assert (filled * case.unseen).any()
