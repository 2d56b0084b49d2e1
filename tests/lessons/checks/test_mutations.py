"""Changed solutions: none passes without a reason, none gets a sentence about something else.

Here a sample of the changes is tried; with VINPAINT_ALL_MUTATIONS=1 all of them, and the table must be up to date
(`python -m tests.lessons.checks.mutations` writes it).
"""

import os
import re

import pytest

from tests.lessons.checks import changes, mutations
from tests.lessons.checks.solutions import sources
from vinpaint_lib.lessons import checks

pytestmark = pytest.mark.slow

ALL = bool(os.environ.get("VINPAINT_ALL_MUTATIONS"))
SAMPLE = 25  # changes of each solution, spread over all kinds


@pytest.mark.parametrize("name", checks.names())
def test_changed_solutions_are_caught_or_pass_with_a_reason(name):
    every = mutations.mutants(sources()[name][1])
    assert len(every) >= mutations.FEWEST
    step = 1 if ALL else max(1, len(every) // SAMPLE)
    bad = []
    for mutant in every[::step]:
        outcome = mutations.judged(name, mutant)
        if outcome.verdict == "wrong sentence" or not outcome.words:
            bad.append(f"{mutant.kind}: {mutant.what}: {outcome.verdict} {outcome.words}")
    assert not bad, "\n".join(bad)


def test_there_are_at_least_25_kinds_of_change_and_all_apply_somewhere():
    assert len(changes.ALL) >= 25
    used = {mutant.kind for _, source in sources().values() for mutant in mutations.mutants(source)}
    assert used == set(changes.ALL)


@pytest.mark.parametrize("name", checks.names())
def test_the_table_holds_every_change_and_nothing_unexplained(name):
    rows = [row for row in mutations.TABLE.read_text(encoding="utf-8").splitlines() if row.startswith(f"| {name} | ")]
    count, caught, passed, wrong = map(int, re.findall(r"\d+", rows[0].partition(name)[2]))
    listed = [re.split(r"(?<!\\) \| ", row.strip("| "))[1:3] for row in rows[1:]]
    wanted = [[m.kind, f"`{m.what}`".replace("|", "\\|")] for m in mutations.mutants(sources()[name][1])]
    assert listed == wanted, "write the table anew: python -m tests.lessons.checks.mutations"
    assert (count, wrong) == (len(wanted), 0)
    assert caught + passed == count


def test_a_check_that_accepts_everything_is_noticed(monkeypatch):
    monkeypatch.setattr(mutations, "verdict_on", lambda name, function: "")
    mutant = next(each for each in mutations.mutants(sources()["gram"][1]) if each.kind == "factor")
    assert mutations.judged("gram", mutant) == ("passed", "")
