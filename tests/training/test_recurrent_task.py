"""What a recurrent system adds to the loop: stages, targets in a row, motion between them."""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest
import torch
from torch import nn

from vinpaint_lib import train
from vinpaint_lib.datasets.parse import parse_source
from vinpaint_lib.errors import UserError
from vinpaint_lib.interface import Inpainter
from vinpaint_lib.systems import registry
from vinpaint_lib.systems.entry import System
from vinpaint_lib.systems.frames import consecutive_frames
from vinpaint_lib.training import clip_tasks
from vinpaint_lib.training.clip_samples import ClipSpec
from vinpaint_lib.training.clip_tasks import RecurrentTask
from vinpaint_lib.training.loop import LOG, STATE
from vinpaint_lib.training.pools import opened
from vinpaint_lib.training.schedule import Schedule, Stage, stage_at
from vinpaint_lib.training.task import Losses

STAGES = (Stage(2, 1, 1, {"L": 1.0}, "one"), Stage(4, 3, 2, {"L": 2.0, "L_adv": 0.5}, "three"))


@dataclass(frozen=True)
class Config:
    pass


@dataclass(frozen=True)
class Preset(Schedule):
    stages: tuple[Stage, ...] = STAGES
    spec: ClipSpec = field(
        default_factory=lambda: ClipSpec(
            crop=48, height=(64, 64), length=8, crops=1, hole=(0.05, 0.15), count=6, frames="consecutive"
        )
    )


PRESET = Preset("tiny", steps=4, warmup=1, precision="float32", blocks=2, validate=2, checkpoint=2)


class Net(nn.Module):
    """Paints every hole with one colour, which it learns."""

    def __init__(self) -> None:
        super().__init__()
        self.colour = nn.Parameter(torch.full((3, 1, 1), 0.5))

    def forward(self, frames):
        return self.colour.expand(frames.shape)


class Model(Inpainter):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config, self.net = config, Net()


class PainterTask(RecurrentTask):
    rules = {"consecutive": consecutive_frames}  # noqa: RUF012 - a constant

    def target_places(self, stage):
        return tuple(range(2, 2 + stage.targets))

    def losses(self, model, batch, weights, choice):
        SEEN.append((choice.name, {name: tuple(x.shape) for name, x in batch.items()}))
        truth, mask = (self.targets_of(batch[name], choice) for name in ("truth", "mask"))
        output = model(truth)
        completed = mask * output + (1 - mask) * truth
        return Losses({"L": (mask * (output - truth)).abs().mean()}, completed)

    def make_critic(self):
        return nn.Sequential(nn.Flatten(), nn.Linear(3 * 3 * 48 * 48, 1))

    def judge(self, critic, truth, completed):
        return critic(completed).mean() - critic(truth).mean() + 2


SEEN: list = []


@pytest.fixture
def system(monkeypatch):
    found = System("sketch", Model, {"tiny": Config()}, {"tiny": PRESET}, PainterTask)
    monkeypatch.setitem(registry.KNOWN, "sketch", found)
    SEEN.clear()
    return found


def test_the_stage_of_a_step():
    assert [stage_at(STAGES, step).name for step in (0, 1, 2, 3, 4, 100)] == ["one"] * 2 + ["three"] * 4


def test_a_run_goes_through_its_stages_and_ends_bit_identical_when_resumed(system, tmp_path, monkeypatch):
    monkeypatch.setenv("VINPAINT_CACHE", str(tmp_path / "cache"))
    options = {"device": "cpu", "workers": 0, "held_back": ("coffee",)}
    train.train(train.Training("sketch", "tiny", tmp_path / "a", **options))
    steps = [name for name, shapes in SEEN if shapes["truth"][0] == PRESET.batch]
    assert steps == ["one", "one", "three", "three"]
    train.train(train.Training("sketch", "tiny", tmp_path / "b", stop_after=3, **options))
    train.train(train.Training("sketch", "tiny", tmp_path / "b", **options))
    a, b = (torch.load(tmp_path / x / STATE, weights_only=True) for x in "ab")
    assert torch.equal(a["model"]["net.colour"], b["model"]["net.colour"])
    assert not torch.equal(a["model"]["net.colour"], torch.full((3, 1, 1), 0.5))
    log = (tmp_path / "a" / LOG).read_text().splitlines()
    assert ['"L_D"' in line for line in log] == [False, False, True, True]
    assert "held-back PSNR of Telea" in log[-1]


def test_a_batch_holds_the_motion_of_its_targets(system, tmp_path):
    task = registry.make_task("sketch", PRESET)
    pool = task.pool(parse_source("toy", training=True), tmp_path, 0)
    rng = np.random.default_rng(0)
    shapes = {}
    for stage in STAGES:
        batch = opened(task.sample(pool, rng, stage, 2))
        shapes[stage.name] = tuple(tuple(batch[name].shape) for name in ("flow", "first_flow"))
        assert task.truth_of(batch, stage).shape == (1, stage.targets, 3, 48, 48)
    assert shapes == {
        "one": ((1, 0, 2, 48, 48), (1, 0, 2, 48, 48)),
        "three": ((1, 2, 2, 48, 48), (1, 1, 2, 48, 48)),
    }


def test_motion_points_back(system):
    """Frame k is frame 0 moved by 2 k pixels to the right and k down: the way back is (-2, -1) to the one before."""
    rng = np.random.default_rng(0)
    large = torch.nn.functional.interpolate(torch.from_numpy(rng.random((1, 3, 20, 20), np.float32)), scale_factor=6)
    blurred = torch.nn.functional.avg_pool2d(large, 5, 1)[0]
    frames = torch.stack([blurred[:, 20 - k : 84 - k, 20 - 2 * k : 84 - 2 * k] for k in range(4)])[None]
    motion = clip_tasks.motion_between(frames)
    inner = (..., slice(16, -16), slice(16, -16))
    for k in range(3):
        found = motion["flow"][0, k][inner].flatten(1).median(1).values
        torch.testing.assert_close(found, torch.tensor([-2.0, -1.0]), atol=0.2, rtol=0)
    for k in range(2):
        found = motion["first_flow"][0, k][inner].flatten(1).median(1).values
        torch.testing.assert_close(found, torch.tensor([-2.0, -1.0]) * (k + 2), atol=0.3, rtol=0)


def test_no_critic_without_a_stage_that_asks(system):
    quiet = replace(PRESET, stages=(replace(STAGES[0], weights={"L": 1.0}),))
    assert registry.make_task("sketch", quiet).critic() is None
    assert registry.make_task("sketch", PRESET).critic() is not None


def test_a_task_may_choose_more_than_a_stage(system, monkeypatch):
    monkeypatch.setattr(PainterTask, "choose", lambda task, rng, step: Stage(9, name=f"drawn in {step}"))
    assert registry.make_task("sketch", PRESET).choose(np.random.default_rng(0), 7).name == "drawn in 7"


def test_a_rule_that_the_system_does_not_know_is_refused(system, tmp_path):
    other = replace(PRESET, spec=replace(PRESET.spec, frames="sttn"))
    with pytest.raises(UserError, match="frames 'sttn': is no rule; use consecutive"):
        registry.make_task("sketch", other).pool(parse_source("toy", training=True), tmp_path, 0)
