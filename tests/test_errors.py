"""How a program ends: a mistake, a fault, a full machine, Ctrl-C, a reader that has enough."""

import errno
import os
import signal
import subprocess
import sys
import tempfile
import threading

import pytest

from vinpaint_lib import cli, errors
from vinpaint_lib.errors import UserError


@pytest.fixture(autouse=True)
def reports(tmp_path, monkeypatch):
    """The folder for temporary files."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.delenv(errors.VARIABLE, raising=False)
    return folder


def ended(error, capsys, *words):
    """(exit code, stderr) of a program whose work raises `error`."""

    def work(arguments):
        assert errors.DEBUG not in arguments
        raise error

    with pytest.raises(SystemExit) as stop:
        errors.run_program(work, words, name="vinpaint")
    return stop.value.code, capsys.readouterr().err


def test_a_mistake_is_its_sentence_and_code_2(capsys, reports):
    assert ended(UserError("a.mp4: is no video"), capsys) == (2, "vinpaint: a.mp4: is no video\n")
    assert list(reports.iterdir()) == []


@pytest.mark.parametrize(
    "error",
    [
        ZeroDivisionError("division by zero"),
        KeyError("x"),
        AssertionError(),
        OSError("two\nlines"),
        ValueError("é" * 999),
    ],
)
def test_a_fault_is_one_sentence_with_the_place_of_its_report(error, capsys, reports, monkeypatch):
    monkeypatch.setenv("SECRET_TOKEN", "hunter2")
    code, said = ended(error, capsys, "inpaint", "my clip.mp4")
    (report,) = reports.iterdir()
    assert code == 1
    assert len(said.splitlines()) == 1
    assert said.startswith(f"vinpaint: a fault of vinpaint ({type(error).__name__}")
    assert f"please send the report {report}, or run it again with --debug" in said
    text = report.read_text(encoding="utf-8")
    assert "command: vinpaint inpaint 'my clip.mp4'" in text
    assert "Traceback (most recent call last)" in text
    assert "in work" in text
    for word in ("Python 3", "torch ", "numpy "):
        assert word in text
    for secret in ("hunter2", "SECRET_TOKEN", os.environ["PATH"]):
        assert secret not in text


def test_the_home_folder_is_not_told(monkeypatch):
    monkeypatch.setenv("HOME", "/somewhere/jane")
    text = errors.report(ValueError("/somewhere/jane/x"), ["inpaint", "/somewhere/jane/a b.mp4"])
    assert "inpaint '~/a b.mp4'" in text
    assert "jane" not in text


@pytest.mark.parametrize("asked", ["option", "variable"])
def test_the_traceback_is_shown_when_asked_for(asked, capsys, monkeypatch):
    if asked == "variable":
        monkeypatch.setenv(errors.VARIABLE, "1")
    words = ["models", errors.DEBUG] if asked == "option" else ["models"]
    for error, code in ((ZeroDivisionError("no"), 1), (UserError("no"), 2)):
        found, said = ended(error, capsys, *words)
        assert found == code
        assert said.startswith("Traceback (most recent call last)")
        assert said.splitlines()[-1].startswith("vinpaint: ")
    monkeypatch.setenv(errors.VARIABLE, "0")
    assert "Traceback" not in ended(ZeroDivisionError(), capsys)[1]


@pytest.mark.parametrize(
    "error, said",
    [
        (MemoryError(), "not enough memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "not enough memory"),
        (OSError(errno.ENOSPC, "No space left on device", "/a/b"), "/a/b: there is no room left on the disk"),
        (OSError(errno.EDQUOT, "Quota"), "the disk: there is no room left"),
        (OSError(errno.EMFILE, "Too many open files"), "too many files are open"),
    ],
)
def test_a_machine_without_room_is_no_fault_of_ours(error, said, capsys, reports):
    code, shown = ended(error, capsys)
    assert code == 1
    assert said in shown
    assert len(shown.splitlines()) == 1
    assert list(reports.iterdir()) == []


def test_a_report_that_cannot_be_written_is_said_too(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    code, said = ended(ZeroDivisionError(), capsys)
    assert code == 1
    assert "whose report could not be written: run it again with --debug" in said


def test_ctrl_c_is_one_line_and_code_130(capsys, reports):
    assert ended(KeyboardInterrupt(), capsys) == (130, "\nvinpaint: stopped.\n")
    assert ended(KeyboardInterrupt("stopped, not lost"), capsys)[1] == "\nvinpaint: stopped, not lost\n"
    assert list(reports.iterdir()) == []


def test_what_ends_well_ends_well(capsys):
    errors.run_program(lambda words: print(words), ["a", errors.DEBUG], name="vinpaint")
    assert capsys.readouterr().out == "['a']\n"
    assert [errors.exit_code(lambda value=value: value, []) for value in (None, 0, 3, "path", True)] == [0, 0, 3, 0, 0]


def test_every_verb_reports_its_faults(capsys, monkeypatch, reports):
    """As the command line calls them: whatever a verb raises, nothing comes through."""

    def broken(*arguments, **options):
        raise ZeroDivisionError("planted")

    for name in ("inpaint.fill", "train.train", "evaluate.evaluate", "doctor.report", "filling.many.clips_in"):
        monkeypatch.setattr(f"vinpaint_lib.{name}", broken)
    monkeypatch.setattr("vinpaint_lib.systems.listing.lines", broken)
    for words in (
        ["inpaint", "a", "--mask", "b", "--out", "c"],
        ["train", "sttn", "--out", "x", "--device", "cpu"],
        ["evaluate", "--data", "toy"],
        ["models"],
        ["doctor"],
    ):
        with pytest.raises(SystemExit) as stop:
            cli.main(words)
        assert stop.value.code == 1, words
        said = capsys.readouterr().err
        assert len(said.splitlines()) == 1, words
        assert "ZeroDivisionError: planted" in said
    assert len(list(reports.iterdir())) == 5


SLOW = """
import signal
import time
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell in the background ignores it
from vinpaint_lib import errors
def work(words):
    print("begun", flush=True)
    time.sleep(60)
errors.run_program(work, [], name="vinpaint")
"""


def test_a_signal_ends_a_program_in_one_line():
    process = subprocess.Popen([sys.executable, "-c", SLOW], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "begun\n"
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)[1]
    assert said == "\nvinpaint: stopped.\n"
    assert process.returncode == 130


TALK = """
from vinpaint_lib import errors
def work(words):
    for number in range(100000):
        print(number)
errors.run_program(work, [], name="vinpaint")
"""


def test_a_reader_that_has_enough_is_no_fault(reports):
    process = subprocess.Popen([sys.executable, "-c", TALK], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait(60) == 1


def test_several_mistakes_are_a_line_each_and_a_name_with_a_line_break_is_none(capsys):
    def work(words):
        raise UserError("a\nb.mp4: is no film", "c: is none either")

    with pytest.raises(SystemExit):
        errors.run_program(work, [], name="vinpaint")
    assert capsys.readouterr().err == "vinpaint: a\\nb.mp4: is no film\nc: is none either\n"
    assert str(UserError("one", "two")) == "one\ntwo"


def test_a_thread_that_ends_with_a_fault_is_one_line(capsys):
    """As TensorBoard's writer, when no file can be opened any more."""

    def broken():
        raise OSError(errno.EMFILE, "Too many open files", "events")

    def work(words):
        thread = threading.Thread(target=broken)
        thread.start()
        thread.join()

    before = threading.excepthook
    errors.run_program(work, [], name="vinpaint")
    assert threading.excepthook is before
    said = capsys.readouterr().err
    assert said == "vinpaint: note: a thread beside the work ended: [Errno 24] Too many open files: 'events'\n"
