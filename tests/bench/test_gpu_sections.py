"""The sections of `make gpu` on a CPU: what they compare and measure, and the training that can be resumed."""

import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from vinpaint_lib.bench.gpu import frames, parity, speed, steps, trainers, training
from vinpaint_lib.bench.gpu.budget import Budget
from vinpaint_lib.bench.gpu.setting import LeftOut, Setting
from vinpaint_lib.systems import registry

pytestmark = pytest.mark.slow


@pytest.fixture
def setting(tmp_path, monkeypatch) -> Setting:
    """A quick run of ten minutes on the CPU, with samples of its own."""
    monkeypatch.setenv("VINPAINT_CACHE", str(tmp_path / "samples"))
    return Setting(torch.device("cpu"), True, Budget(10.0), tmp_path)


def test_differences_are_those_in_the_hole():
    here, masks = torch.zeros(1, 3, 2, 2), torch.zeros(1, 1, 2, 2)
    masks[..., 0, :] = 1
    there = here.clone()
    there[0, 0, 0, 0], there[0, 0, 1, 1] = 3 / 255, 1.0
    found = list(parity.differences(here, there, masks).values())
    assert found == pytest.approx([3.0, 3 / 6, 1 / 6], rel=1e-5)
    with pytest.raises(ValueError, match="not finite"):
        parity.differences(here, there / 0, masks)


def test_a_resumed_run_that_differs_is_a_failure(monkeypatch, setting):
    preset = trainers.shortened(registry.presets("sttn")["tiny"], 1, precision="float32")
    found = steps.two_steps("sttn", preset, setting)
    assert found["waits"] == 1
    assert found["weights differ, as a share of their change"] == 0
    real = steps.Trainer.load

    def forgetful(self, path):
        real(self, path)
        for parameter in self.plain.parameters():
            parameter.data.mul_(1.01)

    monkeypatch.setattr(steps.Trainer, "load", forgetful)
    with pytest.raises(ValueError, match="the resumed run has"):
        steps.two_steps("sttn", preset, setting)


@pytest.mark.parametrize("name", registry.SYSTEMS)
def test_the_network_of_the_gpu_preset_fits_the_small_pictures(name):
    """Counted, not run: the paper's networks take minutes on a CPU."""
    preset = trainers.network_of(name)
    assert preset.config == registry.presets(name)["gpu"].config
    batch = trainers.grey_batch(registry.make_task(name, preset), torch.device("cpu"))
    assert batch["truth"].shape[-2:] == batch["mask"].shape[-2:] == (preset.spec.crop, preset.spec.crop)
    assert set(batch["mask"].unique().tolist()) == {0.0, 1.0}


def test_steps_are_timed_fed_and_unfed(monkeypatch, setting):
    monkeypatch.setattr(speed, "usual_workers", lambda device: 1)
    alone = speed.feed_alone("sttn", "tiny", setting)
    assert alone["samples a second"] > 0
    assert "seconds for 2 blocks" in alone
    found = speed.fed("sttn", "tiny", setting)
    assert found["steps a second"] > 0
    assert 0 < found["share waited for samples"] < 1
    assert speed.unfed("sttn", "tiny", setting)["steps"] >= 1


def test_the_training_goes_on_where_it_stopped(monkeypatch, setting):
    """Each run looks at the clock once before its first step and after each step; the last look ends it."""
    ran = []
    for looks, resume in ((3, False), (4, True), (2, False)):
        seen = iter([False] * looks + [True] * 9)
        monkeypatch.setattr("vinpaint_lib.training.loop.passed", lambda deadline, seen=seen: next(seen))
        (cell,) = training.cells(replace(setting, resume=resume, model="sttn"))
        ran.append(cell.measure())
    assert [(found["steps"], found["step"]) for found in ran] == [(3, 3), (4, 7), (2, 2)]
    assert Path(ran[-1]["weights"]).exists()


def test_a_training_without_time_is_left_out(setting):
    (cell,) = training.cells(replace(setting, budget=Budget(10.0, begun=time.monotonic() - 600)))
    with pytest.raises(LeftOut):
        cell.measure()


def test_the_share_of_the_network_is_that_of_its_parts(monkeypatch, setting):
    rows = {
        "seconds per frame": 2.0,
        "alignment": 0.3,
        "encoder": 0.2,
        "groups 1/8": 0.25,
        "decoder": 0.1,
        "rest": 0.15,
    }
    monkeypatch.setattr(frames.report, "inference", lambda size, length, device: rows)
    found = frames.split((48, 64), setting)
    assert found["share of the network"] == pytest.approx(0.55)
