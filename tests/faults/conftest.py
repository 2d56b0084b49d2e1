"""The place that all bad inputs begin with."""

from pathlib import Path

import pytest

from tests.faults.made import place


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A place where nothing is wrong yet; each test spoils a copy."""
    return place(tmp_path_factory.mktemp("faults") / "whole")
