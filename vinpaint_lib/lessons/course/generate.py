"""The process in which nbgrader writes releases: `python -m vinpaint_lib.lessons.course.generate NAME...`, started in
the folder of the course by `build.py`. One process for all: nbgrader takes seconds to start."""

import re
import sys
from collections.abc import Sequence

from nbgrader.apps import NbGraderAPI
from nbgrader.apps.baseapp import NbGrader

CAUSE = re.compile(r"\s+[\w.]*(Error|Exception|Missing\w+): ")  # the end of the first traceback; the others say less


def main(names: Sequence[str]) -> None:
    """Write the release of each assignment. The first that fails ends the process, with its cause."""
    app = NbGrader()
    app.load_config_file()
    api = NbGraderAPI(config=app.config)
    for name in names:
        done = api.generate_assignment(name, force=True, create=True)
        if not done["success"]:
            log = str(done.get("log") or done.get("error") or "").splitlines()
            causes = [line.strip() for line in log if CAUSE.match(line)]
            sys.exit(f"{name}: {(causes or log or ['no reason given'])[-1]}")


if __name__ == "__main__":
    main(sys.argv[1:])
