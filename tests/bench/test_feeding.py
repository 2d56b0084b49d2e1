"""The measurement of feeding runs for every system, and its numbers fit together. No time is looked at."""

import pytest
import torch

from vinpaint_lib.bench import feeding
from vinpaint_lib.bench.gpu.trainers import shortened, trainer
from vinpaint_lib.systems import registry
from vinpaint_lib.training.feed import Feed
from vinpaint_lib.training.pools import opened

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", sorted(registry.SYSTEMS))
def test_rates_and_costs_belong_together(name):
    rows = feeding.feeding(name, preset="tiny", steps=2, workers=1)
    unfed, fed = rows["steps a second unfed"], rows["steps a second fed by 1"]
    assert rows["cost of feeding"] == pytest.approx(1 - fed / unfed)
    inside = rows["steps a second, samples made inside"]
    assert rows["cost of samples made inside"] == pytest.approx(1 - inside / unfed)
    assert rows["samples a second, feed alone"] > 0
    assert rows["waits a step"] >= 1


@pytest.mark.parametrize("workers", [0, 1])
def test_what_was_made_ahead_is_not_measured(tmp_path, workers):
    """The first batch is that of the step behind all that loaders may hold when the clock starts."""
    made = trainer("sttn", shortened(registry.presets("sttn")["tiny"], 1), torch.device("cpu"), tmp_path)
    feed = Feed(made.feed.samples, torch.device("cpu"), workers)
    assert feed.stock == 4 * workers
    batches = list(feeding.in_stride(feed, 10, 3))
    assert len(batches) == 3
    for step, batch in enumerate(batches, 10 + feed.stock):
        assert torch.equal(batch["truth"], opened(made.feed.samples[step])["truth"])
