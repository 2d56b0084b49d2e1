"""The box around a hole, against a loop over pixels; what lies inside of a box."""

import numpy as np
import pytest
import torch

from vinpaint_lib.holes.box import Box, around, at, bounding_box


def by_loop(hole: torch.Tensor, margin: int, multiple: int) -> tuple[int, ...] | None:
    """Grow a box from every missing pixel by a margin, and each side to a multiple, without leaving the frame."""
    height, width = hole.shape[-2:]
    rows, columns = set(), set()
    for frame in hole.reshape(-1, height, width):
        for y in range(height):
            for x in range(width):
                if frame[y, x] > 0:
                    rows |= {k for k in range(y - margin, y + margin + 1) if 0 <= k < height}
                    columns |= {k for k in range(x - margin, x + margin + 1) if 0 <= k < width}
    if not rows:
        return None
    spans = []
    for found, size in ((rows, height), (columns, width)):
        low, high = min(found), max(found) + 1
        while low % multiple:
            low -= 1
        while high % multiple and high < size:
            high += 1
        spans += [low, high]
    return tuple(spans)


@pytest.mark.parametrize("shape", [(1, 24, 40), (3, 1, 16, 32)])
@pytest.mark.parametrize(("margin", "multiple"), [(0, 1), (3, 1), (2, 8), (50, 8)])
@pytest.mark.parametrize("seed", range(4))
def test_the_box_is_that_of_a_loop(shape, margin, multiple, seed):
    drawn = torch.rand(shape, generator=torch.Generator().manual_seed(seed))
    hole = (drawn > 0.995 - 0.002 * seed).float()
    hole[..., 5, 7] = 1
    expected = by_loop(hole, margin, multiple)
    assert bounding_box(hole, margin, multiple) == expected
    assert bounding_box(hole.numpy() > 0, margin, multiple) == expected
    assert around(hole, margin).slices == bounding_box(hole, margin).slices


def test_without_a_hole_there_is_no_box():
    assert bounding_box(np.zeros((4, 6), bool)) is None
    with pytest.raises(ValueError, match="no frame has a hole"):
        around(torch.zeros(2, 1, 4, 6))


def test_what_lies_inside():
    picture = torch.arange(2 * 3 * 6 * 8).reshape(2, 3, 6, 8).float()
    box = Box(1, 4, 2, 7)
    assert box.size == (3, 5)
    assert torch.equal(at(picture, box), picture[..., 1:4, 2:7])
    assert torch.equal(at(picture, (1, 4, 2, 7)), picture[..., *box.slices])
