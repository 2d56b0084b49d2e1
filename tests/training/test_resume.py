"""Which runs are the same: what may differ, with a note where it matters, and what is refused with both values."""

import json
import warnings
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from vinpaint_lib.errors import UserError
from vinpaint_lib.systems import registry
from vinpaint_lib.training.resume import Run, check_same
from vinpaint_lib.training.schedule import Schedule, Stage, learning_rate, of_length


@dataclass(frozen=True)
class Staged(Schedule):
    stages: tuple[Stage, ...] = field(default=(Stage(40), Stage(100)))


PRESET = Staged(steps=100, warmup=10, peak=1e-3, drops=(50, 80), weights={"L": 1.0})
RUN = Run("sttn", "tiny", PRESET, "videos:/a/clips", ("x", "y"), 3, 1)
CONTENT = {"train": "0123", "held back": "4567"}
PATH = Path("out/state.pt")


def compared(run=RUN, *, step=60, content=None, batch_norm=False, old=RUN, known=CONTENT):
    state = {"run": old.stored(), "step": step} | ({} if known is None else {"content": known})
    return check_same(PATH, state, run, CONTENT if content is None else content, batch_norm=batch_norm)


@pytest.mark.parametrize(
    "run",
    [
        RUN,
        replace(RUN, data="videos:/moved/clips"),
        replace(RUN, data='videos:"clips"'),
        replace(RUN, preset_name="laptop"),
        replace(RUN, held_back=("y", "x")),
        replace(RUN, preset=replace(PRESET, checkpoint=1, validate=7)),
    ],
)
def test_what_changes_no_number_goes_on_without_a_word(run):
    assert compared(run) == []


@pytest.mark.parametrize("name", sorted(registry.SYSTEMS))
@pytest.mark.parametrize("steps", [7, 50, 333])
def test_every_system_goes_on_with_another_number_of_steps(name, steps):
    """Stages and drops move with the length, and come with it."""
    for label, preset in registry.presets(name).items():
        old = Run(name, label, of_length(preset, 100), "toy", (), 0, 1)
        (note,) = compared(replace(old, preset=of_length(preset, steps)), old=old, step=5)
        assert f"goes on from step 5 to {steps} in place of 100" in note


def test_the_note_says_both_learning_rates():
    plain = replace(PRESET, drops=(), stages=())
    old = replace(RUN, preset=plain)
    (note,) = compared(replace(old, preset=of_length(plain, 200)), old=old, step=100)
    before, now = learning_rate(plain, 99), learning_rate(of_length(plain, 200), 100)
    assert f"({now:.3g}, where it was {before:.3g})" in note
    assert now > 10 * before
    assert "\n" not in note


@pytest.mark.parametrize(
    "run, said",
    [
        (replace(RUN, seed=5), "seed was 3 and is 5 now"),
        (replace(RUN, model="combcn"), "model was sttn and is combcn now"),
        (replace(RUN, held_back=()), "held_back was x,y and is none now"),
        (replace(RUN, preset=replace(PRESET, peak=2e-3)), "preset.peak was 0.001 and is 0.002 now"),
        (replace(RUN, preset=replace(PRESET, batch=4)), "preset.batch was 2 and is 4 now"),
        (replace(RUN, preset=replace(PRESET, weights={"L": 2.0})), "preset.weights.L was 1.0 and is 2.0 now"),
        (replace(RUN, preset=replace(PRESET, weights={"L": 1.0, "M": 1.0})), "preset.weights.M was not set and is 1.0"),
        (replace(RUN, preset=replace(PRESET, drops=(50,))), "preset.drops.1 was 80 and is not set now"),
        (
            replace(RUN, preset=replace(PRESET, stages=(Stage(40), Stage(90)))),
            "preset.stages.1.until was 100",
        ),
        (
            replace(RUN, seed=5, preset=replace(PRESET, blocks=9)),
            "seed was 3 and is 5 now; preset.blocks was 272 and is 9",
        ),
        (replace(RUN, seed=5, preset=of_length(PRESET, 200)), "seed was 3 and is 5 now"),
        (replace(RUN, preset=replace(of_length(PRESET, 200), peak=1.0)), "preset.peak was 0.001 and is 1.0 now"),
    ],
)
def test_what_decides_the_numbers_is_refused_with_both_values(run, said):
    with pytest.raises(UserError, match="belongs to a run with other settings") as error:
        compared(run)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_other_clips_are_refused_wherever_they_lie():
    other = CONTENT | {"train": "ffff"}
    with pytest.raises(UserError, match=r"data was videos:/a/clips and is photos:b now"):
        compared(replace(RUN, data="photos:b"), content=other)
    with pytest.raises(UserError, match=r"data was other files and is those in videos:/a/clips now"):
        compared(content=other)
    with pytest.raises(UserError, match=r"\(held_back was x,y and is none now\)"):
        compared(replace(RUN, held_back=()), content={"train": "ffff"})


def test_an_old_state_that_does_not_know_its_clips_goes_on_from_the_same_words():
    assert compared(known=None) == []
    with pytest.raises(UserError, match="data was videos:/a/clips and is videos:/b/clips now"):
        compared(replace(RUN, data="videos:/b/clips"), known=None)


def test_fewer_steps_than_are_done_leave_nothing_to_do_and_others_go_on():
    shorter = replace(RUN, preset=of_length(PRESET, 50))
    (note,) = compared(shorter)
    assert "60 steps are done already, and nothing is left to do for --steps 50" in note
    (note,) = compared(shorter, step=50)
    assert "goes on from step 50 to 50" in note


def test_processes_may_differ_unless_there_is_batch_norm():
    two = replace(RUN, processes=2)
    (note,) = compared(two)
    assert "goes on with 2 processes in place of 1" in note
    with pytest.raises(UserError, match="processes was 1 and is 2 now"):
        compared(two, batch_norm=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert compared(batch_norm=True) == []


def test_another_form_of_the_network_is_refused_with_both_values():
    plain, other = replace(RUN, config={"blocks": 1}), replace(RUN, config={"blocks": 1, "parts": (12,)})
    assert compared(other, old=other) == []
    with pytest.raises(UserError, match=r"config\.parts was not set and is \[12\] now"):
        compared(other, old=plain)
    with pytest.raises(UserError, match=r"config\.blocks was 1 and is not set now"):
        compared(RUN, old=plain)


def test_a_state_of_before_has_no_changes_of_the_network():
    old = json.loads(RUN.stored())
    del old["config"]
    assert (
        check_same(PATH, {"run": json.dumps(old), "step": 3, "content": CONTENT}, RUN, CONTENT, batch_norm=False) == []
    )
