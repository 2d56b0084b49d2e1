"""What README shows: the Python example runs as it is printed, and every path that is named exists."""

import re
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from vinpaint_lib.toy import Shot, toy_clip
from vinpaint_lib.video import read_clip, write_video

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_python_example_runs_as_printed(tmp_path, monkeypatch, capsys):
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len([line for line in example.splitlines() if line]) <= 10
    assert "size=(240, 432)" in example
    frames = toy_clip("coffee", Shot(length=3, size=(48, 64))).clip.frames
    monkeypatch.chdir(tmp_path)
    write_video("clip.mp4", frames, Fraction(24))
    hole = np.zeros((48, 64), np.uint8)
    hole[16:32, 20:40] = 255
    cv2.imwrite("hole.png", hole)
    exec(compile(example.replace("size=(240, 432)", "size=(48, 64)"), "README.md", "exec"), {})
    assert float(re.fullmatch(r"(\d+\.\d\d) dB in the hole\n", capsys.readouterr().out)[1]) > 5
    assert len(read_clip("filled.mp4")) == 3


def test_every_path_that_is_linked_exists():
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", README)
    assert len(links) > 10
    for link in links:
        assert (ROOT / link).exists(), link
