"""The part of a clip that is worked on: where it lies, what it shows, and how it goes back into whole frames."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from PIL import Image

from vinpaint_lib.errors import UserError
from vinpaint_lib.filling.part import LARGE, Holes, Part, Parts, choose_part, find_holes, grown, shrunk
from vinpaint_lib.holes.box import Box
from vinpaint_lib.inpaint import fill
from vinpaint_lib.interface import Inpainter, Output, Step
from vinpaint_lib.systems.baselines import Telea
from vinpaint_lib.toy.clip import Shot, toy_clip
from vinpaint_lib.video.clip import Clip, open_clip, write_video

UHD = (2160, 3840)


class Half(Inpainter):
    """Fills every hole with 0.5 and remembers the sizes of what it saw."""

    multiple = 8

    def __init__(self) -> None:
        super().__init__()
        self.sizes = set()

    def plan(self, length):
        return (Step((t,), ()) for t in range(length))

    def forward(self, window, step, state):
        still = window.at(0)
        self.sizes.add(tuple(still.frame.shape[-2:]))
        return Output(torch.full((1, *still.frame.shape), 0.5), {})


def a_clip(length=4, size=(60, 90), seed=0):
    frames = torch.rand(length, 3, *size, generator=torch.Generator().manual_seed(seed))
    masks = torch.zeros(length, 1, *size)
    for t in range(length):
        masks[t, :, 20 + t : 28 + t, 40 - t : 50 - t] = 1
    return Clip(frames, masks, Fraction(24), "made")


def test_the_holes_of_a_clip_are_found_frame_by_frame_and_together():
    clip = a_clip()
    clip.masks[2] = 0
    holes = find_holes(clip)
    assert holes.boxes == (Box(20, 28, 40, 50), Box(21, 29, 39, 49), None, Box(23, 31, 37, 47))
    assert holes.around_all == Box(20, 31, 37, 50)
    assert Holes((None, None)).around_all is None


@pytest.mark.parametrize("form", ["video", "one picture", "folder", "none"])
def test_the_holes_of_a_stream_are_those_of_its_masks(form, tmp_path):
    clip = a_clip(size=(48, 64))
    video = write_video(tmp_path / "clip.mp4", iter(clip.frames), Fraction(24))
    pictures = [Image.fromarray((mask[0].numpy() * 255).astype(np.uint8)) for mask in clip.masks]
    path = tmp_path / "masks"
    if form == "video":
        path = write_video(tmp_path / "masks.mp4", (mask.expand(3, -1, -1) for mask in clip.masks), Fraction(24))
    elif form == "folder":
        path.mkdir()
        for n, picture in enumerate(pictures):
            picture.save(path / f"{n}.png")
    elif form == "one picture":
        path = tmp_path / "mask.png"
        pictures[0].save(path)
    stream = open_clip(video, None if form == "none" else path)
    holes = find_holes(stream)
    assert holes == find_holes(stream.load())
    assert len(holes.boxes) == 4
    assert (holes.around_all is None) == (form == "none")


@pytest.mark.parametrize("margin, max_side", [("8", None), ("16", None), ("all", 48), ("16", 24), ("9", 16)])
def test_known_pixels_stay_whatever_is_worked_on(margin, max_side):
    clip, model = a_clip(), Half()
    part = choose_part(clip.size, find_holes(clip).around_all, model.multiple, margin, max_side)
    parts = Parts(clip, part)
    filled = torch.stack(list(parts.whole(fill(model, parts))))
    hole = clip.masks.bool().expand(-1, 3, -1, -1)
    assert torch.equal(filled[~hole], clip.frames[~hole])
    # The mean of the known pixels beside a hole runs a little into an enlarged hole; noise is the worst case.
    assert (filled[hole] - 0.5).abs().mean() < (0.2 if max_side else 1e-6)
    (seen,) = model.sizes
    assert max_side is None or max(seen) <= max_side
    assert all(side % 8 == 0 for side in seen)


def test_frames_in_a_box_are_filled_as_in_the_whole_frame_by_a_model_that_looks_no_farther():
    clip = toy_clip("coffee", Shot(length=2, size=(96, 144))).clip
    clip.masks[:, :, 40:52, 60:80] = 1
    part = choose_part(clip.size, find_holes(clip).around_all, 1, "12")
    parts = Parts(clip, part)
    boxed = list(parts.whole(fill(Telea(), parts)))
    assert part.box.size == (36, 44)
    for whole, other in zip(fill(Telea(), clip), boxed, strict=True):
        assert torch.equal(whole, other)


def test_a_smaller_picture_shows_known_pixels_only():
    """Oracle: a slow loop over the pixels that each smaller pixel covers."""
    clip = a_clip()
    frame, mask = clip.frames[0] * (1 - clip.masks[0]) + 9 * clip.masks[0], clip.masks[0]
    part = Part(Box(8, 40, 24, 64), (16, 20))
    small, hole = part.of(frame, mask)
    for y in range(16):
        for x in range(20):
            cut = (slice(8 + 2 * y, 10 + 2 * y), slice(24 + 2 * x, 26 + 2 * x))
            known = mask[0][cut] == 0
            assert hole[0, y, x] == float(known.sum() <= 2)
            if known.any():
                assert torch.allclose(small[:, y, x], frame[:, *cut][:, known].mean(dim=1), atol=1e-5)
    assert small.max() <= 1


def test_an_enlarged_hole_takes_a_slope_as_it_was():
    """A plane of grey made smaller and enlarged again is the plane, to 1 of 255 levels away from the frame's sides."""
    plane = (torch.linspace(0.2, 0.6, 90) + torch.linspace(0, 0.3, 60)[:, None]).expand(3, -1, -1).contiguous()
    mask = torch.zeros(1, 60, 90)
    mask[:, 20:40, 30:60] = 1
    part = Part(Box(0, 60, 0, 90), (24, 32))
    small, _ = part.of(plane, torch.zeros_like(mask))
    assert torch.allclose(part.put_back(small, plane * (1 - mask), mask), plane, atol=1 / 255)


def test_small_frames_are_left_whole_and_large_ones_are_not():
    holes = Box(1000, 1100, 2000, 2200)
    assert choose_part((720, 1280), Box(10, 20, 10, 20), 8) is None
    assert LARGE == 720 * 1280
    assert choose_part(UHD, None, 8) is None
    assert choose_part(UHD, holes, 8, "all") is None
    part = choose_part(UHD, holes, 8)
    assert part.size == part.box.size
    assert part.box.top <= 1000 - 480
    assert part.box.bottom >= 1100 + 480
    assert part.box.left <= 2000 - 480
    assert part.box.right >= 2200 + 480
    assert part.box.size == (1064, 1160)
    assert choose_part((1000, 1000), Box(300, 400, 500, 600), 8).box.size == (360, 360)
    assert choose_part(UHD, Box(0, 2160, 0, 3840), 8) is None
    assert choose_part(UHD, Box(0, 2160, 0, 3840), 8, max_side=960) == Part(Box(0, 2160, 0, 3840), (544, 960))


@pytest.mark.parametrize("multiple", [1, 4, 8, 48])
@pytest.mark.parametrize("holes", [Box(0, 5, 0, 7), Box(100, 108, 60, 77), Box(400, 480, 700, 853), Box(0, 480, 3, 9)])
def test_a_grown_box_holds_its_margin_lies_inside_and_divides(multiple, holes):
    size = (480, 854)
    box = grown(holes, 32, multiple, size)
    whole = (box.top, box.left) >= (0, 0) and box.bottom <= size[0] and box.right <= size[1]
    assert whole
    for low, high, inner_low, inner_high, most in (
        (box.top, box.bottom, holes.top, holes.bottom, 480),
        (box.left, box.right, holes.left, holes.right, 854),
    ):
        assert low <= max(0, inner_low - 32)
        assert high >= min(most, inner_high + 32)
        assert (high - low) % multiple == 0 or (low, high) == (0, most)


@pytest.mark.parametrize("multiple", [1, 8, 48])
@pytest.mark.parametrize("most", [96, 100, 333])
def test_a_shrunk_size_keeps_its_proportion(multiple, most):
    height, width = shrunk((2160, 3840), most, multiple)
    assert max(height, width) <= most
    assert height % multiple == width % multiple == 0
    assert abs(height - width * 2160 / 3840) <= multiple / 2
    assert shrunk((50, 60), most, multiple) == (50, 60)


@pytest.mark.parametrize("margin", ["-3", "0", "7", "wide", "1.5", ""])
def test_other_margins_are_refused(margin):
    with pytest.raises(UserError, match="--margin"):
        choose_part((60, 90), Box(1, 2, 1, 2), 8, margin)


def test_a_side_below_what_a_model_can_take_is_refused():
    with pytest.raises(UserError, match=r"--max-side 40.*give 48 or more"):
        choose_part((60, 90), Box(1, 2, 1, 2), 48, max_side=40)
