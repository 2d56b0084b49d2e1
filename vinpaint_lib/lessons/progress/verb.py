"""The verb `vinpaint lessons`."""

from pathlib import Path
from typing import Annotated

import tyro


def lessons(
    folder: Annotated[Path | None, tyro.conf.Positional, tyro.conf.arg(metavar="FOLDER")] = None,
) -> None:
    """Show of every lesson the exercises that you solved, your points, and the minutes that are left.

    Args:
        folder: of your copies; without it, those of `make lab` and of `make assignments`
    """
    from vinpaint_lib.lessons.progress import table

    print(table.report(folder))
