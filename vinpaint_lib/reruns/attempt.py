"""One attempt at a run, on this machine or on a worker of a cluster: a folder, a process, and the folder's name.

The attempt works in a hidden folder of its own in OUT. A finished one takes the run's name by a rename, which succeeds
once: whoever comes second, such as a worker that was given up and woke up again, finds the name taken and throws its
own away. A failed one is kept in `OUT/failed`. So what has a name is whole, and nothing is finished twice.

A session is one call of `vinpaint rerun`. Its file in OUT says what all runs share; attempts of a session end when it
is gone.
"""

import errno
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

import vinpaint_lib
from vinpaint_lib.errors import UserError
from vinpaint_lib.files import draft_of, hidden
from vinpaint_lib.reruns import names

RUN, LOG = "run.json", "log.txt"
CELL = "vinpaint_lib.reruns.cell"  # the program of a run
# The check of notebooks knows the whole grammar of web addresses, which takes seconds to load; no notebook needs it.
START = """
import runpy, sys
sys.modules["rfc3987_syntax"] = None
runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)
"""
Tell = Callable[[object], None]
DONE, FAILED, STOPPED = "done", "failed", "stopped"
ROOT = Path(vinpaint_lib.__file__).parents[1]
LOOK, LOOK_AT_SESSION = 0.05, 0.5  # seconds between looks at the process, and at the session
TAKEN = (errno.EEXIST, errno.ENOTEMPTY, errno.EACCES)  # what a rename to a folder that is there raises, by system


@dataclass(frozen=True)
class Task:
    """A run that is to be made: its name, parameters, and which repeat it is."""

    name: str
    given: Mapping[str, Any]
    repeat: int = 0


@dataclass(frozen=True)
class Session:
    """What all runs of a call share; `file` lies in OUT."""

    file: Path
    notebook: Path

    def open(self) -> None:
        content = {"notebook": str(self.notebook), "library": names.library()}
        write_json(self.file, content)

    def close(self) -> None:
        with suppress(OSError):
            self.file.unlink()


@dataclass(frozen=True)
class Outcome:
    """How an attempt went: status (done, failed or stopped), and a sentence if it failed."""

    name: str
    status: str
    sentence: str = ""


class Attempt:
    """An attempt under way. `environment` is added to that of its process.

    Raises UserError if this machine does not see the session's file, or has another library than the session.
    """

    def __init__(self, task: Task, session: Path, environment: Mapping[str, str] | None = None) -> None:
        self.task, self.session, self.out = task, session, session.parent
        shared = read_session(session)
        self.began = self.looked = time.monotonic()
        self.folder = self.out / hidden(task.name)
        self.folder.mkdir()
        about = {**asdict(task), "attempt": self.folder.name.split(".")[-2], "host": platform.node()}
        asked = {
            "notebook": shared["notebook"],
            "folder": str(self.folder),
            "given": dict(task.given),
            "around": names.surroundings(),
            "about": {**about, "notebook": Path(shared["notebook"]).name, "library": names.library()["commit"]},
        }
        paths = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        with open(self.folder / LOG, "wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", START, CELL],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(environment or {}), "PYTHONPATH": paths},
                start_new_session=True,  # Ctrl-C is for this process, which ends the other
            )
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):  # `ended` will tell of a process that has died already
            self.process.stdin.write(json.dumps(asked).encode() + b"\n")
            self.process.stdin.flush()

    def ended(self) -> Outcome | None:
        """How the attempt went, if it has ended."""
        if self.process.poll() is not None:
            return self.put_away()
        if time.monotonic() - self.looked > LOOK_AT_SESSION:
            self.looked = time.monotonic()
            if not self.session.is_file() or not self.folder.is_dir():
                self.stop()
                return Outcome(self.task.name, STOPPED)
        return None

    def stop(self) -> None:
        """End the attempt, and leave nothing of it."""
        with suppress(psutil.NoSuchProcess):
            family = [*psutil.Process(self.process.pid).children(recursive=True), psutil.Process(self.process.pid)]
            for process in family:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def put_away(self) -> Outcome:
        """Give the folder of a process that has ended its name."""
        record = read_record(self.folder)
        if record is None:
            record = {**asdict(self.task), "status": FAILED, "error": self.died(), "host": platform.node()}
        record["seconds"] = time.monotonic() - self.began
        with suppress(FileNotFoundError):
            write_json(self.folder / RUN, record)
        status, sentence = record["status"], record["error"]
        final = self.out / self.task.name if status == DONE else self.out / FAILED / self.task.name
        finish(self.folder, final, self.out / self.task.name)
        return Outcome(self.task.name, status, sentence)

    def died(self) -> str:
        """A sentence for a process that has said nothing."""
        code = self.process.returncode
        how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
        return f"the process of the run was ended {how}; {LOG} may say more"


def finish(folder: Path, final: Path, done: Path) -> None:
    """Rename an attempt's folder to `final`, unless the run is done already: then it is thrown away."""
    if not folder.is_dir():  # somebody cleared it away, since this attempt was given up
        return
    truthful(folder, final)
    try:
        if final != done:
            if done.is_dir():
                raise FileExistsError(errno.EEXIST, "done already")
            final.parent.mkdir(exist_ok=True)
            shutil.rmtree(final, ignore_errors=True)
        os.rename(folder, final)
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        if error.errno not in TAKEN and not isinstance(error, FileNotFoundError):
            raise
        return
    if final == done:
        shutil.rmtree(done.parent / FAILED / done.name, ignore_errors=True)
        with suppress(OSError):
            (done.parent / FAILED).rmdir()


def truthful(folder: Path, final: Path) -> None:
    """Put the name that a folder will have into its texts, in the place of the hidden one that it had while it ran."""
    old, new = folder.name.encode(), os.fsencode(os.path.relpath(final, folder.parent).replace(os.sep, "/"))
    for path in (*folder.glob("*.ipynb"), folder / LOG):
        with suppress(OSError):
            before = path.read_bytes()
            if old in before:
                path.write_bytes(before.replace(old, new))


def read_session(file: Path) -> dict[str, Any]:
    """What a session's file says. Raises UserError as `Attempt` does."""
    here = platform.node()
    try:
        shared = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"{here} does not see {file.parent}: put --out on a disk that all machines share") from error
    if not Path(shared["notebook"]).is_file():
        raise UserError(f"{here} does not see {shared['notebook']}: put it on a disk that all machines share")
    if shared["library"] != names.library():
        theirs, ours = shared["library"]["commit"], names.library()["commit"]
        also = "" if theirs != ours else " with other weights"
        raise UserError(f"{here} has vinpaint {ours}{also}, the grid has {theirs}: start its worker from the same code")
    return shared


def read_record(folder: Path) -> dict[str, Any] | None:
    """The `run.json` of a folder; None if there is none, or no whole one."""
    try:
        return json.loads((folder / RUN).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def write_json(path: Path, content: Any) -> None:
    with draft_of(path) as draft:
        draft.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def work(task: Task, session: Path) -> Outcome:
    """Make a run, or stop it when the session ends: what a worker of a cluster does."""
    if not session.is_file() and session.parent.is_dir():
        return Outcome(task.name, STOPPED)
    if read_record(session.parent / task.name) is not None:
        return Outcome(task.name, DONE)
    attempt = Attempt(task, session)
    try:
        while (outcome := attempt.ended()) is None:
            time.sleep(LOOK)
    except BaseException:
        attempt.stop()
        raise
    return outcome
