"""Readers of damaged files: they give a valid object or a UserError, never another exception, and they end.

The files are whole ones with an end that is missing, with other bytes at random places, or with another beginning. The
examples are the same in every run.
"""

import json
import os
import signal
import struct
import zipfile
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from einops import repeat
from hypothesis import HealthCheck, given, settings, strategies as st
from PIL import Image

from data_scripts.unpack import staging, unpack
from tests.faults.made import SIZE, hole, notebook, weights
from tests.faults.test_states import whole_state
from vinpaint_lib import checkpoints
from vinpaint_lib.datasets.sintel import read_flow
from vinpaint_lib.errors import UserError
from vinpaint_lib.lessons import declared
from vinpaint_lib.systems.registry import build
from vinpaint_lib.training import resume, run_log
from vinpaint_lib.video.mask_files.reader import open_masks
from vinpaint_lib.video.sources import VideoSource, open_source
from vinpaint_lib.video.writing import write_video

pytestmark = pytest.mark.slow

LONGEST = 60  # seconds that a reader may take on a busy machine
FIXED = settings(
    max_examples=int(os.environ.get("VINPAINT_FUZZ", "20")),
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
PLACES = st.floats(0, 1, exclude_max=True)
DAMAGES = st.one_of(
    st.tuples(st.just("cut"), PLACES),
    st.tuples(st.just("bytes"), st.lists(st.tuples(PLACES, st.binary(min_size=1, max_size=4)), min_size=1, max_size=6)),
    st.tuples(st.just("start"), st.binary(min_size=1, max_size=24)),
    st.tuples(st.just("insert"), PLACES, st.binary(min_size=1, max_size=16)),
)


def damaged(content: bytes, damage: tuple) -> bytes:
    """The content of a file with this damage."""
    if damage[0] == "cut":
        return content[: int(damage[1] * len(content))]
    if damage[0] == "start":
        return damage[1] + content[len(damage[1]) :]
    if damage[0] == "insert":
        at = int(damage[1] * len(content))
        return content[:at] + damage[2] + content[at:]
    changed = bytearray(content)
    for place, other in damage[1]:
        at = int(place * len(content))
        changed[at : at + len(other)] = other
    return bytes(changed)


def pictures(file: Path) -> None:
    source = open_source(file)
    source = source.checked() if isinstance(source, VideoSource) else source
    for picture in source.pictures():
        assert picture.dtype == np.uint8
        assert picture.shape[2] == 3


def masks(file: Path) -> None:
    reader = open_masks(file, length=3, size=SIZE)
    for mask in reader.masks():
        assert set(mask.unique().tolist()) <= {0.0, 1.0}


def released(file: Path) -> None:
    assert all(value.isfinite().all() for value in checkpoints.read_tensors(file, "netG").values())


def state(file: Path) -> None:
    found = checkpoints.load_state(file)
    resume.check_whole(file, found)
    resume.check_tensors(file, found, checkpoints.shapes_of(whole_state()["model"]))


def log(file: Path) -> None:
    run_log.cut_back(file.parent, 3)
    assert all(json.loads(line)["step"] <= 3 for line in file.read_text().splitlines())


def archive(file: Path) -> None:
    with staging(file.parent / "set") as folder:
        unpack(file, folder)


def film(path: Path) -> None:
    ramp = torch.linspace(0, 0.3, SIZE[1])
    write_video(path, iter(repeat(ramp, "w -> t 3 h w", t=4, h=SIZE[0])), Fraction(24))


def flow(path: Path) -> None:
    path.write_bytes(struct.pack("<fii", 202021.25, SIZE[1], SIZE[0]) + bytes(8 * SIZE[0] * SIZE[1]))


def lines(path: Path) -> None:
    path.write_text("".join(json.dumps({"step": step, "loss": 0.5}) + "\n" for step in range(1, 6)))


def packed(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for number in range(3):
            file.writestr(f"a/{number}.jpg", bytes(range(100)))


def animated(path: Path) -> None:
    several = [Image.fromarray(np.full((*SIZE, 3), value, np.uint8)) for value in (10, 200, 90)]
    several[0].save(path, save_all=True, append_images=several[1:], duration=40)


READERS: dict[str, tuple[Callable[[Path], object], Callable[[Path], object]]] = {
    "film.mp4": (film, pictures),
    "film.gif": (animated, pictures),
    "picture.png": (lambda path: Image.fromarray(np.random.default_rng(0).integers(0, 255, (*SIZE, 3), np.uint8)).save(path), pictures),
    "mask.png": (lambda path: Image.fromarray(hole()).save(path), masks),
    "mask.npy": (lambda path: np.save(path, hole()), masks),
    "mask.npz": (lambda path: np.savez_compressed(path, mask=hole()), masks),
    "nb.ipynb": (lambda path: notebook(path, "steps: int = 3", "print(steps)"), declared.parameters_of),
    "sttn.safetensors": (lambda path: weights(path, "sttn"), lambda path: build("sttn", path)),
    "sttn.pth": (lambda path: torch.save({"netG": {"a": torch.ones(40)}}, path), released),
    "state.pt": (lambda path: torch.save(whole_state(), path), state),
    "log.jsonl": (lines, log),
    "a.flo": (flow, lambda path: read_flow(path, SIZE)),
    "set.zip": (packed, archive),
}  # fmt: skip


def too_long(number: int, frame: object) -> None:
    raise AssertionError(f"a reader takes more than {LONGEST} seconds")


@pytest.mark.parametrize("name", READERS)
def test_reader(name, tmp_path, record_property):
    make, read = READERS[name]
    make(tmp_path / name)
    read(tmp_path / name)
    content = (tmp_path / name).read_bytes()
    refused = 0

    @FIXED
    @given(DAMAGES)
    def reads(damage):
        nonlocal refused
        (tmp_path / name).write_bytes(damaged(content, damage))
        before = signal.signal(signal.SIGALRM, too_long)
        signal.alarm(LONGEST)
        try:
            read(tmp_path / name)
        except UserError:
            refused += 1
        finally:
            signal.alarm(0)
            signal.signal(signal.SIGALRM, before)

    reads()
    assert refused or name == "log.jsonl"  # of a log, what is damaged is left out
    record_property("fault", "fuzzed reader")
