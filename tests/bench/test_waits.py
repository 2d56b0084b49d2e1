"""How often a step waits for the device: at most once, and once more with a critic; for every system."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from vinpaint_lib import train
from vinpaint_lib.bench.waits import Waits
from vinpaint_lib.losses.critics import TemporalPatchDiscriminator
from vinpaint_lib.systems import registry
from vinpaint_lib.systems.align_attend import attention
from vinpaint_lib.systems.sttn.recipe import STTNTask
from vinpaint_lib.training.devices import accelerator_on
from vinpaint_lib.training.loop import Run, Trainer

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("call", "count"),
    [
        (lambda x: x.sum() * 2, 0),
        (lambda x: x[0], 0),
        (lambda x: x[torch.tensor([0, 1])], 0),
        (lambda x: torch.where(x > 0, x, 0), 0),
        (lambda x: x.sum().item(), 1),
        (lambda x: x.tolist(), 1),
        (lambda x: float(x[0]), 1),
        (lambda x: 1 if x[0] > 0 else 2, 1),
        (lambda x: x[x > 0], 1),
        (lambda x: x.cpu().numpy(), 2),
        (lambda x: x.nonzero(), 1),
        (lambda x: torch.tensor([1.0]), 0),
        (lambda x: torch.tensor([1.0], device=x.device), 1),
        (lambda x: x.new_tensor([1.0]), 1),
        (lambda x: torch.linalg.solve(torch.eye(3), x), 1),
        (lambda x: torch.linalg.solve_ex(torch.eye(3), x), 0),
        (lambda x: torch.linalg.inv(torch.diag(x)), 1),
    ],
)
def test_what_makes_a_caller_wait_is_counted(call, count):
    with Waits() as waits:
        call(torch.ones(3))
    assert waits.total == count, waits.counts


def trainer_of(name: str, tmp_path, **changes) -> Trainer:
    preset = replace(registry.presets(name)["tiny"], **changes)
    settings = Run(name, "tiny", preset, "toy", (), 0, 1)
    task = registry.make_task(name, preset)
    return Trainer(settings, task, train.make_pools(task, settings, tmp_path), accelerator_on("cpu"), out=tmp_path)


@pytest.mark.parametrize("name", sorted(registry.SYSTEMS))
def test_a_step_waits_once(name, tmp_path, monkeypatch):
    """All steps of the preset tiny, so every stage. The samples are drawn before, as loaders do."""
    monkeypatch.setattr(attention, "CHOOSING", ())  # the form that other devices than the CPU take
    trainer = trainer_of(name, tmp_path)
    for batch in trainer.feed.batches(0, trainer.preset.steps):
        with Waits() as waits:
            trainer.one_step(batch)
        trainer.step += 1
        assert waits.total == 1, (trainer.step, waits.counts)


@pytest.mark.parametrize("name", sorted(registry.SYSTEMS))
def test_a_step_of_the_networks_that_ship_waits_once(name, tmp_path, monkeypatch):
    """The networks, stages and losses of the preset laptop, in the small pictures of tiny: they have parts that tiny
    has not, such as VINet's robust fit of the camera."""
    monkeypatch.setattr(attention, "CHOOSING", ())
    tiny, laptop = (registry.presets(name)[preset] for preset in ("tiny", "laptop"))
    spec, count = tiny.spec, getattr(laptop.spec, "count", None)
    if count is not None:
        spec = replace(spec, count=count, length=max(spec.length, count))
    changes = {"config": laptop.config, "weights": laptop.weights, "spec": spec}
    if stages := getattr(laptop, "stages", ()):
        changes["stages"] = (replace(stages[-1], until=tiny.steps),)
    trainer = trainer_of(name, tmp_path, **changes)
    batch = next(trainer.feed.batches(0, 1))
    with Waits() as waits:
        trainer.one_step(batch)
    assert waits.total == 1, waits.counts


def test_a_step_with_a_critic_waits_twice(tmp_path, monkeypatch):
    monkeypatch.setattr(STTNTask, "make_critic", lambda task: TemporalPatchDiscriminator(width=2))
    trainer = trainer_of("sttn", tmp_path, weights={"L_hole": 1.0, "L_adv": 0.1})
    batch = next(trainer.feed.batches(0, 1))
    with Waits() as waits:
        terms = trainer.one_step(batch)
    assert waits.total == 2, waits.counts
    assert np.isfinite([terms["L_D"], terms["L_adv"], terms["loss"]]).all()


def test_the_running_average_is_taken_without_a_wait(tmp_path):
    """As a plain loop over all weights, tolerance 1e-6."""
    trainer = trainer_of("sttn", tmp_path)
    before = {name: value.clone() for name, value in trainer.average.items()}
    trainer.step = 3
    for parameter in trainer.plain.parameters():
        parameter.data.add_(0.1)
    with Waits() as waits:
        trainer.update_average()
    assert waits.total == 0
    decay = min(trainer.preset.average, 4 / 13)
    for name, value in trainer.plain.state_dict().items():
        expected = decay * before[name] + (1 - decay) * value.float()
        torch.testing.assert_close(trainer.average[name], expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", ["sttn", "vinet"])
def test_channels_last_changes_the_order_in_memory_and_no_value(name, tmp_path, monkeypatch):
    """The first step's losses agree with those of weights in the usual order; tolerance 1e-5."""
    first = []
    for last in (True, False):
        monkeypatch.setattr(registry.SYSTEMS[name].task, "channels_last", last)
        trainer = trainer_of(name, tmp_path)
        kernels = [
            m.weight for m in trainer.plain.modules() if isinstance(m, torch.nn.Conv2d) and m.kernel_size != (1, 1)
        ]
        order = [k.is_contiguous(memory_format=torch.channels_last) for k in kernels if k.shape[1] > 1]
        assert order
        assert all(order) if last else not any(order)
        first.append(trainer.one_step(next(trainer.feed.batches(0, 1))))
    assert first[0] == pytest.approx(first[1], abs=1e-5, rel=1e-5)
