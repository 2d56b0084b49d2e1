"""Kept frames and film strips: what is written is read again, with its frame numbers."""

import io

import pytest
import torch
from PIL import Image

from vinpaint_lib.comparison import pictures
from vinpaint_lib.comparison.cells import Group
from vinpaint_lib.errors import UserError
from vinpaint_lib.video.clip import Clip

GROUP = Group("d", "a/b clip", 3, "fvi:x/y", "clean", (24, 40), None, 0)


def test_kept_frames_are_read_again_with_their_numbers(tmp_path):
    frames, masks = torch.rand(9, 3, 24, 40), torch.zeros(9, 1, 24, 40)
    masks[:, :, 8:16, 12:28] = 1
    clip = Clip(frames, masks, name="a")
    filled = torch.rand(9, 3, 24, 40)
    pictures.keep(tmp_path, GROUP, clip, "flat", filled)
    (folder,) = tmp_path.iterdir()
    assert folder == pictures.folder_of(tmp_path, GROUP)
    assert {path.name for path in folder.iterdir()} == {"input.png", "truth.png", "flat.png"}
    read, numbers = pictures.read(folder / "flat.png")
    assert numbers == [0, 2, 4, 6, 8]
    assert torch.allclose(read, filled[numbers], atol=0.5 / 255 + 1e-6)  # eight bits
    assert torch.allclose(pictures.read(folder / "truth.png")[0], frames[numbers], atol=0.5 / 255 + 1e-6)
    shown = pictures.read(folder / "input.png")[0]
    assert not torch.allclose(shown, frames[numbers], atol=0.1), "the hole hides what is behind it"
    assert pictures.strip(folder, tmp_path / "strip.png").read_bytes().startswith(b"\x89PNG")


def test_other_pictures_are_refused(tmp_path):
    with pytest.raises(UserError, match="holds no frames of a comparison"):
        pictures.strip(tmp_path, tmp_path / "a.png")
    (tmp_path / "plain.png").write_bytes(png())
    with pytest.raises(UserError, match="was not written by"):
        pictures.read(tmp_path / "plain.png")


def png() -> bytes:
    held = io.BytesIO()
    Image.new("RGB", (8, 8)).save(held, "PNG")
    return held.getvalue()
