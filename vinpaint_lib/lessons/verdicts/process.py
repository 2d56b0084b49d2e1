"""Answers are judged in a process of their own: an endless loop, an exit or a crash ends that process, and becomes the
sentence of the one exercise that it was in. The others are judged in the next process."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from vinpaint_lib.lessons.verdicts.answers import Answer

SLOWEST_START = 300  # seconds for the imports, which a busy machine may need
PAUSE = 0.05  # seconds between two looks at the lines


class Verdict(NamedTuple):
    """Whether an answer is right, and the sentence for it."""

    right: bool
    said: str


Verdicts = dict[str, Verdict]


def judge(answers: Sequence[Answer], imports: Sequence[str], folder: Path, limit: float | int) -> Verdicts:
    """The verdict of each answer by its name. `imports` are run first, in the notebook's `folder`; one exercise may
    take `limit` seconds."""
    verdicts = {each.name: Verdict(False, each.said) for each in answers if each.said}
    while left := [each for each in answers if each.name not in verdicts]:
        found = one_process(left, imports, folder, limit)
        verdicts |= found
    return verdicts


def one_process(answers: Sequence[Answer], imports: Sequence[str], folder: Path, limit: float | int) -> Verdicts:
    """The verdicts of one process, at least one: it is ended at the first answer that takes too long."""
    with tempfile.TemporaryDirectory(prefix="vinpaint-check-", ignore_cleanup_errors=True) as place:
        job, lines = Path(place, "job.json"), Path(place, "lines.jsonl")
        lines.touch()
        programs = [(each.name, each.function, each.program) for each in answers]
        job.write_text(json.dumps({"imports": list(imports), "answers": programs}), encoding="utf-8")
        # -P: a file of the reader beside the notebook, such as random.py, must not take a module's place
        command = [sys.executable, "-P", "-m", "vinpaint_lib.lessons.verdicts.child", str(job), str(lines)]
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            return watched(process, lines, [each.name for each in answers], limit)
        finally:
            end(process)


def watched(process: subprocess.Popen[bytes], lines: Path, names: Sequence[str], limit: float | int) -> Verdicts:
    """Read the lines of a process until all names have a verdict, or it ends, or one takes too long.

    Raises RuntimeError if the process cannot even begin, which is no fault of the reader's.
    """
    count, since = 0, time.monotonic()
    while True:
        ended = process.poll() is not None  # before the lines are read: then none is missed
        said = told(lines)
        verdicts = {line["name"]: Verdict(line["right"], line["said"]) for line in said if "right" in line}
        if len(verdicts) == len(names):
            return verdicts
        if len(said) > count:
            count, since = len(said), time.monotonic()
        current = names[len(verdicts)]
        started = any("ready" in line for line in said)
        if ended and not said:
            raise RuntimeError(f"the process that runs the answers does not begin (exit code {process.returncode})")
        if ended:
            how = f"the process ended (exit code {process.returncode})"
            why = f"{how} while this ran: does it call exit, or take all memory?"
        elif time.monotonic() - since > (limit if started else SLOWEST_START):
            why = f"takes longer than {limit:g} s: is there an endless loop? (--limit gives more time.)"
        else:
            time.sleep(PAUSE)
            continue
        if not started:
            why = "the imports of the notebook never end, or end the process: take out what is not needed."
            return dict.fromkeys(names, Verdict(False, why))
        return verdicts | {current: Verdict(False, why)}


def told(lines: Path) -> list[dict[str, Any]]:
    """The whole lines that the process has written so far."""
    text = lines.read_text(encoding="utf-8")
    return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]


def end(process: subprocess.Popen[bytes]) -> None:
    """End the process and those that it started."""
    with suppress(OSError):
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()
