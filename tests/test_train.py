"""Training: repeatable, resumable to the bit, the same in two processes, stops on NaN, says what is wrong."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from vinpaint_lib import checkpoints, train
from vinpaint_lib.datasets.parse import parse_source
from vinpaint_lib.errors import UserError
from vinpaint_lib.files import hidden
from vinpaint_lib.holes import mix
from vinpaint_lib.places import claimed
from vinpaint_lib.systems.registry import build
from vinpaint_lib.systems.tgfnet import recipe
from vinpaint_lib.systems.tgfnet.model import TGFNet, Trainable
from vinpaint_lib.systems.tgfnet.network import CONFIGS
from vinpaint_lib.systems.tgfnet.samples import TargetPool
from vinpaint_lib.training import loop, schedule
from vinpaint_lib.training.loop import LOG, STATE, WEIGHTS

pytestmark = pytest.mark.slow

SPEC = replace(recipe.PRESETS["tiny"].spec, crop=32, height=(48, 48), length=6, reach=4)


def run(out: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, **options) -> Path:
    monkeypatch.setenv("VINPAINT_CACHE", str(cache))
    overrides = {"spec": SPEC, "batch": 2, **options.pop("overrides", {})}
    defaults = {"seed": 0, "device": "cpu", "workers": 0}
    return train.train(train.Training("tgfnet", "tiny", out, overrides=overrides, **{**defaults, **options}))


def program(out: Path, overrides: dict) -> str:
    """A script that starts the same run in a process of its own, with as many threads as here."""
    return f"""
from dataclasses import replace
from pathlib import Path
import torch
from vinpaint_lib import train
from vinpaint_lib.systems.tgfnet import recipe
torch.set_num_threads({torch.get_num_threads()})
spec = replace(recipe.PRESETS["tiny"].spec, crop=32, height=(48, 48), length=6, reach=4)
overrides = {{"spec": spec, **{overrides!r}}}
train.train(train.Training("tgfnet", "tiny", Path({str(out)!r}), device="cpu", workers=0, overrides=overrides))
"""


def losses_of(out: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (out / LOG).read_text().splitlines()]


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("samples")


@pytest.fixture(scope="module")
def whole(tmp_path_factory, cache):
    out = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        run(out, cache, patch)
    return out


def test_a_run_leaves_log_pictures_tensorboard_and_weights(whole):
    assert len(losses_of(whole)) == recipe.PRESETS["tiny"].steps
    assert list((whole / "samples").glob("*.png"))
    assert list((whole / "tensorboard").glob("events*"))
    provenance = checkpoints.read_provenance(whole / WEIGHTS)
    assert provenance["step"] == recipe.PRESETS["tiny"].steps
    assert provenance["run"]["seed"] == 0
    assert build("tgfnet", whole / WEIGHTS).config.copy


def test_the_seed_decides(whole, cache, tmp_path, monkeypatch):
    run(tmp_path / "same", cache, monkeypatch)
    run(tmp_path / "other", cache, monkeypatch, seed=1, steps=3)
    assert losses_of(tmp_path / "same") == losses_of(whole)
    assert losses_of(tmp_path / "other")[:3] != losses_of(whole)[:3]


@pytest.mark.parametrize("stop", [1, 2, 5])
def test_stopped_and_resumed_ends_bit_identical(whole, cache, tmp_path, monkeypatch, stop):
    run(tmp_path, cache, monkeypatch, stop_after=stop)
    run(tmp_path, cache, monkeypatch)
    assert losses_of(tmp_path) == losses_of(whole)
    one, two = (checkpoints.load_state(out / STATE) for out in (whole, tmp_path))
    for part in ("model", "average"):
        assert all(torch.equal(one[part][name], two[part][name]) for name in one[part])
    moments = one["optimiser"]["state"]
    assert all(torch.equal(moments[k][m], two["optimiser"]["state"][k][m]) for k in moments for m in moments[k])


def test_a_deadline_stops_between_steps_and_the_run_goes_on(whole, cache, tmp_path, monkeypatch):
    """The deadline is over in the third look at the clock, the one after the second step."""
    looks = []
    with monkeypatch.context() as patch:
        patch.setattr(loop, "passed", lambda deadline: looks.append(deadline) or len(looks) > 2)
        run(tmp_path, cache, monkeypatch, deadline=1800.0, overrides={"checkpoint": 100})
    assert looks == [1800.0] * 3
    assert checkpoints.load_state(tmp_path / STATE)["step"] == len(losses_of(tmp_path)) == 2
    assert checkpoints.read_provenance(tmp_path / WEIGHTS)["step"] == 2
    run(tmp_path, cache, monkeypatch, deadline=time.monotonic() - 1, overrides={"checkpoint": 100})
    assert len(losses_of(tmp_path)) == 2  # over before a step could begin
    run(tmp_path, cache, monkeypatch, deadline=time.monotonic() + 3600, overrides={"checkpoint": 100})
    assert losses_of(tmp_path) == losses_of(whole)


def test_several_processes_have_no_deadline(cache, tmp_path, monkeypatch):
    class Two:
        num_processes = 2

    monkeypatch.setattr(train, "accelerator_on", lambda device: Two())
    with pytest.raises(UserError, match="2 processes would not stop at the same step"):
        run(tmp_path, cache, monkeypatch, deadline=0.0)


def test_killed_at_any_moment_and_resumed_ends_bit_identical(whole, cache, tmp_path, monkeypatch):
    """SIGKILL behind the first log line, wherever that finds the run; the state is the last whole one."""
    script = program(tmp_path, {"batch": 2, "checkpoint": 1})
    process = subprocess.Popen([sys.executable, "-c", script], env={**os.environ, "VINPAINT_CACHE": str(cache)})
    deadline = time.monotonic() + 120
    while process.poll() is None and not (tmp_path / STATE).exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    run(tmp_path, cache, monkeypatch, overrides={"checkpoint": 1})
    assert losses_of(tmp_path) == losses_of(whole)
    one, two = (checkpoints.load_state(out / STATE) for out in (whole, tmp_path))
    assert all(torch.equal(one["model"][name], two["model"][name]) for name in one["model"])


def test_two_processes_give_the_curve_of_one(whole, cache, tmp_path):
    """torchrun with gloo, global batch 2 as one sample each. Tolerance 1e-3 relative: sums in another order."""
    script = tmp_path / "two.py"
    script.write_text(program(tmp_path / "two", {"batch": 2}))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", str(script)]
    environment = {**os.environ, "VINPAINT_CACHE": str(cache), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    assert losses_of(tmp_path / "two") == pytest.approx(losses_of(whole), rel=1e-3)


def test_a_loss_that_stays_nan_ends_the_run_with_a_sentence(cache, tmp_path, monkeypatch):
    real = recipe.compute_losses

    def broken(*arguments):
        return {name: term * float("nan") for name, term in real(*arguments).items()}

    monkeypatch.setattr(recipe, "compute_losses", broken)
    monkeypatch.setattr(loop, "PATIENCE", 3)
    with pytest.raises(UserError, match="not finite for 3 steps"):
        run(tmp_path, cache, monkeypatch)


def test_one_bad_step_is_skipped_and_training_goes_on(cache, tmp_path, monkeypatch):
    real, count = recipe.compute_losses, []

    def broken_once(*arguments):
        count.append(1)
        factor = float("nan") if len(count) == 2 else 1.0
        return {name: term * factor for name, term in real(*arguments).items()}

    monkeypatch.setattr(recipe, "compute_losses", broken_once)
    run(tmp_path, cache, monkeypatch)
    state = checkpoints.load_state(tmp_path / STATE)
    assert all(torch.isfinite(value).all() for value in state["model"].values())


@pytest.mark.parametrize(
    ("model", "preset", "data", "sentence"),
    [
        ("nonet", "tiny", "toy", "no training recipe"),
        ("tgfnet", "huge", "toy", "unknown preset"),
        ("tgfnet", "tiny", "videos:/nowhere/at/all", "nowhere"),
    ],
)
def test_wrong_words_are_sentences(tmp_path, model, preset, data, sentence):
    with pytest.raises(UserError, match=sentence):
        train.train(train.Training(model, preset, tmp_path / "out", data=data, workers=0))


FEATURES = {"weights": {"L_py": 1.0, "L_perc": 0.01, "L_style": 24.0}}


def test_losses_of_features_refuse_to_be_left_out_silently(cache, tmp_path, monkeypatch):
    """Nothing is made before the refusal. Asked for, it trains, and the header of the weights says what is missing."""
    monkeypatch.setattr(recipe, "find_features", lambda kind: None)
    with pytest.raises(UserError, match=r"need a feature network, .*get vgg16.*--without-features"):
        run(tmp_path / "refused", cache, monkeypatch, overrides=FEATURES)
    assert not (tmp_path / "refused" / STATE).exists()
    weights = run(tmp_path / "asked", cache, monkeypatch, overrides=FEATURES | {"steps": 1}, without_features=True)
    provenance = checkpoints.read_provenance(weights)
    assert provenance["feature_net"].startswith("none, as asked")
    assert provenance["run"]["preset"]["without_features"]


COMPILED = """
import torch
plain = torch.nn.Module.compile
def eager(part):
    print("compiled", type(part).__name__)
    plain(part, backend="eager")
torch.nn.Module.compile = eager
"""


def test_a_compiled_network_trains_to_the_same_weights(whole, cache, tmp_path):
    """torch.compile without its code generator ("eager"), which takes minutes and a C++ compiler; in a process without
    the shape checks, which it cannot trace. Tolerance 1e-6."""
    script = COMPILED + program(tmp_path, {"batch": 2}).replace("workers=0,", "workers=0, compiled=True,")
    environment = {**os.environ, "VINPAINT_CACHE": str(cache)}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.splitlines()[0] == "compiled Trainable"
    one, two = (checkpoints.load_state(out / STATE)["model"] for out in (whole, tmp_path))
    assert all(torch.allclose(one[name], two[name], atol=1e-6) for name in one)
    assert build("tgfnet", tmp_path / WEIGHTS).config.copy


@pytest.mark.parametrize("holes", [{"rectangle": 1.0}, {"object": 1.0, "irregular": 2.0}])
def test_holes_are_those_that_were_asked_for(tmp_path, monkeypatch, holes):
    """In all samples and stages, and in the header of the weights."""
    drawn = []
    real = mix.draw
    monkeypatch.setattr(mix, "draw", lambda kinds, *rest: drawn.append(dict(kinds)) or real(kinds, *rest))
    monkeypatch.setenv("VINPAINT_CACHE", str(tmp_path))
    for model in ("tgfnet", "align_attend"):
        weights = train.train(
            train.Training(model, "tiny", tmp_path / model, holes=holes, device="cpu", workers=0, stop_after=2)
        )
        assert checkpoints.read_provenance(weights)["run"]["preset"]["spec"]["holes"] == holes
    assert drawn
    assert all(kinds == holes for kinds in drawn)


def test_a_system_without_losses_of_features_says_so(tmp_path):
    with pytest.raises(UserError, match="--without-features: sttn has no losses of features"):
        train.train(train.Training("sttn", "tiny", tmp_path / "out", without_features=True, workers=0))


def test_a_fresh_run_begins_a_fresh_log(whole, cache, tmp_path, monkeypatch):
    """Neither log lines, pictures nor the state of the run before are left, and a resumed one is the fresh one's."""
    run(tmp_path, cache, monkeypatch, seed=1)
    run(tmp_path, cache, monkeypatch, resume=False, stop_after=0)
    assert losses_of(tmp_path) == []
    assert not list((tmp_path / "samples").iterdir())
    assert not (tmp_path / STATE).exists()
    run(tmp_path, cache, monkeypatch)
    assert losses_of(tmp_path) == losses_of(whole)


def test_a_log_without_a_state_is_begun_anew(whole, cache, tmp_path, monkeypatch):
    """As a run leaves it that was killed before its first checkpoint."""
    (tmp_path / LOG).write_text((whole / LOG).read_text())
    run(tmp_path, cache, monkeypatch)
    assert losses_of(tmp_path) == losses_of(whole)


def test_a_state_of_another_run_is_refused(whole, cache, tmp_path, monkeypatch):
    run(tmp_path, cache, monkeypatch, stop_after=1)
    with pytest.raises(UserError, match=r"belongs to a run with other settings \(seed was 0 and is 5 now\)"):
        run(tmp_path, cache, monkeypatch, seed=5)


def test_more_steps_go_on_with_a_note(whole, cache, tmp_path, monkeypatch):
    """The first steps are those of the short run, and the others have the long run's learning rates."""
    done = recipe.PRESETS["tiny"].steps
    shutil.copytree(whole, tmp_path / "more")
    with pytest.warns(UserWarning, match=f"goes on from step {done} to {done + 2} in place of {done}"):
        run(tmp_path / "more", cache, monkeypatch, steps=done + 2)
    assert losses_of(tmp_path / "more")[:done] == losses_of(whole)
    rates = [json.loads(line)["lr"] for line in (tmp_path / "more" / LOG).read_text().splitlines()]
    longer = schedule.of_length(recipe.PRESETS["tiny"], done + 2)
    assert rates[done:] == [round(schedule.learning_rate(longer, step), 6) for step in (done, done + 1)]
    with pytest.warns(UserWarning, match=f"{done + 2} steps are done already"):
        run(tmp_path / "more", cache, monkeypatch, steps=done + 1)
    assert len(losses_of(tmp_path / "more")) == done + 2


def test_moved_data_go_on_and_other_data_do_not(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    (tmp_path / "a" / "photos").mkdir(parents=True)
    for number in range(3):
        picture = rng.integers(0, 255, (90, 120, 3)).astype(np.uint8)
        Image.fromarray(picture).save(tmp_path / "a" / "photos" / f"{number}.png")
    out, here, there = tmp_path / "out", tmp_path / "a" / "photos", tmp_path / "b"
    run(out, out, monkeypatch, data=f"photos:{here}", stop_after=1)
    here.rename(there)
    run(out, out, monkeypatch, data=f"photos:{there}", stop_after=1)
    assert len(losses_of(out)) == 2
    (there / "2.png").rename(there / "3.png")
    with pytest.raises(UserError, match="data was other files"):
        run(out, out, monkeypatch, data=f"photos:{there}")


def test_learning_rate_warms_up_and_falls():
    preset = replace(recipe.PRESETS["laptop"], steps=1000, warmup=100, peak=1.0)
    rates = [schedule.learning_rate(preset, step) for step in range(1000)]
    assert rates[0] == pytest.approx(0.01)
    assert rates[99] == pytest.approx(1.0)
    assert all(a >= b for a, b in pairwise(rates[99:]))
    assert rates[-1] == pytest.approx(0.02, abs=1e-3)


def test_the_papers_losses_reach_the_learned_alignment(cache):
    """The paper's terms come out finite for references that the network aligns itself."""
    model = Trainable(TGFNet(replace(CONFIGS["small"], align=("learned",))))
    pool = TargetPool(parse_source("toy"), cache, 1, 0, replace(SPEC, walks=("none",), references=3))
    weights = {"L_py": 1.0, "L_tv": 0.1, "L_align": 2.0}
    terms = recipe.compute_losses(model, pool.whole(0), weights, None)
    assert set(terms) == set(weights)
    assert all(torch.isfinite(term) for term in terms.values())
    terms["L_align"].backward()
    assert model.model.affine.gate.grad is not None


def test_own_output_stands_in_where_no_reference_shows_anything(cache):
    model = Trainable(TGFNet(CONFIGS["small"]))
    batch = TargetPool(parse_source("toy"), cache, 1, 0, replace(SPEC, holes={"blob": 1.0})).whole(0)
    own, trust = recipe.with_earlier_output(model, batch, torch.zeros(len(batch["mask"]), 2))
    unseen = batch["unseen"] > 0
    assert unseen.any()
    assert torch.equal(torch.where(unseen, 0.0, own), torch.where(unseen, 0.0, batch["guess"]))
    assert (trust[unseen] == recipe.EARLIER).all()
    assert (trust[~unseen] == recipe.MEMBRANE).all()
    plain = recipe.MEMBRANE * torch.ones_like(batch["mask"])
    inputs = (
        batch["truth"] * (1 - batch["mask"]),
        batch["mask"],
        batch["aligned"],
        batch["trust"],
        batch["guess"],
        plain,
    )
    with torch.no_grad():
        expected = model(*inputs)[0].frame.clamp(0, 1)
    torch.testing.assert_close(torch.where(unseen, own, 0), torch.where(unseen, expected, 0), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    "out, said", [("file", "is a file"), ("file/run", "file is no folder"), ("pipe", "is a file"), ("busy", "another")]
)
def test_an_out_that_cannot_be_written_is_refused_before_the_work(tmp_path, monkeypatch, out, said):
    monkeypatch.setattr(train, "trained", lambda asked: pytest.fail("the work began"))
    (tmp_path / "file").write_text("x")
    os.mkfifo(tmp_path / "pipe")
    with claimed(tmp_path / "busy", folder=True), pytest.raises(UserError, match=said):
        run(tmp_path / out, tmp_path, monkeypatch)
    assert sorted(os.listdir(tmp_path)) == ["file", "pipe"]


def test_a_run_claims_its_folder_and_clears_drafts_of_a_killed_one(tmp_path, monkeypatch):
    def working(asked):
        assert set(os.listdir(asked.out)) == {".vinpaint.lock", kept}
        with pytest.raises(UserError, match="another run"):
            run(tmp_path / "link", tmp_path, monkeypatch)
        monkeypatch.setenv("RANK", "1")  # another process of the same run
        monkeypatch.setattr(train, "trained", lambda asked: Path("two"))
        assert run(tmp_path / "run", tmp_path, monkeypatch) == Path("two")
        return Path("one")

    (tmp_path / "run").mkdir()
    (tmp_path / "link").symlink_to("run")
    kept = hidden("film.mp4")
    for name in (kept, *map(hidden, (STATE, WEIGHTS, LOG))):
        (tmp_path / "run" / name).write_text("half")
    monkeypatch.setattr(train, "trained", working)
    assert run(tmp_path / "run", tmp_path, monkeypatch) == Path("one")
    assert os.listdir(tmp_path / "run") == [kept]


def test_a_refused_run_takes_its_folders_back(tmp_path, monkeypatch):
    with pytest.raises(UserError, match="--workers -1"):
        run(tmp_path / "a" / "b" / "c", tmp_path, monkeypatch, workers=-1)
    assert os.listdir(tmp_path) == []
