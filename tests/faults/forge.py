"""A process that has imported the library, and forks a child for each command: a killed run then costs no start.

The tests talk to it in lines of JSON (`Forge`). A child can be given limits, and can be killed after some time.
"""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

SCRIPT = "from tests.faults.forge import serve; serve()"
ROOT = Path(__file__).parents[2]
ONE = {"OMP_NUM_THREADS": "1", "OPENCV_FOR_THREADS_NUM": "1"}  # a process that has threads must not fork


class Ended(NamedTuple):
    """How a child ended: exit code (None if it was killed), seconds, what it said on stderr."""

    code: int | None
    seconds: float
    said: str


class Forge:
    """The process, and how to give it work."""

    def __init__(self, folder: Path) -> None:
        """`folder` takes the children's stderr, and the library's temporary files."""
        self.folder = folder
        own = {"PYTHONPATH": str(ROOT), "TMPDIR": str(folder), "no_proxy": "127.0.0.1", **ONE}
        self.process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | own,
            text=True,
        )

    def run(self, words: Sequence[str], cwd: Path, *, kill: float | None = None, **limits: int) -> Ended:
        """Run a command line in `cwd`: words as for `battery.ended`. `kill`: seconds until SIGKILL. `limits`: bytes of
        a file (`fsize`), or open files above those that are open already (`nofile`)."""
        assert self.process.stdin
        assert self.process.stdout
        err = self.folder / "stderr"
        job = {"words": list(words), "cwd": str(cwd), "err": str(err), "kill": kill, "limits": limits}
        self.process.stdin.write(json.dumps(job) + "\n")
        self.process.stdin.flush()
        code, seconds = json.loads(self.process.stdout.readline())
        return Ended(code, seconds, err.read_text(errors="replace"))

    def close(self) -> None:
        """End the process, and with it everything."""
        assert self.process.stdin
        self.process.stdin.close()
        self.process.kill()
        self.process.wait()


def serve() -> None:
    """Do the jobs that come on stdin."""
    # all that a command imports when it runs, so that no child has to
    from tests.faults import battery
    from vinpaint_lib import evaluate, train
    from vinpaint_lib.filling import job as one, many

    assert all((battery, evaluate, train, one, many))
    talk = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        job = json.loads(line)
        began = time.monotonic()
        child = os.fork()
        if child == 0:
            os._exit(done(battery, job))
        print(json.dumps([waited(child, job["kill"]), time.monotonic() - began]), file=talk, flush=True)


def done(battery: Any, job: dict[str, Any]) -> int:
    """The child: its exit code, as that of the program."""
    os.setsid()
    os.chdir(job["cwd"])
    for number, file in ((0, os.devnull), (1, os.devnull), (2, job["err"])):
        os.dup2(os.open(file, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600), number)
    sys.stdin, sys.stdout, sys.stderr = (os.fdopen(n, m, closefd=False) for n, m in ((0, "r"), (1, "w"), (2, "w")))
    sys.argv = ["vinpaint"]
    if "fsize" in job["limits"]:
        resource.setrlimit(resource.RLIMIT_FSIZE, (job["limits"]["fsize"],) * 2)
    if "nofile" in job["limits"]:
        most = max(map(int, os.listdir("/proc/self/fd"))) + 1 + job["limits"]["nofile"]
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    code = 70
    try:
        code = battery.ended(job["words"])
    finally:
        sys.stderr.flush()
        return code  # noqa: B012 - a child must never go on as its parent does


def waited(child: int, kill: float | None) -> int | None:
    """Wait for a child, or kill it after some seconds; its exit code, None if it was killed."""
    end = None if kill is None else time.monotonic() + kill
    while True:
        found, status = os.waitpid(child, 0 if end is None else os.WNOHANG)
        if found:
            break
        if end is not None and time.monotonic() >= end:
            os.kill(child, signal.SIGKILL)
            end = None
        time.sleep(0.002)
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)  # whatever it started
    return None if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
