"""Mechanical changes to the exercises' solutions, and what the checks say to each.

    python -m tests.lessons.checks.mutations            # all changes; writes mutations.md beside this file

A change is caught with a sentence, or passes with a reason (`reasons.py`). For some kinds of change it is known what
the sentence must speak of (`SPEAKS`); another sentence is a wrong one. The table holds every change.
"""

import ast
import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

from tests.lessons.checks import changes
from tests.lessons.checks.reasons import reason_for
from tests.lessons.checks.solutions import function_of, sources, verdict_on

TABLE = Path(__file__).with_name("mutations.md")
FEWEST = 25  # changes of each solution


class Mutant(NamedTuple):
    """One change: its kind, what was changed in a few words, and the whole source."""

    kind: str
    what: str
    source: str


class Outcome(NamedTuple):
    """caught, passed or wrong sentence; the check's sentence, or the reason why the change may pass ("" if none)."""

    verdict: str
    words: str


SPEAKS = {  # kind -> what the sentence must hold
    "gradient cut": r"gradient|requires_grad|\.item|returns a",
    "gradient rebuilt": r"gradient|requires_grad|returns a",
    "argument cut from the gradient": "gradient|stops with",
    "changes an argument": "changes one of its arguments|stops with",
    "type of numbers": r"type|returns an? |value \d of what",
    "an array or a list": r"returns an? ",
    "another kind": r"returns an? |value \d of what|sizes|entries|indices|each entry",
    "not finite": r"finite|nan|NaN|inf|stops with|returns|value|are known as|infinity",
    "one axis more": r"shape|axes|axis|returns|stops|come|for each|as it is|two tensors",
}


@cache
def mutants(source: str) -> list[Mutant]:
    """Every change that applies to a function, each text once."""
    tree = ast.parse(source)
    function = tree.body[0]
    assert isinstance(function, ast.FunctionDef)
    seen, found = {ast.unparse(tree)}, []
    for kind, change in changes.ALL.items():
        for node in [function, *changes.body_nodes(function)]:
            for what in change(function, node):  # the tree is changed while the change waits
                text = ast.unparse(tree)
                if text not in seen:
                    seen.add(text)
                    found.append(Mutant(kind, what, text))
    assert ast.unparse(tree) == ast.unparse(ast.parse(source)), "a change was not undone"
    return found


def judged(name: str, mutant: Mutant) -> Outcome:
    """What the check of an exercise says to a change."""
    try:
        function = function_of(name, mutant.source)
        sentence = verdict_on(name, function)
    except SyntaxError as error:
        sentence = f"python says: {error.msg}"
    if not sentence:
        return Outcome("passed", reason_for(name, mutant.kind, mutant.what))
    fits = re.search(SPEAKS.get(mutant.kind, ""), sentence)
    return Outcome("caught" if fits else "wrong sentence", sentence)


def table(names: list[str]) -> tuple[str, list[str]]:
    """The table in markdown, and the lines that may not stand in it: passes without a reason, wrong sentences."""
    rows, bad, counts = [], [], []
    for name in names:
        tally = {"caught": 0, "passed": 0, "wrong sentence": 0}
        for mutant in mutants(sources()[name][1]):
            outcome = judged(name, mutant)
            tally[outcome.verdict] += 1
            cells = name, mutant.kind, f"`{mutant.what}`", outcome.verdict, outcome.words
            row = "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
            rows.append(row)
            if outcome.verdict == "wrong sentence" or not outcome.words:
                bad.append(row)
        counts.append(f"| {name} | {sum(tally.values())} | " + " | ".join(str(x) for x in tally.values()) + " |")
    heads = (
        "| exercise | changes | caught | passed with a reason | wrong sentence |\n|---|---|---|---|---|",
        "| exercise | kind of change | what | verdict | sentence, or reason |\n|---|---|---|---|---|",
    )
    about = "# What the checks say to changed solutions\n\nWritten by `python -m tests.lessons.checks.mutations`.\n"
    return "\n".join([about, heads[0], *counts, "", heads[1], *rows]) + "\n", bad


if __name__ == "__main__":
    text, missing = table(list(sources()))
    TABLE.write_text(text, encoding="utf-8")
    print(*missing, f"{len(missing)} rows without a reason, or with a wrong sentence", sep="\n")
