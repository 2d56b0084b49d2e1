"""What a worker of a cluster is sent. The scheduler reads it too, so it loads nothing before a worker begins."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any


def run(task: Mapping[str, Any], session: str) -> tuple[str, str, str]:
    """Make a run: the fields of a `Task`, and those of its `Outcome`, as plain values."""
    from vinpaint_lib.reruns import attempt  # here, because a scheduler would load it for nothing

    outcome = attempt.work(attempt.Task(**task), Path(session))
    return outcome.name, outcome.status, outcome.sentence
