"""Hole makers: exact values, seeds, areas, movement; dilation against a slow definition."""

import cv2
import numpy as np
import pytest
import torch
from einops import reduce
from jaxtyping import Float
from torch import Tensor

from vinpaint_lib.errors import UserError
from vinpaint_lib.holes import masks, shapes, strokes

SIZE = (60, 108)
SHIPPED = {
    "stationary_blob": masks.stationary_blob,
    "moving_blob": masks.moving_blob,
    "rectangle": masks.rectangle,
    "flying rectangle": lambda n, s, rng: masks.rectangle(n, s, rng, moving=True),
    "irregular": masks.irregular,
    "watermark": masks.watermark,
    "border": masks.border,
    "silhouettes": lambda n, s, rng: masks.silhouettes(n, s, rng, walker()),
    "moved silhouettes": lambda n, s, rng: masks.silhouettes(n, s, rng, walker(), move=True, scale=(0.5, 1.5)),
}


def walker(length: int = 5, size: tuple[int, int] = (40, 72)) -> Float[Tensor, "t 1 h w"]:
    """A 10x6 box that walks to the right by 4 pixels a frame."""
    result = torch.zeros(length, 1, *size)
    for t in range(length):
        result[t, 0, 12:22, 8 + 4 * t : 14 + 4 * t] = 1
    return result


def share(mask: Float[Tensor, "t 1 h w"]) -> Float[Tensor, " t"]:
    return reduce(mask, "t 1 h w -> t", "mean")


@pytest.mark.parametrize("name", SHIPPED)
@pytest.mark.parametrize("size", [SIZE, (33, 21), (4, 4)])
def test_every_maker_gives_zeros_and_ones_with_a_hole_and_repeats_by_its_seed(name, size):
    for seed in range(8):
        first, again = (SHIPPED[name](7, size, np.random.default_rng(seed)) for _ in range(2))
        assert first.shape == (7, 1, *size)
        assert set(first.unique().tolist()) <= {0.0, 1.0}
        assert first.sum() > 0
        assert torch.equal(first, again)


@pytest.mark.parametrize("name", [name for name in SHIPPED if name != "silhouettes"])  # those are given, not drawn
def test_another_seed_gives_another_mask(name):
    assert not torch.equal(*(SHIPPED[name](7, SIZE, np.random.default_rng(seed)) for seed in (0, 1)))


@pytest.mark.parametrize("area", [(0.06, 0.12), (0.01, 0.015), (0.3, 0.4)])
@pytest.mark.parametrize("maker", [masks.stationary_blob, masks.moving_blob, masks.irregular, masks.rectangle])
def test_area_is_the_hole_share_of_every_frame(maker, area):
    for seed in range(10):
        shares = share(maker(4, SIZE, np.random.default_rng(seed), area=area))
        assert area[0] <= shares.min()
        assert shares.max() <= area[1]


def test_blob_boxes_have_the_printed_sizes():
    """STTN [code]: height in [H/3, H-1], width in [W/3, W-1]; the drawn boxes fill those ranges."""
    boxes = np.array([shapes.blob(SIZE, np.random.default_rng(seed)).shape for seed in range(300)])
    for side, whole in zip(boxes.T, SIZE, strict=True):
        assert side.min() >= whole / 3
        assert side.max() <= whole - 1
        assert side.min() < whole / 3 + 3
        assert side.max() > whole - 4


def test_an_outline_touches_all_sides_of_its_box():
    for seed in range(20):
        shape = shapes.raster(shapes.bezier_outline(np.random.default_rng(seed)), 40, 50)
        assert shape.shape == (40, 50)
        assert shape[0].any()
        assert shape[-1].any()
        assert shape[:, 0].any()
        assert shape[:, -1].any()


def test_stationary_stays_and_moving_moves_as_one_piece():
    for seed in range(10):
        still = masks.stationary_blob(9, SIZE, np.random.default_rng(seed), area=(0.05, 0.2))
        assert all(torch.equal(still[0], frame) for frame in still)
        drawn = masks.irregular(9, SIZE, np.random.default_rng(seed))
        assert all(torch.equal(drawn[0], frame) for frame in drawn)
        for maker in (masks.moving_blob, SHIPPED["flying rectangle"]):
            moving = maker(9, SIZE, np.random.default_rng(seed))
            assert not torch.equal(moving[0], moving[-1]) or not torch.equal(moving[0], moving[4])
            # A shape cut off by the border would lose area.
            assert share(moving).unique().numel() == 1


def test_irregular_masks_cover_the_shares_of_the_paper_evenly():
    """Liu et al. [4.1]: six classes of masks, from 1 % to 60 % of the picture."""
    shares = np.array([masks.irregular(1, SIZE, rng_of(seed)).mean().item() for seed in range(240)])
    assert shares.min() >= 0.01
    assert shares.max() <= 0.6
    per_class = np.histogram(shares, bins=np.linspace(0, 0.6, 7))[0]
    assert per_class.min() > 20  # of 40; four standard deviations (5.8) below would be 17


def test_a_streak_is_long_and_thin_and_a_brush_stroke_is_a_walk():
    side, thickness = 144, []
    for seed in range(40):
        canvas = np.zeros((side, side), np.uint8)
        strokes.streak(canvas, rng_of(seed), 60.0)
        # Half the width of a streak is at most 5 % of the side it is drawn for; rounding and the 3x3 distance add 1.
        thick = cv2.distanceTransform(canvas, cv2.DIST_L2, 3).max()
        assert thick <= 0.05 * 60 + 1
        thickness.append(thick)
        ys, xs = canvas.nonzero()
        inside = min(ys.min(), xs.min()) > 0 and max(ys.max(), xs.max()) < side - 1
        assert not inside or max(np.ptp(ys), np.ptp(xs)) >= 0.3 * 60 / 2
    assert np.std(thickness) > 0.2
    for seed in range(40):
        canvas = np.zeros((side, side), np.uint8)
        strokes.brush(canvas, rng_of(seed), 60.0)
        assert cv2.connectedComponents(canvas)[0] == 2, "one stroke, and the background"


def test_an_irregular_mask_is_no_blob():
    """Its rim is longer: pixels that erosion takes away, as a share of the hole, against a blob of the same area."""

    def rim(mask):
        picture = masks.to_pictures(mask)[0]
        return 1 - cv2.erode(picture, np.ones((3, 3), np.uint8), borderValue=1).sum() / picture.sum()

    makers, rng = (masks.irregular, masks.stationary_blob), rng_of(0)
    rims = np.array([[rim(maker(1, (96, 160), rng, area=(0.1, 0.2))) for maker in makers] for _ in range(20)])
    assert rims[:, 0].mean() > 1.5 * rims[:, 1].mean()


def test_speed_is_bounded_and_the_walk_bounces():
    path = shapes.bouncing_path(400, (20, 30), np.random.default_rng(0), 3.0, (3.0, 0.5))
    assert path.min() >= 0
    assert (path.max(axis=0) <= (20, 30)).all()
    assert (path.min(axis=0) == 0).all()
    assert (path.max(axis=0) == (20, 30)).all()
    steps = np.linalg.norm(np.diff(path, axis=0), axis=1)
    assert steps.max() <= 3 + np.sqrt(2)  # both ends are rounded, by up to half a pixel in x and in y
    assert steps.mean() > 1


def test_without_acceleration_a_bounce_is_the_reflected_straight_line():
    path = shapes.bouncing_path(200, (21, 34), rng_of(2), 2.0)
    start, step = path[0], path[9] - path[0]  # no wall is met in the first frames of this seed
    straight = start + np.arange(200)[:, None] * (step / 9)
    folded = np.abs((straight + (21, 34)) % (42, 68) - (21, 34))
    # The step is known to 1/9 pixel, so after 60 frames the line is off by 60/9 pixels at most.
    assert np.abs(path[:60] - folded[:60]).max() <= 60 / 9 + 1
    assert (np.ptp(path, axis=0) >= (20, 33)).all()


def rng_of(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_silhouettes_are_played_back_and_forth_and_keep_their_share():
    source = walker(4)
    looped = masks.silhouettes(9, (40, 72), rng_of(0), source)
    assert torch.equal(looped, source[[0, 1, 2, 3, 2, 1, 0, 1, 2]])
    for size in ((80, 144), (60, 108)):
        # Nearest neighbour moves an edge by up to half a pixel: 1 part in 6 of the thinnest side, at most.
        resized = masks.silhouettes(4, size, rng_of(0), source)
        assert torch.allclose(share(resized), share(source), rtol=1 / 6)


def test_moved_silhouettes_keep_shape_and_own_motion():
    source = walker(5, SIZE)
    moved = masks.silhouettes(5, SIZE, rng_of(3), source, move=True)
    assert torch.equal(share(moved), share(source))
    assert not torch.equal(moved, source)
    doubled = masks.silhouettes(5, SIZE, rng_of(3), source, scale=(2.0, 2.0))
    assert torch.allclose(share(doubled), 4 * share(source))
    # Too large to be doubled: made as large as fits.
    assert share(masks.silhouettes(5, SIZE, rng_of(3), source, scale=(50.0, 50.0))).max() < 1


def test_watermark_stays_between_its_hops():
    still = masks.watermark(6, SIZE, rng_of(0), text="WM")
    assert all(torch.equal(still[0], frame) for frame in still)
    hopping = masks.watermark(9, SIZE, rng_of(0), text="WM", hop=3)
    assert torch.equal(hopping[0], hopping[2])
    assert torch.equal(hopping[3], hopping[5])
    assert not torch.equal(hopping[0], hopping[3])


@pytest.mark.parametrize("sides", ["horizontal", "vertical", "all"])
def test_border_leaves_one_box_known(sides):
    for seed in range(10):
        hole = masks.border(2, SIZE, rng_of(seed), sides=sides)[0, 0]
        rows, columns = (hole == 0).any(dim=1), (hole == 0).any(dim=0)
        assert torch.equal(hole == 0, rows[:, None] & columns[None])
        assert bool(rows.all()) == (sides == "horizontal")
        assert bool(columns.all()) == (sides == "vertical")


@pytest.mark.parametrize("radius", [0, 1, 2, 4])
def test_dilation_is_city_block_distance(radius):
    mask = (torch.rand(2, 1, 17, 23) > 0.97).float()
    expected = torch.zeros_like(mask)
    for n, _, y, x in mask.nonzero().tolist():
        for row in range(17):
            for column in range(23):
                if abs(row - y) + abs(column - x) <= radius:
                    expected[n, 0, row, column] = 1
    assert torch.equal(masks.dilate(mask, radius), expected)
    assert torch.equal(masks.dilate(mask[0], radius), expected[0])  # any leading axes


def test_resizing_by_whole_factors_repeats_and_drops_pixels():
    mask = (torch.rand(3, 1, 6, 10) > 0.5).float()
    assert torch.equal(masks.resize(mask, (18, 30)), mask.repeat_interleave(3, dim=2).repeat_interleave(3, dim=3))
    assert torch.equal(masks.resize(masks.resize(mask, (18, 30)), (6, 10)), mask)


@pytest.mark.parametrize(
    "call",
    [
        lambda rng: masks.stationary_blob(0, SIZE, rng),
        lambda rng: masks.moving_blob(3, (3, 50), rng),
        lambda rng: masks.stationary_blob(3, (8, 8), rng, area=(0.001, 0.002)),
        lambda rng: masks.irregular(3, (8, 8), rng, area=(0.001, 0.002)),
        lambda rng: masks.irregular(3, (8, 8), rng, area=(0.017, 0.03)),
        lambda rng: masks.irregular(3, SIZE, rng, area=(0.5, 0.2)),
        lambda rng: masks.irregular(3, SIZE, rng, area=(0.0, 0.2)),
        lambda rng: masks.irregular(0, SIZE, rng),
        lambda rng: masks.irregular(3, (3, 50), rng),
        lambda rng: masks.rectangle(3, (8, 8), rng, area=(0.0155, 0.0156)),
        lambda rng: masks.stationary_blob(3, SIZE, rng, area=(0.5, 0.2)),
        lambda rng: masks.stationary_blob(3, SIZE, rng, area=(6.0, 12.0)),
        lambda rng: masks.silhouettes(3, SIZE, rng, torch.zeros(2, 1, 9, 9)),
        lambda rng: masks.silhouettes(3, SIZE, rng, torch.zeros(0, 1, 9, 9)),
        lambda rng: masks.border(3, SIZE, rng, sides="left"),
        lambda rng: masks.border(3, SIZE, rng, share=(0.1, 0.7)),
        lambda rng: masks.watermark(3, SIZE, rng, text=" "),
        lambda rng: masks.watermark(3, SIZE, rng, text="水"),
        lambda rng: masks.watermark(3, SIZE, rng, hop=0),
        lambda rng: masks.dilate(torch.zeros(1, 1, 5, 5), -1),
    ],
)
def test_what_cannot_be_made_is_refused(call):
    with pytest.raises(UserError):
        call(np.random.default_rng(0))


def test_empty_silhouettes_are_allowed_on_request():
    assert masks.silhouettes(3, SIZE, rng_of(0), torch.zeros(2, 1, 9, 9), allow_empty=True).sum() == 0
