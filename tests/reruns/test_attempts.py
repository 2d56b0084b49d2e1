"""Runs on this machine: nothing is half, nothing is finished twice, whatever dies or is stopped."""

import json
import os
import signal

import pytest

from tests.reruns import stub
from tests.reruns.stub import alive, call, drafts, journal, runs_in, wait_for, write_grid
from vinpaint_lib.errors import UserError
from vinpaint_lib.reruns import attempt, names
from vinpaint_lib.reruns.attempt import FAILED, RUN, Session, Task, finish

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_what_is_stopped_in_the_middle_goes_on(tmp_path, how):
    grid, out = write_grid(tmp_path, 1.5, 5), tmp_path / "out"
    first = call(grid, "--out", out, "--workers", 2)
    wait_for(lambda: len(journal(tmp_path)) >= 3)  # one is done, others go on
    first.send_signal(how)
    said = first.communicate()[1]
    before = runs_in(out)
    assert 1 <= len(before) < 5
    assert all(json.loads((out / name / RUN).read_text())["status"] == "done" for name in before)
    wait_for(lambda: not any(alive(own) for _, _, own in journal(tmp_path)))
    if how == signal.SIGINT:
        assert first.returncode == 130
        assert f"stopped: {len(before)} of 5 runs are done and kept in {out}; the same command goes on" in said
        assert drafts(out) == []
        assert "not run" in (out / "results.csv").read_text()
    began = len(journal(tmp_path))
    second = call(grid, "--out", out, "--workers", 2)
    printed, said = second.communicate()
    assert second.returncode == 0, said
    assert printed.split() == [str(out / "results.csv"), str(out / "results.html")]
    assert f"5 of 5 runs are done ({len(before)} were before)" in said
    assert len(runs_in(out)) == 5
    assert len(journal(tmp_path)) - began == 5 - len(before), "what is done is not run again"
    assert drafts(out) == []
    for name in runs_in(out):
        assert (out / name / "made").is_file()


def test_failures_are_kept_and_made_again_when_asked(tmp_path):
    grid, out = write_grid(tmp_path, 0, 2, "  fail: [true, false]\n"), tmp_path / "out"
    for words, began in [((), 4), ((), 4), (("--retry",), 6)]:
        done = call(grid, "--out", out, "--workers", 2, *words)
        said = done.communicate()[1]
        assert done.returncode == 1, said
        assert "2 of 4 runs are done" in said
        assert ("2 failed before (--retry" in said) == (began == 4 and "told to fail" not in said)
        assert len(journal(tmp_path)) == began
        assert len(runs_in(out)) == len(runs_in(out / FAILED)) == 2
    for name in runs_in(out / FAILED):
        assert json.loads((out / FAILED / name / RUN).read_text())["error"] == "told to fail"


def attempt_folder(out, name, number, status):
    folder = out / f".{name}.{number:08x}.part"
    folder.mkdir()
    (folder / RUN).write_text(json.dumps({"status": status, "error": "", "number": number}))
    (folder / "a.ipynb").write_text(f'"{folder}/made"')
    return folder


def test_who_comes_second_changes_nothing(tmp_path):
    done, failed = tmp_path / "a-1", tmp_path / FAILED / "a-1"

    def number(folder):
        return json.loads((folder / RUN).read_text())["number"]

    finish(attempt_folder(tmp_path, "a-1", 1, "failed"), failed, done)
    assert (number(failed), (failed / "a.ipynb").read_text()) == (1, f'"{failed}/made"')
    finish(attempt_folder(tmp_path, "a-1", 2, "failed"), failed, done)
    assert number(failed) == 2
    finish(tmp_path / ".a-1.0000000f.part", failed, done)  # was cleared away
    assert number(failed) == 2
    finish(attempt_folder(tmp_path, "a-1", 3, "done"), done, done)
    assert (number(done), (done / "a.ipynb").read_text()) == (3, f'"{done}/made"')
    assert not failed.parent.exists()
    finish(attempt_folder(tmp_path, "a-1", 4, "done"), done, done)
    finish(attempt_folder(tmp_path, "a-1", 5, "failed"), failed, done)
    assert number(done) == 3
    assert [path.name for path in tmp_path.iterdir()] == ["a-1"]


@pytest.mark.usefixtures("_stubbed")
def test_a_process_that_dies_is_a_failure_with_its_signal(tmp_path):
    write_grid(tmp_path, 60, 1)
    session = Session(tmp_path / ".session.json", tmp_path / "a.ipynb")
    session.open()
    going = attempt.Attempt(Task("a-1", {"journal": str(tmp_path), "seconds": 60}), session.file)
    (_, parent, own) = wait_for(lambda: journal(tmp_path))[0]
    assert parent == os.getpid()
    os.kill(own, signal.SIGKILL)
    outcome = wait_for(going.ended)
    assert (outcome.name, outcome.status) == ("a-1", "failed")
    assert "ended by signal 9" in outcome.sentence
    assert runs_in(tmp_path / FAILED) == ["a-1"]


@pytest.mark.usefixtures("_stubbed")
def test_a_worker_that_cannot_make_the_runs_says_why(tmp_path, monkeypatch):
    write_grid(tmp_path, 0, 1)
    session = Session(tmp_path / ".session.json", tmp_path / "a.ipynb")
    session.open()
    task = Task("a-1", {"journal": str(tmp_path), "seconds": 0})
    with pytest.raises(UserError, match=r"does not see .*elsewhere: put --out on a disk that all machines share"):
        attempt.work(task, tmp_path / "elsewhere" / ".session.json")
    monkeypatch.setattr(names, "surroundings", lambda: {**stub.AROUND, "commit": "1" * 40})
    names.library.cache_clear()
    with pytest.raises(UserError, match=f"has vinpaint {'1' * 40}, the grid has {'0' * 40}: start its worker from"):
        attempt.work(task, session.file)
    assert not journal(tmp_path)
    session.close()
    assert attempt.work(task, session.file).status == "stopped", "the call is over, and its runs with it"
