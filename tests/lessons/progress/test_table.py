"""`vinpaint lessons`: what is solved, the points, the minutes left, and what comes next."""

import re
import shutil

import pytest

from tests.lessons.checks.solutions import function_of, sources
from vinpaint_lib.errors import UserError
from vinpaint_lib.lessons import assignments, catalogue, checks, working_copy
from vinpaint_lib.lessons.progress import file, table
from vinpaint_lib.lessons.verdicts import table as verdicts

pytestmark = pytest.mark.slow


def numbers(text, lesson):
    """Solved, exercises, points, most, minutes of a lesson's row."""
    row = next(line for line in text.splitlines() if line.startswith(lesson))
    return [int(word) for word in re.findall(r"\d+", row.partition("  ")[2])]


def test_without_copies_nothing_is_solved_and_a_hint_says_how_to_begin(tmp_path):
    text = table.report(None, root=tmp_path)
    lessons = catalogue.listed()
    assert [numbers(text, each.title)[:4] for each in lessons] == [
        [0, len(each.exercises), 0, each.points] for each in lessons
    ]
    assert numbers(text, "total")[1] == sum(len(each.exercises) for each in lessons)
    assert "begin with `make lab`" in text


def test_solved_exercises_bring_points_and_take_their_minutes_and_those_of_reading(tmp_path):
    file.begin(tmp_path, solutions=False)
    before = table.report(tmp_path)
    file.add(tmp_path, ["inject", "no such exercise"])
    after = table.report(tmp_path)
    lesson = next(each for each in catalogue.listed() if "inject" in each.exercises)
    minutes = next(
        int(table.MINUTES.findall(each.text.source)[0])
        for each in assignments.exercises(table.declared.read(lesson.path))
        if each.name == "inject"
    )
    (solved, _, points, _, left), (_, _, none, _, all_) = numbers(after, lesson.title), numbers(before, lesson.title)
    assert (solved, none) == (1, 0)
    assert points > 0
    assert all_ - left == lesson.minutes + minutes
    assert "Next: 00" in after


def test_when_all_is_solved_no_minute_is_left(tmp_path):
    file.begin(tmp_path, solutions=False)
    file.add(tmp_path, checks.names())
    text = table.report(tmp_path)
    assert numbers(text, "total")[4] == 0
    assert "All exercises are solved." in text


def test_a_check_in_a_notebook_beside_the_file_is_counted(tmp_path, monkeypatch, capsys):
    file.begin(tmp_path, solutions=False)
    monkeypatch.chdir(tmp_path)
    checks.hole_share(function_of("hole_share"))
    with pytest.raises(checks.verdict.Wrong):
        checks.gram(lambda features: features)
    checks.psnr(function_of("psnr", assignments.without_solution(sources()["psnr"][1])))
    assert list(file.read(tmp_path).solved) == ["hole_share"], "neither a wrong answer nor a stub"


def test_vinpaint_check_is_counted_too(tmp_path):
    """Right answers, in any notebook beside the file; without the file none is made."""
    mine = tmp_path / "mine.ipynb"
    shutil.copyfile(catalogue.FOLDER / "00_start_here.ipynb", mine)
    verdicts.check_lesson("00", mine, 60)
    assert not (tmp_path / file.FILE).exists()
    assignments.build([catalogue.FOLDER / "00_start_here.ipynb"], tmp_path)
    assert file.read(tmp_path) == file.Progress({}, False)
    verdicts.check_lesson("00", tmp_path / "00_start_here.ipynb", 60)
    assert file.read(tmp_path).solved == {}
    verdicts.check_lesson("00", mine, 60)
    assert list(file.read(tmp_path).solved) == ["hole_share"]


def test_copies_of_make_lab_hold_solutions_and_their_file_says_so(tmp_path):
    working_copy.lay(tmp_path)
    assert file.read(tmp_path) == file.Progress({}, True)
    name = "hole_share"
    assert file.is_the_same(abs, catalogue.solution(name)) is False
    assert catalogue.solution(name).startswith("def ")
    assert "SOLUTION" not in catalogue.solution(name)
    assert catalogue.solution("none such") == ""


def test_folders_without_a_list_or_lessons_are_refused(tmp_path):
    with pytest.raises(UserError, match=r"progress.json: cannot be read .*; write the copies with `make lab`"):
        table.report(tmp_path)
    with pytest.raises(UserError, match="holds no lessons; run this in the project's folder"):
        table.report(None, tmp_path)
