"""What the tests of reruns share."""

import pytest

from tests.reruns import stub
from vinpaint_lib.reruns import attempt, names


@pytest.fixture
def _stubbed(monkeypatch):
    """`stub.patch` for this process, undone afterwards."""
    monkeypatch.setattr(attempt, "CELL", "tests.reruns.stub_cell")
    monkeypatch.setattr(names, "surroundings", lambda: stub.AROUND)
    names.library.cache_clear()
    yield
    names.library.cache_clear()
