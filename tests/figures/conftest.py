"""What the tests of this room share."""

import pytest

from vinpaint_lib.figures import page


@pytest.fixture
def shown(monkeypatch):
    """What is displayed: a list of (data, metadata)."""
    seen = []
    monkeypatch.setattr(page, "display", lambda data, metadata, raw: seen.append((data, metadata)))
    return seen
