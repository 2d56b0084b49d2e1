"""Figures of CPNet: the references that give most, in order, with their numbers."""

import torch

from vinpaint_lib.systems.cpnet import figures


def test_references_that_give_most_to_the_hole_are_shown():
    hole = torch.zeros(1, 16, 16)
    hole[:, 4:8, 4:8] = 1
    shares = torch.zeros(3, 1, 4, 4)
    shares[0, 0, 1, 1], shares[2, 0, 1, 1] = 0.7, 0.3
    shares[1, 0, 3, 3] = 1.0  # not in the hole
    assert figures.givers(shares, hole, 2) == [0, 2]
    rng = torch.Generator().manual_seed(0)
    maps = {
        "references": (2, 4, 6),
        "aligned": torch.rand(3, 3, 16, 16, generator=rng),
        "visible": torch.ones(3, 1, 16, 16),
        "shares": shares,
        "missing": torch.zeros(1, 16, 16),
    }
    figure = figures.copies_figure(torch.rand(8, 3, 16, 16, generator=rng), torch.rand(3, 16, 16), hole, maps, 2)
    assert [axis.get_title() for axis in figure.axes[:3]] == ["target", "frame 2", "frame 6"]
