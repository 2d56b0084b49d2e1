"""The place that all bad inputs begin with, and what commands that are limited or killed work on."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.forge import Forge
from tests.faults.ground import lay
from tests.faults.made import place


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A place where nothing is wrong yet; each test spoils a copy."""
    return place(tmp_path_factory.mktemp("faults") / "whole")


@pytest.fixture(scope="module")
def forge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forge]:
    running = Forge(tmp_path_factory.mktemp("forge"))
    yield running
    running.close()


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip and its mask, a folder with one film, and a notebook."""
    return lay(tmp_path_factory.mktemp("commands") / "ground")
