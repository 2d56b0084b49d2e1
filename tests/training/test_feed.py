"""Batches made ahead: the same for any number of loaders, only from blocks that are there, and small on their way."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from vinpaint_lib import checkpoints, train
from vinpaint_lib.datasets.parse import parse_source
from vinpaint_lib.errors import UserError
from vinpaint_lib.systems import registry
from vinpaint_lib.training import pools
from vinpaint_lib.training.feed import Feed, StepSamples, blocks_at, choice_of
from vinpaint_lib.training.loop import STATE
from vinpaint_lib.training.pools import opened

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("blocks")


def samples_of(name: str, folder, slots: range | None = None, **changes) -> StepSamples:
    task = registry.make_task(name, replace(registry.presets(name)["tiny"], **changes))
    pool = task.pool(parse_source("toy", training=True), folder, 0)
    return StepSamples(task, pool, 0, range(task.preset.batch) if slots is None else slots)


@pytest.mark.parametrize("name", sorted(registry.SYSTEMS))
def test_loaders_change_no_number(name, cache):
    """Six steps, so all stages of the preset: every batch is the one that the training would draw by itself, bit for
    bit, with 0, 1 and 3 loaders."""
    samples = samples_of(name, cache)
    alone = [opened(samples[step]) for step in range(6)]
    for workers in (0, 1, 3):
        fed = list(Feed(samples, CPU, workers).batches(0, 6))
        assert [sorted(batch) for batch in fed] == [sorted(batch) for batch in alone]
        for one, two in zip(alone, fed, strict=True):
            assert all(torch.equal(one[key], two[key]) for key in one)


def test_weights_are_the_same_with_and_without_loaders(tmp_path, monkeypatch):
    states = []
    for workers in (0, 3):
        monkeypatch.setenv("VINPAINT_CACHE", str(tmp_path / f"cache{workers}"))  # so the makers are tried too
        out = tmp_path / str(workers)
        train.train(train.Training("vinet", "tiny", out, device="cpu", workers=workers))
        states.append(checkpoints.load_state(out / STATE)["model"])
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_a_step_goes_on_from_the_middle(cache):
    samples = samples_of("sttn", cache)
    batch = next(Feed(samples, CPU, 0).batches(4, 6))
    assert torch.equal(batch["truth"], opened(samples[4])["truth"])
    assert not torch.equal(batch["truth"], opened(samples[3])["truth"])


def test_processes_share_the_slots_of_one_batch(cache):
    whole = opened(samples_of("sttn", cache)[2])
    parts = [opened(samples_of("sttn", cache, slots=range(2)[rank::2])[2]) for rank in (0, 1)]
    assert torch.equal(torch.cat([part["truth"] for part in parts]), whole["truth"])


def test_pictures_travel_as_bytes(cache):
    for name in registry.SYSTEMS:
        packed = samples_of(name, cache)[5]
        floats = {key for key, value in packed.items() if value.is_floating_point()}
        assert floats <= {"gain", "guess", "shift", "flow", "first_flow", "source_flow"}
        assert packed["truth"].dtype == torch.uint8


def test_opened_is_the_tint_of_each_sample():
    """Against a loop over samples and channels; tolerance 1e-6."""
    rng = np.random.default_rng(0)
    packed = {
        "truth": torch.from_numpy(rng.integers(0, 256, (2, 4, 3, 5, 6), np.uint8)),
        "mask": torch.from_numpy(rng.random((2, 4, 1, 5, 6)) < 0.5),
        "aligned": torch.from_numpy(rng.integers(0, 256, (2, 3, 5, 6), np.uint8)),
        "flow": torch.from_numpy(rng.normal(size=(2, 1, 2, 5, 6)).astype(np.float32)),
        "gain": torch.tensor([[0.9, 1.0, 1.1], [1.1, 0.85, 1.0]]),
    }
    batch = opened(packed)
    assert set(batch) == set(packed) - {"gain"}
    for name in ("truth", "aligned"):
        for b in range(2):
            for c in range(3):
                expected = (packed[name][b, ..., c, :, :] / 255 * float(packed["gain"][b, c])).clamp(max=1)
                torch.testing.assert_close(batch[name][b, ..., c, :, :], expected, atol=1e-6, rtol=0)
    assert torch.equal(batch["mask"], packed["mask"].float())
    assert torch.equal(batch["flow"], packed["flow"])


def test_growth():
    assert [blocks_at((8, 8), step) for step in (0, 7, 8, 80)] == [8, 8, 9, 18]


def test_no_batch_is_asked_for_before_its_blocks_are_there(cache, monkeypatch):
    """The pool waits for exactly the blocks that a step may draw from, and a draw never makes one."""
    samples = samples_of("sttn", cache, blocks=2, growth=(1, 3))
    events = []
    monkeypatch.setattr(pools.BlockPool, "wait", lambda pool, count, elsewhere: events.append(count))
    monkeypatch.setattr(StepSamples, "__getitem__", lambda self, step: events.append(f"step {step}") or {})
    list(Feed(samples, CPU, 0).batches(2, 4))
    assert events == [1, "step 2", 2, "step 3"]


def test_blocks_are_made_before_the_first_step_without_workers(tmp_path, monkeypatch):
    monkeypatch.setenv("VINPAINT_CACHE", str(tmp_path))
    order = []
    store, item = pools.BlockPool.store, StepSamples.__getitem__
    made = lambda pool, number: order.append("block") or store(pool, number)  # noqa: E731
    monkeypatch.setattr(pools.BlockPool, "store", made)
    monkeypatch.setattr(StepSamples, "__getitem__", lambda self, step: order.append("step") or item(self, step))
    train.train(train.Training("sttn", "tiny", tmp_path / "out", device="cpu", workers=0, stop_after=2))
    assert order[: order.index("step")].count("block") >= 2
    assert sum(1 for path in tmp_path.glob("*/0*") if path.is_dir()) == 2


def test_another_process_makes_the_blocks(cache, tmp_path):
    """`elsewhere`: the pool waits for folders that appear, and makes none itself."""
    pool = samples_of("combcn", tmp_path).pool
    pool.store(0)
    pool.wait(1, elsewhere=True)
    assert pool.ready == 1
    assert pool.missing() == [1]


def test_a_maker_that_fails_is_a_sentence_in_the_training(tmp_path):
    pool = samples_of("combcn", tmp_path).pool
    pool.spec = replace(pool.spec, crop=3000, height=(64, 64))  # no clip is so large
    executor = pool.prepare(1)
    try:
        with pytest.raises(UserError, match="no clip of at least"):
            pool.wait(1, elsewhere=False)
    finally:
        executor.shutdown(cancel_futures=True)


def test_what_samples_share_is_drawn_from_seed_and_step(cache):
    task = samples_of("tgfnet", cache).task
    choices = [choice_of(task, 0, step) for step in range(30)]
    assert choices == [choice_of(task, 0, step) for step in range(30)]
    assert len(set(choices)) > 2


@pytest.mark.parametrize("workers", [-1, -3])
def test_a_negative_number_of_workers_is_refused(tmp_path, workers):
    with pytest.raises(UserError, match=f"--workers {workers}: is no number of processes"):
        train.train(train.Training("sttn", "tiny", tmp_path / "out", workers=workers))
