"""What the test files of this room share."""

import pytest

from tests.filling.made_clips import Grey
from vinpaint_lib.systems import registry


@pytest.fixture
def model(monkeypatch) -> Grey:
    """The registry builds one model, whatever is asked for; the test may look at it."""
    made = Grey()
    monkeypatch.setattr(registry, "build", lambda name, weights=None: made)
    return made
