"""Passes over whole files before the work can be watched: what is read, how much of it, and that nothing is lost."""

import pytest
import torch

from tests.filling.made_clips import mask, pictures, video
from vinpaint_lib.filling.part import find_holes
from vinpaint_lib.video.clip import open_clip


class Watching:
    """Counts what passes."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, int, int]] = []

    def __call__(self, frames, what, total, /):
        count = 0
        try:
            for frame in frames:
                yield frame
                count += 1
        finally:
            self.seen.append((what, count, total))


def masks(folder, length):
    folder.mkdir()
    for index in range(length):
        mask(folder / f"f{index}.png")
    return folder


@pytest.mark.parametrize("limit", [None, 2])
def test_the_frames_of_a_video_and_all_masks_are_watched(tmp_path, limit):
    clip, holes, watch = video(tmp_path / "in.mkv"), masks(tmp_path / "holes", 4), Watching()
    opened = open_clip(clip, holes, limit=limit, watch=watch)
    number = limit or 4
    # the pass over a limited video ends within its last frame
    assert watch.seen == [("reading in.mkv", number - (limit is not None), number), ("reading holes", number, number)]
    quiet = open_clip(clip, holes, limit=limit)
    for watched, plain in zip(opened, quiet, strict=True):
        assert all(torch.equal(one, other) for one, other in zip(watched, plain, strict=True))
    assert find_holes(opened, watch) == find_holes(quiet)
    assert watch.seen[2] == ("finding holes in holes", number, number)


def test_pictures_are_not_read_before_the_work_and_one_mask_is_read_once(tmp_path):
    watch = Watching()
    opened = open_clip(pictures(tmp_path / "in"), mask(tmp_path / "hole.png"), watch=watch)
    assert watch.seen == [("reading hole.png", 1, 1)]
    find_holes(opened, watch)
    assert len(watch.seen) == 1
