"""Memory that is given back, and memory that a clip takes, however long it is."""

import numpy as np
import pytest
import torch

from vinpaint_lib import process_memory
from vinpaint_lib.inpaint import fill
from vinpaint_lib.interface import Inpainter, Output, Step
from vinpaint_lib.process_memory import give_back, resident
from vinpaint_lib.systems.baselines import FlowPropagation

HEIGHT, WIDTH = 96, 128
glibc = pytest.mark.skipif(process_memory.trimmer() is None, reason="the C library gives nothing back when asked")


class Moving:
    """A texture that moves under a hole that stays; frames are made when they are asked for."""

    def __init__(self, length: int) -> None:
        self.length = length
        self.wide = torch.from_numpy(np.random.default_rng(0).random((3, HEIGHT, 2 * WIDTH), dtype=np.float32))
        self.hole = torch.zeros(1, HEIGHT, WIDTH)
        self.hole[:, 40:56, 50:70] = 1

    def __len__(self) -> int:
        return self.length

    def __iter__(self):
        for t in range(self.length):
            left = t % WIDTH
            yield self.wide[:, :, left : left + WIDTH].clone(), self.hole.clone()


def small_blocks(mebibytes: int) -> list[np.ndarray]:
    """Blocks that the C library takes from its heap, where one block in use keeps all that lie below it."""
    return [np.ones(64 << 10, np.uint8) for _ in range(mebibytes << 4)]


@glibc
def test_what_was_freed_goes_back_to_the_system():
    blocks = small_blocks(64)
    last = blocks.pop()
    high = resident()
    del blocks
    give_back()
    assert resident() < high - 48
    assert last.all()


def test_where_nothing_can_be_given_back_nothing_happens(monkeypatch):
    monkeypatch.setattr(process_memory, "trimmer", lambda: None)
    give_back()


def test_the_memory_in_use_where_there_is_no_status_file(monkeypatch, tmp_path):
    monkeypatch.setattr(process_memory, "STATUS", tmp_path / "none")
    assert resident() == process_memory.peak()


def test_a_status_file_without_the_peak(monkeypatch, tmp_path):
    """As in some sandboxes, whose kernels report less."""
    monkeypatch.setattr(process_memory, "STATUS", tmp_path / "status")
    (tmp_path / "status").write_text("Name:\tpython\nVmRSS:\t  2048 kB\n")
    assert resident() == 2
    assert process_memory.peak() > 2  # as getrusage counts


class Wasteful(Inpainter):
    """Its first step takes 64 MiB and frees them, but for the last block."""

    def plan(self, length):
        return (Step((t,), ()) for t in range(length))

    def forward(self, window, step, state):
        if "pin" not in state:
            blocks = small_blocks(64)
            state["pin"], state["high"] = blocks.pop(), resident()
            del blocks
        self.state = state
        return Output(torch.zeros(1, 3, HEIGHT, WIDTH), {})


@glibc
def test_the_loop_gives_back_what_a_step_has_freed():
    model = Wasteful()
    for _ in fill(model, Moving(20)):
        pass
    assert resident() < model.state["high"] - 48


@glibc
def test_without_it_a_loop_would_keep_what_a_step_has_freed(monkeypatch):
    """The tests above show something: a single block in use keeps the others."""
    monkeypatch.setattr("vinpaint_lib.inpaint.give_back", lambda: None)
    model = Wasteful()
    for _ in fill(model, Moving(20)):
        pass
    assert resident() > model.state["high"] - 16


@pytest.mark.slow
@glibc
@pytest.mark.parametrize("leak", [False, True])
def test_a_long_clip_takes_no_more_memory_than_a_short_one(leak):
    """From frame 40 on, 200 further frames add less than 12 MiB. Kept frames alone would be 37 MiB."""
    marks, kept = [], []
    model = FlowPropagation(reach=3)
    for index, frame in enumerate(fill(model, Moving(240), on_step=lambda step, output: None)):
        if leak:
            kept.append(torch.cat([frame, frame[:1]]).clone())
        if index in (40, 239):
            give_back()
            marks.append(resident())
    assert (marks[1] - marks[0] < 12) != leak


def test_what_is_available_is_what_the_machine_has_left_or_a_container_allows(monkeypatch, tmp_path):
    monkeypatch.setattr(process_memory, "CONTAINER", tmp_path)
    most = process_memory.psutil.virtual_memory().total / 2**20
    assert 0 < process_memory.available() <= most
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.stat").write_text(f"file {2**30}\nanon {100 * 2**20}\n")
    assert 0 < process_memory.available() <= most
    (tmp_path / "memory.max").write_text(f"{101 * 2**20}\n")
    assert process_memory.available() == 1
    (tmp_path / "memory.max").write_text(f"{99 * 2**20}\n")
    assert process_memory.available() == 0
