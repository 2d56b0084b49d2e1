"""Reading questions: those at the end of each lesson, and the model answers that the graders get (`reading.md`)."""

import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

from vinpaint_lib.errors import UserError

SHEET = Path(__file__).with_name("reading.md")
QUESTIONS = re.compile(r"\*\*Questions for reading\.\*\*\n+((?:\d+\. .*(?:\n|$))+)")
NUMBERED = re.compile(r"^(\d+)\. (.+)$", re.MULTILINE)
ANSWERED = re.compile(r"\s*\*\(.*\)\*$")  # an answer that the lesson itself gives behind its question
POINTS = 2
RULE = (
    "2 points: what the model answer says, or another answer that holds, with its reason. 1 point: the right answer "
    "without a reason, or a good reason with a wrong end. 0 points: neither, or an answer to another question."
)


class Question(NamedTuple):
    """A reading question: its number in the lesson, its text, and the model answer."""

    number: int
    text: str
    answer: str


def taken_out(source: str) -> tuple[str, list[tuple[int, str]]]:
    """A cell's text without its reading questions, and the questions by number, without answers behind them."""
    found = QUESTIONS.search(source)
    if found is None:
        return source, []
    asked = [(int(number), ANSWERED.sub("", text)) for number, text in NUMBERED.findall(found[1])]
    return (source[: found.start()] + source[found.end() :].lstrip("\n")).strip(), asked


def with_answers(lesson: str, asked: list[tuple[int, str]]) -> list[Question]:
    """The questions of a lesson with their model answers. Raises UserError if the sheet lacks one, or has one more."""
    known = sheet().get(lesson[:2], {})
    if sorted(known) != sorted(number for number, _ in asked):
        raise UserError(
            f"{lesson}: asks {len(asked)} reading questions, and {SHEET.name} answers {sorted(known)} of it: write the "
            "answers that are missing there"
        )
    return [Question(number, text, known[number]) for number, text in asked]


@cache
def sheet() -> dict[str, dict[int, str]]:
    """The model answers: number of the lesson -> number of the question -> answer."""
    parts = re.split(r"^## (\d\d)\b.*$", SHEET.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    return {
        lesson: {int(number): answer for number, answer in NUMBERED.findall(body)}
        for lesson, body in zip(parts[::2], parts[1::2])
    }
