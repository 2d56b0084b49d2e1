"""Figures of patch attention: they show the frame that was asked for, mark the patch, and carry their words."""

import pytest
import torch

from vinpaint_lib.figures import page
from vinpaint_lib.systems.sttn import explorer, figures as sttn_figures
from vinpaint_lib.systems.sttn.network import CONFIGS, Config, STTNGenerator

ALT = "A figure of patch attention that is drawn in a test of this project."


@pytest.fixture
def drawn(monkeypatch):
    """The figures that were shown, as (figure, alt, photo)."""
    shown = []
    monkeypatch.setattr(page, "show", lambda figure, alt, photo=False, **_: shown.append((figure, alt, photo)))
    return shown


def clip(length=8, size=(48, 96)):
    masks = torch.zeros(length, 1, *size)
    masks[..., 12:36, 24:60] = 1
    return torch.rand(length, 3, *size, generator=torch.Generator().manual_seed(0)), masks


@pytest.mark.parametrize(
    "asked, count, wanted", [(0, 3, [0, 1, 4]), (4, 3, [1, 3, 4]), (2, 9, [0, 1, 2, 3, 4]), (3, 1, [3])]
)
def test_the_frames_that_give_most_are_shown_beside_the_asking_one(asked, count, wanted):
    assert sttn_figures.givers(torch.tensor([0.0, 0.4, 0.05, 0.2, 0.35]), asked, count) == wanted


def test_weight_is_dark_and_the_rest_pale():
    frames, masks = clip()
    strength = torch.zeros(3, 3)
    strength[1, 2] = 1
    found = sttn_figures.shaded(frames[0], masks[0] * 0, strength)
    ink = torch.tensor([0x00, 0x30, 0x5A]) / 255
    assert torch.allclose(found[:, 16:32, 64:], ink[:, None, None].expand(3, 16, 32), atol=1e-6)
    assert found[:, :16].min() >= 0.5


def test_looks_mark_the_query_and_the_truth(drawn):
    frames, masks = clip()
    weights = torch.rand(8, 6, 6, generator=torch.Generator().manual_seed(1))
    weights[0, 0, 0] = weights[2] = 0.9  # frame 2 gives most, so it is shown
    weights /= weights.sum()
    best = 2
    rows = {"fine": (weights, (3, 2, 4)), "whole": (torch.full((8, 1, 1), 1 / 8), (3, 0, 0))}
    sttn_figures.attention_rows(rows, frames, masks, range(10, 18), ALT, truth={best: (20.0, 30.0), 3: (1.0, 1.0)})
    ((figure, alt, photo),) = drawn
    assert (alt, photo) == (ALT, True)
    titles = [axis.get_title() for axis in figure.axes]
    shares = {10 + i: float(weights[i].sum()) for i in range(8)}
    assert titles[:6] == [f"frame {n}: {shares[n]:.0%}" for n in range(10, 18) if f"frame {n}:" in "".join(titles[:6])]
    assert min(sorted(shares, key=shares.get)[:1]) not in [int(title[6:8]) for title in titles[:6]]
    asked = [axis for axis in figure.axes if axis.patches]
    assert [axis.get_title().split(":")[0] for axis in asked] == ["frame 13", "frame 13"]
    assert asked[0].patches[0].get_xy() == (4 * 16 - 0.5, 2 * 8 - 0.5)
    assert [axis.get_title().split(":")[0] for axis in figure.axes if axis.lines] == ["frame 12", "frame 12"]
    assert asked[1].patches[0].get_width() == 96


def test_grids_have_the_lines_of_each_head(drawn):
    frames, masks = clip()
    holes = {"one": torch.ones(1, 1, dtype=torch.bool), "three": torch.zeros(3, 3, dtype=torch.bool)}
    sttn_figures.patch_grids(frames[0], masks[0], holes, ALT)
    ((figure, _, _),) = drawn
    assert [len(axis.lines) for axis in figure.axes] == [0, 4]
    assert [axis.get_title() for axis in figure.axes] == ["one", "three"]


def test_windows_count_how_often_a_frame_is_a_target(drawn):
    steps = [((0, 1, 2), (4,)), ((1, 2, 3), (0,)), ((3, 4), ())]
    sttn_figures.windows(steps, 5, ALT)
    ((figure, alt, _),) = drawn
    assert alt == ALT
    (axis,) = figure.axes
    assert [text.get_text() for text in axis.texts] == ["1", "2", "2", "2", "1"]
    places = [(line.get_marker(), line.get_xdata().tolist()) for line in axis.lines]
    assert places[:3] == [("s", [0, 1, 2]), ("o", [4]), (".", [3])]


@pytest.fixture
def view():
    torch.manual_seed(0)
    frames, masks = clip()
    return explorer.PatchExplorer(STTNGenerator(CONFIGS["tiny"]), frames, masks, range(8), (3, 5, 4))


def test_the_explorer_asks_the_patch_that_holds_the_cell(view):
    assert [view.query(head, (3, 11, 4)) for head in range(4)] == [(3, 0, 0), (3, 2, 1), (3, 5, 2), (3, 11, 4)]
    weights = view.weights(1, 2, (3, 11, 4))
    assert weights.shape == (8, 6, 6)
    assert float(weights.sum()) == pytest.approx(1, abs=1e-5)
    clip, masks = (x[None] for x in (view.frames, view.masks))
    assert torch.allclose(weights, view.net.attention_row(clip, masks, block=1, head=2, query=(3, 5, 2))[0].detach())


def test_the_explorer_redraws_for_each_slider(view):
    pictures = [view.image.value]
    for slider, value in ((view.head, 3), (view.block, 1), (view.row, 0), (view.column, 11), (view.frame, 7)):
        slider.value = value
        pictures.append(view.image.value)
    assert len(set(pictures)) == len(pictures)


def test_the_explorer_without_widgets(view, drawn):
    view.still(0, 1, (3, 5, 4), ALT)
    ((figure, alt, photo),) = drawn
    assert (alt, photo) == (ALT, True)
    assert len(figure.axes) == 6
    assert "sliders" in view._repr_mimebundle_()["text/plain"]


def test_the_drawing_follows_the_configuration(drawn):
    told = {box.name: box.text for box in sttn_figures.parts(CONFIGS["paper"])[0]}
    assert "256 channels" in told["encoder"]
    assert "8 blocks" in told
    assert "64 channels each" in told["4 heads"]
    assert "1, 9, 36, 144" in told["4 heads"]
    assert "4 blocks" in {box.name for box in sttn_figures.parts(CONFIGS["small"])[0]}
    for as_released, words in ((True, "computed, then dropped"), (False, "no key in a hole")):
        (mask,) = [w for w in sttn_figures.parts(Config(as_released=as_released))[1] if w.start == "masks"]
        assert mask.text == words
    sttn_figures.architecture(CONFIGS["paper"], ALT)
    assert drawn[0][1] == ALT
