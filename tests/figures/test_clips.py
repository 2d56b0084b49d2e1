"""Figures: what they are computed from, against slow definitions; that they carry their words; that files are whole."""

import io
import json
import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from PIL import Image

from vinpaint_lib import inpaint
from vinpaint_lib.figures import choices, clips, page
from vinpaint_lib.holes.box import Box
from vinpaint_lib.interface import Output, Step
from vinpaint_lib.systems.tgfnet import attention_maps, explorer as tgfnet_explorer, groups as tgfnet_groups


@pytest.fixture
def shown(monkeypatch):
    """What is displayed: a list of (data, metadata)."""
    seen = []
    monkeypatch.setattr(page, "display", lambda data, metadata, raw: seen.append((data, metadata)))
    return seen


def clip(length=5, height=24, width=40):
    return torch.rand(length, 3, height, width)


def hole(height=24, width=40):
    mask = torch.zeros(1, height, width)
    mask[:, 8:16, 12:28] = 1
    return mask


def groups(n=9, height=24, width=40):
    """Weights, trust and age of n groups as the network gives them; a strip that no frame shows, and the guess last."""
    trust = 0.2 + 0.8 * torch.rand(n, 1, height, width)
    trust[:-1, :, :, 20:24] = 0
    trust[-1] = 0.05
    trust[-1, :, :, 22:24] = tgfnet_groups.OWN
    weights = (torch.randn(n, 1, height, width) + trust.log()).softmax(dim=0) * (trust > 0)
    age = torch.randint(1, 9, (n, 1, height, width)).float() * (trust > 0)
    return weights, trust, age


def lightness(colour):
    """CIE L* of a colour."""
    from matplotlib.colors import to_rgb

    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    y = np.dot(linear, (0.2126, 0.7152, 0.0722))
    return 116 * y ** (1 / 3) - 16 if y > 0.008856 else 903.3 * y


def test_a_figure_carries_its_words_and_a_fixed_size(shown):
    for _ in range(2):
        clips.film_strip({"a": clip(), "b": clip()}, "two rows of five frames")
    clips.scores({"a": {"x": 1.0}, "b": {"x": 2.0}}, {"x": "score"}, "two dots")
    (photo, about), (again, _), (chart, chart_about) = shown
    assert photo["text/plain"] == "two rows of five frames"
    assert about == {"image/jpeg": {"alt": "two rows of five frames"}}
    assert chart_about == {"image/png": {"alt": "two dots"}}
    sizes = [Image.open(io.BytesIO(data["image/jpeg"])).size for data in (photo, again)]
    assert sizes[0] == sizes[1]
    assert sizes[0][0] == page.WIDTH * page.DPI == Image.open(io.BytesIO(chart["image/png"])).size[0]


@pytest.mark.parametrize("alt", ["", "  \n"])
def test_a_figure_without_words_is_refused_and_not_written(alt, shown, tmp_path):
    with pytest.raises(ValueError, match="alternative text"):
        clips.film_strip({"a": clip()}, alt, path=tmp_path / "a.png")
    assert not shown
    assert not list(tmp_path.iterdir())


def test_files_are_pngs_that_replace_the_old_one_at_once(tmp_path, monkeypatch):
    path = tmp_path / "strip.png"
    assert clips.poster(path, {"a": clip()}) == path
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        assert picture.size[0] == 2 * page.WIDTH * page.DPI
    before = path.read_bytes()

    def broken(self, file, **options):
        file.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(page.Figure, "savefig", broken)
    with pytest.raises(OSError, match="disk full"):
        clips.poster(path, {"a": clip()})
    assert path.read_bytes() == before


def test_colours_of_walks_differ_in_a_grey_print():
    strong = sorted(map(lightness, page.COLOURS[0:8:2]))
    assert min(b - a for a, b in pairwise(strong)) > 10
    for first, later in zip(page.COLOURS[0:8:2], page.COLOURS[1:8:2], strict=True):
        assert lightness(later) - lightness(first) > 10
    assert lightness(page.COLOURS[0]) == pytest.approx(19.5, abs=2)  # the formula itself: navy is nearly black


def test_frames_of_a_strip_are_spread_evenly():
    assert clips.picks(20, 4) == [0, 6, 13, 19]
    assert clips.picks(3, 5) == [0, 1, 2]
    assert clips.picks(1, 5) == [0]


@pytest.mark.parametrize("count, columns, size", [(3, 3, (112, 192)), (6, 3, (96, 160)), (12, 6, (24, 40))])
def test_titles_on_top_are_not_cut(count, columns, size):
    rows = [[torch.rand(3, *size)] * columns] * (count // columns)
    figure = page.grid(rows, [], [f"|difference| {n}" for n in range(count)])
    page.encoded(figure, photo=True)
    ends = [axis.title.get_window_extent(figure.canvas.get_renderer()).y1 for axis in figure.axes]
    assert max(ends) < figure.bbox.height - 2  # pixels; what matplotlib measures is a little less than what it draws


def test_a_row_whose_first_place_is_free_has_its_name_below_the_others():
    picture = torch.rand(3, 24, 40)
    figure = page.grid([[picture, picture], [None, picture], [None, None]], ["one", "two"], ["a", "b"])
    page.encoded(figure, photo=True)
    first, _, below, _, unnamed, _ = figure.axes
    assert below.get_ylabel() == "two"
    assert [axis.get_visible() for axis in (below, unnamed)] == [True, False]
    assert not below.images
    assert not below.patch.get_visible()
    boxes = [axis.yaxis.label.get_window_extent(figure.canvas.get_renderer()) for axis in (first, below)]
    assert abs(boxes[0].x0 - boxes[1].x0) < 1  # pixels
    assert boxes[1].y1 < boxes[0].y0


def test_a_tinted_hole_shows_nothing_of_what_it_hides():
    frames, masks = clip(), torch.stack([hole()] * 5)
    other = torch.where(masks > 0, torch.rand_like(frames), frames)
    assert torch.equal(clips.tinted(frames, masks), clips.tinted(other, masks))
    assert clips.tinted(frames, masks).min() >= 0
    assert clips.tinted(frames, masks).max() <= 1
    far = clips.grown(masks, 2) == 0
    assert torch.equal(clips.tinted(frames, masks) * far, frames * far)


def test_an_outline_leaves_the_inside_of_the_hole():
    frames, mask = torch.full((3, 24, 40), 0.5), hole()
    lined = clips.outlined(frames, mask)
    assert torch.equal(lined * mask, frames * mask)
    assert (lined[:, 7, 12:28] == 1).all()
    assert (lined[:, 6, 12:28] == 0).all()
    assert (lined[:, 5] == 0.5).all()


def test_a_frame_leaves_the_picture_inside_as_it_is():
    picture = torch.ones(3, 6, 9)
    lined = clips.framed(picture)
    assert torch.equal(lined[:, 1:-1, 1:-1], picture[:, 1:-1, 1:-1])
    for edge in (lined[:, 0], lined[:, -1], lined[..., 0], lined[..., -1]):
        assert (edge == 0.5).all()


def test_side_by_side_keeps_frames_and_their_order():
    left, right = clip(3), clip(3, width=24)
    joined = list(clips.side_by_side(left, right))
    assert len(joined) == 3
    for i, frame in enumerate(joined):
        assert frame.shape == (3, 24, 40 + 4 + 24)
        assert torch.equal(frame[:, :, :40], left[i])
        assert (frame[:, :, 40:44] == 1).all()
        assert torch.equal(frame[:, :, 44:], right[i])
    with pytest.raises(ValueError):
        list(clips.side_by_side(left, clip(2)))


def test_error_is_the_mean_over_colours():
    a, b = clip(2), clip(2)
    slow = sum((a[:, c] - b[:, c]).abs() for c in range(3)) / 3
    torch.testing.assert_close(clips.error(a, b)[:, 0], slow)


def test_time_slices_take_one_line_of_every_frame(monkeypatch):
    taken = []
    monkeypatch.setattr(clips, "grid", lambda rows, names, titles: taken.extend(rows[0]))
    monkeypatch.setattr(clips, "show", lambda *arguments, **options: None)
    frames = clip(4, width=40)
    clips.time_slices({"a": frames}, 7, "slice")
    (picture,) = taken
    assert picture.shape == (3, 16, 40)  # each of the four frames is four lines high
    for line in range(16):
        assert torch.equal(picture[:, line], frames[line // 4, :, 7])


def test_winner_entropy_and_age_equal_loops_over_pixels():
    weights, trust, age = groups()
    weights[:, :, 0, 0] = 0
    winner, spread = choices.winner(weights), choices.entropy(weights)
    nearest, elsewhere = attention_maps.nearest_age(age, trust), attention_maps.shown_elsewhere(trust)
    for y in range(0, 24, 5):
        for x in range(40):
            w = [float(v) for v in weights[:, 0, y, x]]
            assert int(winner[y, x]) == (w.index(max(w)) if max(w) > 0 else choices.NOBODY)
            slow = -sum(v * math.log(v) for v in w if v > 0) / math.log(9)
            assert float(spread[0, y, x]) == pytest.approx(slow, abs=1e-5)
            ages = [float(a) for a, v in zip(age[:, 0, y, x], trust[:, 0, y, x], strict=True) if v >= 0.2]
            assert float(nearest[0, y, x]) == min(ages, default=0)
            assert float(elsewhere[0, y, x]) == float(bool(ages))
    assert (elsewhere[0, :, 20:24] == 0).all(), "the model's own outputs are not given pixels"


def test_entropy_is_one_for_a_tie_and_zero_for_a_decision():
    tie = torch.full((4, 1, 2, 2), 0.25)
    torch.testing.assert_close(choices.entropy(tie), torch.ones(1, 2, 2))
    one = torch.zeros(4, 1, 2, 2)
    one[2] = 1
    assert (choices.entropy(one) == 0).all()
    assert (choices.entropy(torch.ones(1, 1, 2, 2)) == 0).all()


def test_the_guess_is_credited_to_the_most_trusted_group():
    weights, trust, _ = groups()
    names = [*(f"walk {n}" for n in range(8)), "guess"]
    moved = attention_maps.credited(weights, trust, names)
    for y in range(0, 24, 5):
        for x in range(40):
            slow = weights[:, 0, y, x].clone()
            best = int(trust[:-1, 0, y, x].argmax())
            if trust[best, 0, y, x] > 0:
                slow[best] += slow[8]
                slow[8] = 0
            torch.testing.assert_close(moved[:, 0, y, x], slow)
    assert torch.equal(attention_maps.credited(weights, trust, ["walk"] * 9), weights)


def test_shares_count_the_hole_only():
    weights, _, _ = groups()
    mask = hole()
    slow = torch.stack([w[0][mask[0] > 0].mean() for w in weights])
    torch.testing.assert_close(choices.shares(weights, mask), slow)
    assert float(choices.shares(weights, mask).sum()) == pytest.approx(1, abs=1e-5)


def test_a_coarse_map_is_repeated_not_smoothed():
    coarse = torch.rand(2, 1, 3, 5)
    wide = choices.enlarge(coarse, (24, 40))
    assert wide.shape == (2, 1, 24, 40)
    for y, x in ((0, 0), (7, 7), (8, 7), (23, 39)):
        assert torch.equal(wide[:, :, y, x], coarse[:, :, y // 8, x // 8])


def test_painted_uses_colours_in_the_hole_and_stripes_where_nobody_wins():
    weights = torch.zeros(3, 1, 24, 40)
    weights[1, :, :, :20] = 1
    picture = torch.rand(3, 24, 40)
    shown = choices.painted(weights, picture, hole())
    assert torch.allclose(shown[:, 10, 15], torch.tensor([127, 178, 221]) / 255)  # COLOURS[1]
    assert torch.equal(shown[:, 8:16, 20:28], clips.stripes((24, 40))[:, 8:16, 20:28])
    outside = shown[:, :4]
    assert torch.equal(outside[0], outside[1])
    assert torch.equal(outside[0], outside[2])


def test_numbers_stand_inside_of_their_regions():
    weights = torch.zeros(4, 1, 24, 40)
    weights[0, :, :, :20] = 1
    weights[3, :, :, 20:] = 1
    figure = page.blank(2.0, 2.0)
    axis = figure.subplots()
    choices.numbered(axis, weights, hole())
    placed = {text.get_text(): text.get_position() for text in axis.texts}
    assert set(placed) == {"1", "4"}
    for text, (x, y) in placed.items():
        assert hole()[0, y, x] == 1
        assert (x < 20) == (text == "1")


def test_of_numbers_that_stand_close_the_largest_region_keeps_its_own():
    weights = torch.zeros(4, 1, 24, 40)
    weights[0, :, :, :16] = 1
    weights[1, :, :, 16:19] = 1
    weights[3, :, :, 19:] = 1
    axis = page.blank(2.0, 2.0).subplots()
    choices.numbered(axis, weights, hole(), apart=7.0)
    assert [text.get_text() for text in axis.texts] == ["1", "4"]


def test_every_attention_figure_draws_with_any_number_of_groups(shown):
    for n in (1, 9, 12):
        weights, trust, age = groups(n) if n > 1 else (torch.ones(1, 1, 24, 40), *[torch.ones(1, 1, 24, 40)] * 2)
        names = [f"group {i}" for i in range(n)]
        scales = {"full": weights, "1/8": torch.rand(n, 1, 3, 5)}
        choices.overlay(torch.rand(3, 24, 40), scales, hole(), names, "who fills what")
        choices.group_maps(weights, hole(), names, "one map a group")
        near = attention_maps.nearest_age(age, trust)
        choices.sureness(choices.entropy(weights), near, hole(), "how sure")
    inside = hole() > 0
    choices.by_age(near[inside], [{"a": near[inside]}, {"b": near[inside], "c": near[inside]}], "curves")
    clips.error_maps({"a": clip(), "b": clip()}, clip(), 2, "errors")
    clips.panels({name: torch.rand(3, 24, 40) for name in "abcde"}, "five pictures", columns=3)
    assert len(shown) == 12


def explorer():
    recorder = inpaint.Recorder()
    box = Box(0, 24, 0, 40)
    for frame in (1, 3):
        weights, trust, age = groups()
        attention = [torch.rand(9, 1, 24 // s, 40 // s).softmax(dim=0) for s in (2, 4, 8)]
        maps = {"box": box, "names": [f"g{i}" for i in range(9)], "attention": attention, "weights": weights}
        recorder(Step((frame,), ()), Output(torch.rand(1, 3, 24, 40), maps | {"trust": trust, "age": age}))
    recorder(Step((4,), ()), Output(torch.rand(1, 3, 24, 40), {}))
    return tgfnet_explorer.Explorer(clip(), torch.stack([hole()] * 5), recorder.maps)


def test_the_explorer_offers_frames_with_a_hole_and_redraws():
    view = explorer()
    assert list(view.frame.options) == [1, 3]
    assert view.names == [f"g{i}" for i in range(9)]
    before = view.image.value
    for slider, value in ((view.scale, "1/8"), (view.group, 2), (view.frame, 1)):
        slider.value = value
        assert view.image.value != before
        before = view.image.value
    assert Image.open(io.BytesIO(before)).format == "JPEG"


def test_the_explorer_takes_the_weights_of_the_scale():
    view = explorer()
    maps = view.maps[3]
    assert torch.equal(view.weights(3, "full size"), maps["weights"])
    for scale, part in zip(("1/2", "1/4", "1/8"), maps["attention"], strict=True):
        assert torch.equal(view.weights(3, scale), choices.enlarge(part, (24, 40)))


def test_the_explorer_without_widgets_is_a_line_of_text(shown):
    view = explorer()
    bundle = view._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert bundle["text/plain"].startswith("Three sliders")
    json.dumps(bundle)
    view.still(1, "1/4", 0, "one setting")
    assert shown[0][0]["text/plain"] == "one setting"
    with pytest.raises(ValueError, match="no frame of this clip has a hole"):
        tgfnet_explorer.Explorer(clip(), torch.zeros(5, 1, 24, 40), {})
