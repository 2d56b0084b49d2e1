"""Retargeting: the crop is the background's, the object keeps its pixels and its motion and lies inside."""

import pytest
import torch

from vinpaint_lib.lessons.experiments import retargeting


def a_clip(length=3, height=6, width=20):
    generator = torch.Generator().manual_seed(0)
    background, frames = torch.rand(2, length, 3, height, width, generator=generator)
    return background, frames


def test_squeezing_takes_means_of_columns():
    background, _ = a_clip()
    found = retargeting.squeezed(background, 10)
    assert torch.allclose(found, (background[..., ::2] + background[..., 1::2]) / 2, atol=1e-6)
    assert torch.equal(retargeting.squeezed(background, 20), background)


def test_extent_is_over_all_frames():
    objects = torch.zeros(3, 1, 6, 20)
    assert retargeting.extent(objects) is None
    objects[0, 0, 2, 4] = objects[2, 0, 5, 9] = 1
    assert retargeting.extent(objects) == (4, 10)


@pytest.mark.parametrize(
    "reach, left, width, wanted",
    [
        ((4, 10), 0, 12, 0),
        ((4, 10), 4, 6, 0),
        ((4, 10), 0, 8, -2),
        ((4, 10), 6, 12, 2),
        ((4, 10), 12, 8, 8),
        ((4, 10), 0, 4, -5),
        ((0, 20), 5, 10, 0),
    ],
)
def test_the_fewest_columns(reach, left, width, wanted):
    found = retargeting.move(reach, left, width)
    assert found == wanted
    if reach[1] - reach[0] <= width:
        assert left <= reach[0] + found
        assert reach[1] + found <= left + width


@pytest.mark.parametrize("left, width", [(0, 20), (0, 12), (9, 11), (3, 8), (14, 6), (5, 3)])
def test_moved_in_equals_a_loop_over_pixels(left, width):
    background, frames = a_clip()
    objects = torch.zeros(3, 1, 6, 20)
    objects[0, 0, 1:4, 10:14] = 1
    objects[1, 0, :, 12:16] = 1
    shift = retargeting.move((10, 16), left, width)
    wanted = background[..., left : left + width].clone()
    for t in range(3):
        for y in range(6):
            for x in range(20):
                if objects[t, 0, y, x] and 0 <= x + shift - left < width:
                    wanted[t, :, y, x + shift - left] = frames[t, :, y, x]
    found = retargeting.moved_in(background, frames, objects, left, width)
    assert torch.equal(found, wanted)
    assert torch.equal(found[2], background[2, ..., left : left + width])


def test_the_whole_object_is_there():
    background, frames = a_clip()
    objects = torch.zeros(3, 1, 6, 20)
    objects[:, 0, 2:5, 11:16] = 1
    marked = retargeting.moved_in(torch.zeros_like(background), torch.ones_like(frames), objects, 0, 13)
    assert marked[:, :1].sum() == objects.sum()
    assert retargeting.extent(marked[:, :1]) == (8, 13)


def test_no_object_and_no_columns():
    background, frames = a_clip()
    none = torch.zeros(3, 1, 6, 20)
    assert torch.equal(retargeting.moved_in(background, frames, none, 2, 7), background[..., 2:9])
    for left, width in ((-1, 5), (0, 0), (10, 11)):
        with pytest.raises(ValueError, match="are not within the 20"):
            retargeting.moved_in(background, frames, none, left, width)
