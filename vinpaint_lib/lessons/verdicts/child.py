"""The process that runs a reader's answers: `python -P -m vinpaint_lib.lessons.verdicts.child JOB LINES`.

It writes a line of JSON when it begins, one when the imports are done, and one for each answer. `process.py` starts it
and ends it.
"""

import contextlib
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vinpaint_lib.lessons import checks
from vinpaint_lib.lessons.checks.verdict import Wrong

LONGEST = 300  # characters of an exception's text


def main(job: Path, lines: Path) -> None:
    """Judge every answer of the job."""
    sys.path.append(os.getcwd())  # modules of the reader beside the notebook; behind all others
    task = json.loads(job.read_text(encoding="utf-8"))
    common: dict[str, Any] = {"__name__": "__main__"}
    tell(lines, {"begun": True})
    for statement in task["imports"]:
        with contextlib.suppress(Exception):  # what is missing is said where it is used
            run(statement, common)
    tell(lines, {"ready": True})
    for name, function, program in task["answers"]:
        said = verdict(name, function, program, dict(common))
        tell(lines, {"name": name, "right": not said, "said": said or "right"})


def tell(lines: Path, line: dict[str, Any]) -> None:
    """Append a line, whole."""
    with lines.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def run(statement: str, space: dict[str, Any]) -> None:
    exec(compile(statement, "your notebook", "exec"), space)


def verdict(name: str, function: str, program: Sequence[str], space: dict[str, Any]) -> str:
    """What is wrong with an answer, in one sentence; "" if nothing is."""
    for statement in program[:-1]:
        with contextlib.suppress(Exception):
            run(statement, space)
    try:
        run(program[-1], space)
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
            getattr(checks, name).judge(space[function])
    except Wrong as wrong:
        return " ".join(str(wrong).split())
    except (Exception, SystemExit, KeyboardInterrupt) as error:
        return f"stops with {type(error).__name__}: {' '.join(str(error).split())[:LONGEST]}".rstrip(": ")
    return ""


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
    os._exit(0)  # whatever the answers have started
