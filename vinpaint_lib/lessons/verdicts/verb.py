"""The verb `vinpaint check`: its options, and what it prints."""

import sys
from pathlib import Path
from typing import Annotated

import tyro


def check(
    lesson: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="LESSON")],
    notebook: Annotated[Path | None, tyro.conf.Positional, tyro.conf.arg(metavar="NOTEBOOK")] = None,
    *,
    limit: Annotated[int, tyro.conf.arg(metavar="SECONDS")] = 60,
) -> None:
    """Run the checks of one lesson on your notebook, and print a table: exercise, points, verdict in one sentence.

    Only your functions are run, with what they need, in a process of their own; the rest of the notebook is not.
    Exit code 0 if all are right, 1 if not.

    Args:
        lesson: its number, as in 04
        notebook: yours; without it, the copy that `make assignments` wrote
        limit: seconds that one exercise may take
    """
    from vinpaint_lib.lessons.verdicts import table

    said, right = table.check_lesson(lesson, notebook, limit)
    print(said)
    if not right:
        sys.exit(1)
