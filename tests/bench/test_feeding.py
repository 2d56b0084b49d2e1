"""The measurement of feeding runs for every system, and its numbers fit together. No time is looked at."""

import pytest

from vinpaint_lib.bench import feeding
from vinpaint_lib.systems import registry

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
