"""The process in which nbgrader writes releases: `python -m vinpaint_lib.lessons.course.generate NAME...`, started in
the folder of the course by `build.py`. One process for all: nbgrader takes seconds to start."""

import sys
from collections.abc import Sequence

from nbgrader.apps import NbGraderAPI
from nbgrader.apps.baseapp import NbGrader


def main(names: Sequence[str]) -> None:
    """Write the release of each assignment. The first that fails ends the process, with nbgrader's log."""
    app = NbGrader()
    app.load_config_file()
    api = NbGraderAPI(config=app.config)
    for name in names:
        done = api.generate_assignment(name, force=True, create=True)
        if not done["success"]:
            sys.exit(f"{name}: {done.get('error') or done.get('log')}")


if __name__ == "__main__":
    main(sys.argv[1:])
