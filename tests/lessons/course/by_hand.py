"""What a teacher does with a course, for its tests."""

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest


def handed_in(course: Path, student: str, name: str, notebook: nbformat.NotebookNode) -> None:
    """Put a student's notebook where nbgrader looks for it."""
    place = course / "submitted" / student / name
    place.mkdir(parents=True)
    nbformat.write(notebook, place / f"{name}.ipynb")


def nbgrader(course: Path, *words: str) -> None:
    """`nbgrader` with these words, in the course's folder; a failure shows what it said."""
    scripts = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        [sys.executable, "-m", "nbgrader", *words],
        cwd=course,
        env={**os.environ, "PATH": scripts},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def scores(course: Path, name: str) -> dict[str, float]:
    """The points of each student for an assignment."""
    with pytest.importorskip("nbgrader.api").Gradebook(f"sqlite:///{course / 'gradebook.db'}") as gradebook:
        return {each.student.id: each.score for each in gradebook.assignment_submissions(name)}
