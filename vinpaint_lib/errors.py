"""What the command line and the notebooks show in place of a traceback, and how a program ends.

A user's mistake is a UserError: one sentence and exit code 2. A fault of ours is one sentence with the place of a
report, which the user can send, and exit code 1; with --debug, or VINPAINT_DEBUG=1, the traceback comes first.
Ctrl-C is one line and exit code 130.
"""

import errno
import os
import platform
import shlex
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from itertools import pairwise
from pathlib import Path

from tqdm import tqdm

import vinpaint_lib

DEBUG, VARIABLE = "--debug", "VINPAINT_DEBUG"
DEBUG_HELP = f"{DEBUG} shows the traceback of a fault, and so does {VARIABLE}=1"
PACKAGES = (
    "torch", "accelerate", "av", "einops", "numpy", "opencv-python-headless", "pillow", "safetensors", "scikit-image",
    "tyro", "nbformat", "papermill",
)  # fmt: skip
NO_MEMORY = ("can't allocate memory", "Insufficient memory")  # torch, OpenCV
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
MANY_FILES = (errno.EMFILE, errno.ENFILE)
PLACES = (
    errno.ENAMETOOLONG,
    errno.ELOOP,
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.EIO,
)  # what is wrong with a path
LONGEST = 300  # characters of an exception that the sentence shows


class UserError(Exception):
    """A mistake in what the user gave. The message is one sentence: the file, the value, the remedy. Several mistakes
    that are told at once are one argument each, and a line each."""

    exit_code = 2

    def __str__(self) -> str:
        return "\n".join(map(str, self.args))

    def _render_traceback_(self) -> list[str]:
        """What IPython shows below the cell."""
        return [f"{type(self).__name__}: {self}"]


def run_program(work: Callable[[list[str]], object], arguments: Sequence[str] | None, *, name: str) -> None:
    """Run `work` with the words of a command line (None: those that the program was started with), without --debug.

    `name` is the program's, for the report. Raises SystemExit if it does not end well.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    hooks = sys.unraisablehook, threading.excepthook
    if not asked_for([name, *words]):  # what Python says of objects that a want of files or room left half made
        sys.unraisablehook = lambda about: None
        threading.excepthook = lambda about: thread_ended(about, name)
    try:
        code = exit_code(lambda: work([word for word in words if word != DEBUG]), [name, *words])
    finally:
        sys.unraisablehook, threading.excepthook = hooks
    if code:
        sys.exit(code)


def thread_ended(about: threading.ExceptHookArgs, prefix: str) -> None:
    """One line in the place of the traceback of a thread beside the work, as that of TensorBoard's writer."""
    if about.exc_type is not SystemExit:
        print(f"{prefix}: note: a thread beside the work ended: {one_line(about.exc_value)}", file=sys.stderr)


def exit_code(work: Callable[[], object], command: Sequence[str], *, prefix: str = "vinpaint") -> int:
    """Call `work`, and give the exit code: what `work` returns if that is a whole number, else 0; 1 after a fault of
    ours, or if the machine has no memory or room left; 2 after a UserError; 130 after Ctrl-C. The last three are one
    sentence on stderr that begins with `prefix`."""
    try:
        return code_of(work, command, prefix)
    except KeyboardInterrupt as error:
        print(f"\n{prefix}: {str(error) or 'stopped.'}", file=sys.stderr)
        return 130


def code_of(work: Callable[[], object], command: Sequence[str], prefix: str) -> int:
    """`exit_code` without Ctrl-C, which may come while a report is written."""
    try:
        found = work()
        return found if type(found) is int else 0
    except UserError as error:
        show_if_asked(error, command)
        print(f"{prefix}: " + "\n".join(map(one_line, error.args)), file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:  # whoever read the output, such as `head`, has enough
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        print(f"{prefix}: {one_line(sentence(error, command))}", file=sys.stderr)
        return UserError.exit_code if wrong_place(error) else 1


def one_line(text: object) -> str:
    """A message as one line: line breaks and control characters of a file's name are spelled, as in `a\\nb.mp4`."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in str(text))


def sentence(error: BaseException, command: Sequence[str]) -> str:
    """The sentence for an error that is no UserError. The traceback is printed before it, if it was asked for."""
    show_if_asked(error, command)
    return want_of_room(error) or wrong_place(error) or fault(error, command)


def say(line: object) -> None:
    """One line about the work, which may stand above a progress bar."""
    tqdm.write(f"vinpaint: {one_line(line)}", file=sys.stderr)


def tell(note: object) -> None:
    """One sentence that does not stop the work, likewise."""
    say(f"note: {note}")


def in_table(error: Exception) -> str:
    """What stands in a table that goes on after a fault of ours, or after a want of memory or room."""
    return sentence(error, ["vinpaint", *sys.argv[1:]])


def check_words(words: Sequence[str], wordless: Sequence[str]) -> None:
    """Raise UserError for an empty word of a command line, as a shell makes it of a variable that is not set: as a path
    it would mean the folder where one stands. Behind the words `wordless` it is no path."""
    for before, word in pairwise(["", *words]):
        option, equals, value = word.partition("=")
        if not word and before not in wordless:
            what = before if before.startswith("--") else f"the word behind {before}"
            raise UserError(f"{what}: is empty, as a variable that is not set would be; give a path")
        if equals and not value and option.startswith("--") and option not in wordless:
            raise UserError(f"{option}: is empty, as a variable that is not set would be; give a value")


def show_if_asked(error: BaseException, command: Sequence[str]) -> None:
    """Print the traceback, if the command line or the environment asks for it."""
    if asked_for(command):
        traceback.print_exception(error)


def asked_for(command: Sequence[str]) -> bool:
    """Whether tracebacks are asked for."""
    return DEBUG in command or os.environ.get(VARIABLE, "0") not in ("", "0")


def want_of_room(error: BaseException) -> str:
    """The sentence for a machine that has no memory, disk or files left; "" for other errors."""
    about = str(error)
    if (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or any(w in about for w in NO_MEMORY)
    ):
        return "there is not enough memory; give a smaller --size, fewer frames or fewer --workers"
    if isinstance(error, OSError) and error.errno in FULL:
        return f"{error.filename or 'the disk'}: there is no room left on the disk; free some space and run again"
    if isinstance(error, OSError) and error.errno in MANY_FILES:
        return "too many files are open; raise the limit (ulimit -n), or give fewer --workers"
    return ""


def wrong_place(error: BaseException) -> str:
    """The sentence for a path that the system refuses: too long, a loop of links, closed; "" for other errors."""
    if not isinstance(error, OSError) or error.errno not in PLACES or error.filename is None:
        return ""
    name = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else str(error.filename)
    name = name if len(name) <= LONGEST else f"{name[:LONGEST]}..."
    return f"{name}: cannot be used ({error.strerror}); check the path and its rights"


def fault(error: BaseException, command: Sequence[str]) -> str:
    """The sentence for a fault of ours. It names the report, which is written to the folder for temporary files."""
    first = (str(error).splitlines() or [""])[0][:LONGEST]
    what = f"{type(error).__name__}: {first}" if first else type(error).__name__
    text = report(error, command)
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="vinpaint-fault-", suffix=".txt", delete=False, encoding="utf-8", errors="backslashreplace"
        ) as file:
            file.write(text)
    except OSError:
        return f"a fault of vinpaint ({what}), whose report could not be written: run it again with {DEBUG}"
    return f"a fault of vinpaint ({what}): please send the report {file.name}, or run it again with {DEBUG}"


def report(error: BaseException, command: Sequence[str]) -> str:
    """What helps to mend a fault: command, versions, traceback. The home folder is shortened to ~, and nothing of the
    environment is told."""
    versions = [f"vinpaint {vinpaint_lib.__version__}", f"Python {platform.python_version()}"]
    versions.append(f"{platform.system()} {platform.release()} {platform.machine()}")
    for package in PACKAGES:
        with suppress(PackageNotFoundError):
            versions.append(f"{package} {version(package)}")
    lines = [
        "Report of a fault in vinpaint. It holds the command, versions and the place of the fault, and nothing else.",
        f"command: {shlex.join(command)}",
        f"versions: {', '.join(versions)}",
        "",
        *traceback.format_exception(error),
    ]
    home = str(Path.home())
    text = "\n".join(lines)
    return text.replace(home, "~") if len(home) > 1 else text
