"""`vinpaint ablate` on the command line: its options and back, and what it refuses before anything is trained."""

import shlex
from pathlib import Path

import pytest

from vinpaint_lib import cli
from vinpaint_lib.comparison.ablations import retrained, run
from vinpaint_lib.comparison.ablations.asked import Ablating
from vinpaint_lib.comparison.ablations.forms import chosen
from vinpaint_lib.errors import UserError
from vinpaint_lib.systems import registry


@pytest.fixture
def seen(monkeypatch):
    found = []
    monkeypatch.setattr(run, "ablate", lambda asked, *_: found.append(asked) or True)
    return found


def test_options_become_an_ablation_and_its_command_gives_them_again(seen):
    text = (
        "ablate sttn --score davis:a --out runs/a --variants 'one block,mask dropped' --preset tiny --steps 7 "
        "--data toy,videos:b --held-back room --seed 3 --seeds 2 --weights w.safetensors --masks stationary,fvi:m "
        "--protocol paper --size 384x256 --limit None --clips dog --device cpu"
    )
    cli.main(shlex.split(text))
    (asked,) = seen
    assert asked == Ablating(
        name="sttn",
        out=Path("runs/a"),
        score="davis:a",
        variants=["one block", "mask dropped"],
        preset="tiny",
        steps=7,
        data="toy,videos:b",
        held_back=["room"],
        seed=3,
        seeds=2,
        weights=Path("w.safetensors"),
        masks=["stationary", "fvi:m"],
        protocol="paper",
        size=(256, 384),
        limit=None,
        clips=["dog"],
    )
    cli.main(shlex.split(run.command(asked))[1:])
    assert seen[1] == asked
    cli.main(shlex.split("ablate sttn --switches --score toy --out a.jsonl --device cpu"))
    cli.main(shlex.split(run.command(seen[2]))[1:])
    assert seen[3] == seen[2]
    assert seen[2].switches


def test_a_broken_cell_gives_exit_code_2(monkeypatch):
    monkeypatch.setattr(run, "ablate", lambda *_: False)
    with pytest.raises(SystemExit) as ended:
        cli.main(["ablate", "sttn", "--score", "toy", "--out", "a"])
    assert ended.value.code == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("painter --score toy --out a", "ablate painter: is no system with parts to take away; use one of tgfnet"),
        ("dfvi --switches --score toy --out a.jsonl", "ablate dfvi: is no system with parts to take away"),
        ("sttn --score toy --out a", "--score toy: holds clips that the forms are trained on"),
        ("sttn --score toy --held-back coffee --clips rocket --out a", "--score toy: holds clips that the forms are"),
        ("sttn --score toy --held-back coffee --variants none --out a", "--variants none: is no form of this system"),
        ("sttn --score toy --held-back coffee --preset none --out a", "unknown preset 'none'"),
        ("sttn --score toy --held-back coffee --steps 0 --out a", "--steps 0: leaves nothing to train"),
        ("sttn --score davis:nowhere --out a", "nowhere"),
        ("sttn --score toy --held-back coffee --masks none --out a", "--masks none: is not known"),
        ("sttn --score toy --held-back coffee --seeds 0 --out a", "--seeds 0: trains nothing"),
        ("sttn --switches --score toy --out a", "--out a: cannot hold the results of --switches"),
        ("sttn --switches --score toy --steps 3 --out a.jsonl", "--switches: trains nothing; leave --steps"),
        ("sttn --switches --score toy --variants none --out a.jsonl", "--variants none: is no form of this system"),
    ],
)
def test_refused_in_one_sentence_and_nothing_is_written(words, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        cli.main(["ablate", *shlex.split(words), "--device", "cpu"])
    assert ended.value.code == 2
    assert said in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_held_back_clips_of_the_training_data_are_the_only_ones_that_are_scored():
    asked = Ablating("sttn", Path("a"), "toy", data="toy*2,videos:b", held_back=["coffee", "rocket"])
    assert retrained.scored_clips(asked) == ["coffee", "rocket"]
    assert list(retrained.scored_clips(Ablating("sttn", Path("a"), "toy", data="videos:b"))) == []


def test_a_variant_that_changes_nothing_of_the_preset_is_left_out_with_a_note():
    told = []
    asked = Ablating("sttn", Path("a"), "toy", variants=["not adversarial", "one block"])
    forms = retrained.forms(asked, 0, told.append)
    assert [form.name for form in forms] == ["full", "one block"]
    assert told == ["not adversarial is left out: it changes nothing of the preset laptop"]
    assert forms[1].run.config == {"blocks": 1}
    assert forms[1].training.out == Path("a/one-block-seed0")


def test_names_become_folders_that_differ():
    for system in registry.KNOWN.values():
        slugs = [retrained.slug(variant.name) for variant in system.retrained]
        assert len(set(slugs)) == len(slugs)
    assert retrained.slug("scales 1/2 and 1/4") == "scales-1-2-and-1-4"


def test_the_full_form_always_takes_part():
    forms = registry.KNOWN["sttn"].retrained
    assert [form.name for form in chosen(forms, ["one block"], "full")] == ["full", "one block"]
    assert chosen(forms, [], "full") == list(forms)
    with pytest.raises(UserError, match="choose among full"):
        chosen(forms, ["two blocks"], "full")
