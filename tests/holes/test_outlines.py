"""Outlines of objects: what is cut out of a picture, how it is stored, scaled and moved."""

import cv2
import numpy as np
import pytest

from vinpaint_lib.holes import outlines, shapes


def scene(side: int = 160, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A red ellipse on a noisy green ground, and where it is."""
    rng = np.random.default_rng(seed)
    inside = cv2.ellipse(np.zeros((side, side), np.uint8), (80, 84), (34, 22), 25, 0, 360, 1, -1)
    picture = np.where(inside[..., None] > 0, (200, 40, 30), (40, 130, 60)) + rng.normal(0, 8, (side, side, 3))
    return picture.clip(0, 255).astype(np.uint8), inside


def agreement(one: np.ndarray, two: np.ndarray) -> float:
    """Intersection over union of two outlines, brought to one size."""
    size = (64, 64)
    a, b = (cv2.resize(x, size, interpolation=cv2.INTER_NEAREST_EXACT) > 0 for x in (one, two))
    return float((a & b).sum() / (a | b).sum())


def test_an_object_is_cut_along_its_edge():
    """Boxes that cut through the ellipse see a part of it; most see all of it."""
    picture, inside = scene()
    whole = outlines.largest_piece(inside)
    found = [agreement(outlines.cut(picture, np.random.default_rng(seed)), whole) for seed in range(12)]
    assert np.median(found) > 0.9


def test_a_cut_is_a_function_of_the_generator():
    picture, _ = scene()
    first, again = (outlines.cut(picture, np.random.default_rng(3)) for _ in range(2))
    cv2.setRNGSeed(99)  # OpenCV's own generator must not matter
    third = outlines.cut(picture, np.random.default_rng(3))
    assert np.array_equal(first, again)
    assert np.array_equal(first, third)


def test_an_even_picture_gives_a_blob(monkeypatch):
    asked = []
    blob = shapes.blob
    monkeypatch.setattr(shapes, "blob", lambda *given: asked.append(1) or blob(*given))
    assert outlines.cut(np.full((60, 90, 3), 128, np.uint8), np.random.default_rng(0)).any()
    assert asked


@pytest.mark.parametrize("size", [(40, 300), (300, 40), (30, 30)])
def test_any_picture_will_do(size):
    picture = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    outline = outlines.cut(picture, np.random.default_rng(1))
    assert set(np.unique(outline)) <= {0, 1}
    assert outline.any(axis=0).all() or outline.any(axis=1).all()
    assert max(outline.shape) <= outlines.SIDE


def test_the_largest_piece_without_its_gaps():
    picture = np.zeros((20, 30), np.uint8)
    picture[2:5, 2:5] = 1
    picture[8:18, 10:25] = 1
    picture[10:14, 14:18] = 0
    assert np.array_equal(outlines.largest_piece(picture), np.ones((10, 15), np.uint8))
    assert outlines.largest_piece(np.zeros((5, 5), np.uint8)) is None


def test_a_silhouette_that_is_known_is_preferred():
    picture, inside = scene()
    frames = (np.stack([picture] * 2) / 255).astype(np.float32)
    square = np.zeros_like(inside)
    square[10:60, 20:100] = 1
    found = outlines.of_clip(frames, np.stack([square] * 2).astype(np.float32), np.random.default_rng(0))
    assert agreement(outlines.largest_piece(found), np.ones((50, 80), np.uint8)) > 0.95
    cut = outlines.of_clip(frames, np.zeros((2, *inside.shape), np.float32), np.random.default_rng(0))
    assert agreement(outlines.largest_piece(cut), np.ones((50, 80), np.uint8)) < 0.95


@pytest.mark.parametrize("size", [(64, 64), (48, 160), (128, 32)])
def test_an_outline_gets_its_share_of_the_frame(size):
    square = outlines.stored(outlines.at_most(outlines.largest_piece(scene()[1])))
    for seed in range(20):
        shape = outlines.to_area(square, size, np.random.default_rng(seed), (0.05, 0.15))
        assert shape.shape[0] <= size[0]
        assert shape.shape[1] <= size[1]
        share = shape.sum() / (size[0] * size[1])
        assert share <= 0.16  # whole pixels
        if min(size) > 40:
            assert share >= 0.04


def test_a_living_outline_turns_within_its_box():
    square = outlines.stored(outlines.at_most(outlines.largest_piece(scene()[1])))
    shape = outlines.to_area(square, (100, 100), np.random.default_rng(0), (0.1, 0.1))
    frames = outlines.alive(shape, 30, (100, 100), np.random.default_rng(1))
    areas = frames.sum(axis=(1, 2)) / shape.sum()
    assert 0.5 < areas.min() <= areas.max() < 1.1
    assert any(not np.array_equal(frames[0], frame) for frame in frames)
    assert all(cv2.connectedComponents(frame)[0] == 2 for frame in frames)
