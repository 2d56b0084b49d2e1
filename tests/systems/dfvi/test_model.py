"""DFVI over a clip: flow as the network sees it, chains that end, what is painted once, the last frame."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch
from torch import nn

from tests.test_every_model import moving
from vinpaint_lib.holes.box import Box
from vinpaint_lib.inpaint import Recorder, fill_clip
from vinpaint_lib.interface import Window
from vinpaint_lib.motion import chains
from vinpaint_lib.motion.links import Link, Links
from vinpaint_lib.motion.propagation import propagate
from vinpaint_lib.painting.network import Painter
from vinpaint_lib.systems import registry
from vinpaint_lib.systems.dfvi.completed_links import CompletedLinks, flows_of
from vinpaint_lib.systems.dfvi.leftovers import carried
from vinpaint_lib.systems.dfvi.model import CARRIED, CONFIGS, DFVI, FOLLOWED, KNOWN, PAINTED, Config
from vinpaint_lib.toy.clip import Shot, toy_clip
from vinpaint_lib.video.clip import Clip

pytestmark = pytest.mark.slow

SIZE = (48, 64)


def pan(length=7, hole=True):
    """A photograph that slides by two pixels a frame, with a hole that stays: others show what it hides."""
    picture = toy_clip("coffee", Shot(length=1, size=(48, 64 + 2 * length), seed=0)).clip.frames[0]
    frames = torch.stack([picture[:, :, 2 * t : 2 * t + 64] for t in range(length)])
    masks = torch.zeros(length, 1, *SIZE)
    if hole:
        masks[:, :, 16:32, 24:32] = 1
    return Clip(frames, masks, Fraction(24), "pan")


def window_of(clip, chosen=None):
    chosen = tuple(range(len(clip)) if chosen is None else chosen)
    frames, masks = clip.frames[list(chosen)], clip.masks[list(chosen)]
    return Window(chosen, frames * (1 - masks), masks, torch.zeros_like(masks))


class Average(nn.Module):
    """Stands for a network: the mean of the eleven flows, plus one."""

    def __init__(self):
        super().__init__()
        self.one = nn.Parameter(torch.ones(()))

    def forward(self, start, unknown):
        return start.mean(dim=1) + self.one * unknown.sum(dim=1).clamp(max=1)


# --- links


def test_without_a_network_links_are_those_of_the_baseline_flow():
    clip = pan(4)
    mine, theirs = CompletedLinks(), Links(guided=False)
    mine.follow(window_of(clip), range(4))
    theirs.update(window_of(clip))
    assert mine.by_index.keys() == theirs.by_index.keys() == {0, 1, 2}
    for i in range(3):
        assert np.array_equal(mine.by_index[i].forward, theirs.by_index[i].forward)
        assert np.array_equal(mine.by_index[i].backward, theirs.by_index[i].backward)


def test_the_network_sees_eleven_flows_and_the_ends_again_beyond_an_end():
    clip = pan(8)
    links, plain = CompletedLinks(net=Average()), CompletedLinks()
    with torch.no_grad():
        links.follow(window_of(clip), range(8))
    plain.follow(window_of(clip), range(8))
    for i in range(7):
        for name, way in (("forward", 0), ("backward", 1)):
            around = [getattr(plain.by_index[min(max(i + k, 0), 6)], name) for k in range(-5, 6)]
            gap = links.begins[i][way].unknown[..., None]
            expected = np.where(gap, np.mean(around, axis=0) + 1, around[5])
            np.testing.assert_allclose(getattr(links.by_index[i], name), expected, atol=1e-4)


def test_links_do_not_depend_on_the_window_and_old_ones_go():
    clip, whole, sliding = pan(20), CompletedLinks(net=Average()), CompletedLinks(net=Average())
    with torch.no_grad():
        whole.follow(window_of(clip), range(20))
        for target in (6, 12):
            shown = range(max(0, target - 6), min(20, target + 7))  # one frame within reach, and five more
            sliding.follow(window_of(clip, shown), range(target - 1, target + 2))
    assert set(sliding.by_index) == {6, 11, 12}  # 5 is gone
    for i in (11, 12):
        np.testing.assert_allclose(sliding.by_index[i].forward, whole.by_index[i].forward, atol=1e-5)
    assert min(sliding.begins) == 6


# --- chains


def test_a_chain_ends_where_the_flow_back_disagrees():
    """Three frames, flow of one pixel; in one row of the first link the flow back misses by two pixels."""
    still = np.zeros((8, 12, 2), np.float32)
    there, back = still.copy(), still.copy()
    there[..., 0], back[..., 0] = 1, -1
    back[3, :, 0] = 1
    clip = Clip(torch.rand(2, 3, 8, 12), torch.zeros(2, 1, 8, 12), Fraction(24), "two")
    clip.masks[0, :, 2:5, 2:6] = 1
    links = Links(guided=False, by_index={0: Link(there, back, np.eye(3), np.eye(3))})
    box = Box(2, 5, 2, 6)
    ways = {
        most: propagate(window_of(clip), 0, box, links, chains.Views(), 3, most=most).seen for most in (np.inf, 1.5)
    }
    assert ways[np.inf].all()
    assert ways[1.5].tolist() == [[True] * 4, [False] * 4, [True] * 4]


def test_what_the_frame_before_shows_is_carried_along_the_flow():
    before = np.random.default_rng(0).random((8, 12, 3)).astype(np.float32)
    there, back = np.zeros((8, 12, 2), np.float32), np.zeros((8, 12, 2), np.float32)
    there[..., 0], back[..., 0] = 2, -2
    there[4] = 9  # the flow into the future does not lead back
    links = Links(guided=False, by_index={0: Link(there, back, np.eye(3), np.eye(3))})
    wanted = np.ones((4, 6), bool)
    wanted[0, 0] = False
    found = carried(before, 1, Box(2, 6, 0, 6), wanted, links, 1.0)
    expected = np.zeros((4, 6), bool)
    expected[:, 2:] = True  # two columns lie outside of the frame before
    expected[2] = False
    assert np.array_equal(found.found, expected)
    np.testing.assert_allclose(found.colour[0, 2:], before[2, :4], atol=1e-6)


# --- clips


def test_a_pan_uncovers_what_is_under_the_hole():
    clip, recorder = pan(), Recorder()
    found = fill_clip(registry.build("dfvi-membrane"), clip, on_step=recorder).frames
    hole = clip.masks.bool().expand_as(found)
    assert (found - clip.frames)[hole].abs().mean() < 0.03
    source = recorder.maps[3]["source"]
    assert (source == FOLLOWED).sum() > 0.8 * clip.masks[3].sum()
    assert torch.equal(source == KNOWN, clip.masks[3] == 0)
    assert recorder.maps[6].keys() == {"source", "flow", "begun"}  # the last frame is filled too
    torch.testing.assert_close(recorder.maps[3]["flow"][0, 24, 28], torch.tensor(-2.0), atol=0.5, rtol=0)


def test_what_no_frame_shows_is_painted_once_and_stays():
    """Nothing moves, so nothing is uncovered: the first frame is painted, and all others show the same."""
    still = pan(1).frames
    clip = Clip(still.expand(4, -1, -1, -1).clone(), pan(4).masks, Fraction(24), "still")
    recorder = Recorder()
    found = fill_clip(registry.build("dfvi-membrane"), clip, on_step=recorder).frames
    inside = clip.masks[0] > 0
    for t, kind in enumerate((PAINTED, CARRIED, CARRIED, CARRIED)):
        assert (recorder.maps[t]["source"][inside] == kind).all()
        torch.testing.assert_close(found[t], found[0], atol=1e-4, rtol=0)


class Red(Painter):
    """Stands for a painter."""

    def __init__(self, config):
        nn.Module.__init__(self)
        self.one = nn.Parameter(torch.ones(()))

    def paint(self, picture, mask):
        red = torch.tensor([1.0, 0, 0])[:, None, None]
        return torch.where(mask > 0, red.expand_as(picture), picture)


@pytest.mark.parametrize("leftovers", ["painter", "telea"])
def test_a_painter_that_is_named_paints(monkeypatch, leftovers):
    monkeypatch.setattr("vinpaint_lib.systems.dfvi.model.Painter", Red)
    clip = pan(1)
    model = DFVI(Config(completion="membrane", reach=2, painter="tiny", leftovers=leftovers))
    found = fill_clip(model, clip).frames[0][:, 24, 28]
    assert (found.tolist() == [1, 0, 0]) == (leftovers == "painter")


@pytest.mark.parametrize("length, hole", [(1, "border"), (3, "ordinary"), (4, "all of most frames"), (4, "nothing")])
def test_clips_at_the_edge_with_a_network(length, hole):
    clip = moving(length, hole)
    torch.manual_seed(0)
    model = DFVI(replace(CONFIGS["tiny"], reach=2)).eval()
    nn.init.normal_(model.net.out.weight, std=0.01)
    found = fill_clip(model, clip).frames
    assert torch.isfinite(found).all()
    known = (1 - clip.masks).bool().expand_as(found)
    assert torch.equal(found[known], clip.frames[known])


def test_the_window_has_five_frames_more_for_a_network():
    model = DFVI(replace(CONFIGS["tiny"], reach=2))
    assert list(model.plan(20))[10].references == tuple(i for i in range(3, 18) if i != 10)
    bare = DFVI(replace(CONFIGS["membrane"], reach=2))
    assert list(bare.plan(20))[10].references == (8, 9, 11, 12)


def test_flows_for_training_are_of_true_frames_with_a_membrane_in_their_holes():
    clip = pan(3)
    for direction in (0, 1):
        wanted, start, unknown = flows_of(clip.frames, clip.masks, direction)
        assert wanted.shape == start.shape == (2, 2, *SIZE)
        known = (unknown == 0).expand_as(start)
        assert torch.equal(start[known], wanted[known])
        assert bool(unknown[:, :, 16:32, 24:32].all())
        assert 0.02 < unknown.mean() < 0.6
        assert wanted[0, 0].median() == pytest.approx(2 if direction else -2, abs=0.3)
