"""The loop with other systems: resumed to the bit, a critic beside the network, stages, scores, weights that run."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from vinpaint_lib import checkpoints, train
from vinpaint_lib.errors import UserError
from vinpaint_lib.holes.masks import stationary_blob
from vinpaint_lib.inpaint import fill_clip
from vinpaint_lib.lessons.figures.training import sample_pictures
from vinpaint_lib.losses.critics import TemporalPatchDiscriminator
from vinpaint_lib.systems import registry
from vinpaint_lib.systems.combcn import recipe as combcn_recipe
from vinpaint_lib.systems.sttn import recipe
from vinpaint_lib.toy.clip import Shot, toy_clip
from vinpaint_lib.training import clip_tasks
from vinpaint_lib.training.adversary import Adversary
from vinpaint_lib.training.devices import accelerator_on
from vinpaint_lib.training.loop import LOG, STATE, WEIGHTS, Run, Trainer
from vinpaint_lib.training.schedule import learning_rate

pytestmark = pytest.mark.slow

SMALL = {"steps": 4, "checkpoint": 1, "validate": 2}
ADVERSARIAL = {"weights": {"L_hole": 1.0, "L_valid": 1.0, "L_adv": 0.1}}


def run(model: str, out: Path, cache: Path, patch: pytest.MonkeyPatch, **options) -> Path:
    patch.setenv("VINPAINT_CACHE", str(cache))
    overrides = SMALL | options.pop("overrides", {})
    return train.train(train.Training(model, "tiny", out, overrides=overrides, device="cpu", workers=0, **options))


def rows_of(out: Path) -> list[dict]:
    rows = [json.loads(line) for line in (out / LOG).read_text().splitlines()]
    return [{name: value for name, value in row.items() if not name.startswith("seconds")} for row in rows]


def same(one, two) -> bool:
    """Nested states, to the bit."""
    if isinstance(one, dict):
        return one.keys() == two.keys() and all(same(one[k], two[k]) for k in one)
    if isinstance(one, list | tuple):
        return len(one) == len(two) and all(map(same, one, two))
    return torch.equal(one, two) if isinstance(one, torch.Tensor) else one == two


@pytest.fixture
def narrow(monkeypatch):
    """STTN's critic with two channels instead of 64."""
    monkeypatch.setattr(recipe.STTNTask, "make_critic", lambda task: TemporalPatchDiscriminator(width=2))


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("samples")


@pytest.fixture(scope="module", params=["sttn", "combcn"])
def whole(request, tmp_path_factory, cache):
    """(name, folder) of a run of the preset tiny with one clip held back."""
    out = tmp_path_factory.mktemp(request.param)
    with pytest.MonkeyPatch.context() as patch:
        run(request.param, out, cache, patch, held_back=("coffee",))
    return request.param, out


@pytest.mark.parametrize("stop", [1, 3])
def test_stopped_and_resumed_ends_bit_identical(whole, cache, tmp_path, monkeypatch, stop):
    name, through = whole
    run(name, tmp_path, cache, monkeypatch, held_back=("coffee",), stop_after=stop)
    run(name, tmp_path, cache, monkeypatch, held_back=("coffee",))
    assert rows_of(tmp_path) == rows_of(through)
    one, two = (checkpoints.load_state(out / STATE) for out in (through, tmp_path))
    assert same(one, two)


def test_the_log_holds_scores_beside_telea_s_and_pictures_four_columns(whole):
    _, out = whole
    rows = rows_of(out)
    assert [row["step"] for row in rows] == [1, 2, 3, 4]
    for name in ("held-back PSNR", "held-back PSNR of Telea"):
        assert [name in row for row in rows] == [False, True, False, True]
    assert rows[1]["held-back PSNR of Telea"] == rows[3]["held-back PSNR of Telea"] > 10
    pictures = sample_pictures(out / "samples")
    assert sorted(pictures) == [2, 4]
    shown, beside, output, truth = pictures[4].unbind(1)
    known = shown > 0.01
    for picture in (beside, output):
        assert torch.allclose(picture[known], truth[known], atol=1 / 254)
    assert not torch.equal(beside, output)


def test_telea_is_asked_once_a_run(cache, tmp_path, monkeypatch):
    asked = []
    real = clip_tasks.fill_by_telea

    def counted(truth, mask):
        asked.append(len(truth))
        return real(truth, mask)

    monkeypatch.setattr(clip_tasks, "fill_by_telea", counted)
    run("sttn", tmp_path, cache, monkeypatch, held_back=("coffee",), overrides={"validate": 1})
    assert asked == [recipe.PRESETS["tiny"].spec.count] * 12  # twelve blocks, not four times twelve


def test_the_weights_fill_a_clip(whole):
    name, out = whole
    model = registry.build(name, out / WEIGHTS)
    clip = toy_clip("rocket", Shot(length=5, size=(50, 70))).clip
    clip = replace(clip, masks=stationary_blob(5, (50, 70), np.random.default_rng(0), area=(0.05, 0.2)))
    done = fill_clip(model, clip)
    assert torch.isfinite(done.frames).all()
    assert torch.equal(done.frames * (1 - clip.masks), clip.frames * (1 - clip.masks))
    assert not torch.equal(done.frames, clip.frames)
    provenance = checkpoints.read_provenance(out / WEIGHTS)
    assert (provenance["model"], provenance["config_name"], provenance["step"]) == (name, "tiny", 4)
    other = {"sttn": "combcn", "combcn": "sttn"}[name]
    with pytest.raises(UserError, match=f"holds weights of '{name}', not of {other}"):
        registry.build(other, out / WEIGHTS)


def test_weights_that_are_missing_are_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setitem(registry.SHIPPED, "sttn", tmp_path / "none.safetensors")
    with pytest.raises(UserError, match=r"none.safetensors: no such weights file; train one with `vinpaint train s"):
        registry.build("sttn")


def test_a_critic_learns_is_saved_and_resumed_to_the_bit(narrow, cache, tmp_path, monkeypatch):
    run("sttn", tmp_path / "through", cache, monkeypatch, overrides=ADVERSARIAL)
    run("sttn", tmp_path / "resumed", cache, monkeypatch, overrides=ADVERSARIAL, stop_after=2)
    middle = checkpoints.load_state(tmp_path / "resumed" / STATE)["adversary"]["critic"]
    run("sttn", tmp_path / "resumed", cache, monkeypatch, overrides=ADVERSARIAL)
    one, two = (checkpoints.load_state(tmp_path / part / STATE) for part in ("through", "resumed"))
    assert same(one, two)
    assert not same(one["adversary"]["critic"], middle)
    rows = rows_of(tmp_path / "through")
    assert rows == rows_of(tmp_path / "resumed")
    assert all({"L_adv", "L_D"} <= row.keys() and row["L_D"] > 0 for row in rows)
    assert [row["loss"] for row in rows] == pytest.approx(
        [row["L_hole"] + row["L_valid"] + 0.1 * row["L_adv"] for row in rows], abs=1e-5
    )


def test_one_adversarial_step_is_the_plain_loop(narrow, cache, tmp_path, monkeypatch):
    """Critic first, on the same completed frames; then the network, judged by the critic that has just learned."""
    monkeypatch.setenv("VINPAINT_CACHE", str(cache))
    preset = replace(recipe.PRESETS["tiny"], **ADVERSARIAL)
    settings = Run("sttn", "tiny", preset, "toy", (), 0, 1)
    trainer, twin = (
        Trainer(settings, task, train.make_pools(task, settings, tmp_path), accelerator_on("cpu"), out=tmp_path)
        for task in (registry.make_task("sttn", preset), registry.make_task("sttn", preset))
    )  # both begin from the same seed
    batch, rate = next(twin.feed.batches(0, 1)), learning_rate(preset, 0)
    net, critic = twin.plain.net, twin.adversary.critic
    optimisers = [torch.optim.Adam(part.parameters(), lr=rate, betas=preset.betas) for part in (net, critic)]
    completed = recipe.compute_losses(net, batch, preset.weights).completed.detach()
    real, fake = critic(batch["truth"]), critic(completed)
    ((1 - real).clamp(min=0).mean() / 2 + (1 + fake).clamp(min=0).mean() / 2).backward()
    torch.nn.utils.clip_grad_norm_(critic.parameters(), preset.clip_gradient)
    optimisers[1].step()
    terms, completed = recipe.compute_losses(net, batch, preset.weights)
    net.zero_grad()
    (terms["L_hole"] + terms["L_valid"] - 0.1 * critic(completed).mean()).backward()
    torch.nn.utils.clip_grad_norm_(net.parameters(), preset.clip_gradient)
    optimisers[0].step()
    trainer.one_step(next(trainer.feed.batches(0, 1)))
    for mine, plain in ((trainer.plain.net, net), (trainer.adversary.critic, critic)):
        for name, value in plain.state_dict().items():
            torch.testing.assert_close(mine.state_dict()[name], value, atol=1e-6, rtol=1e-5)
    assert all(p.grad is None for p in trainer.adversary.critic.parameters())


def test_without_weight_no_critic_is_made(cache, tmp_path, monkeypatch):
    monkeypatch.setattr(recipe.STTNTask, "make_critic", lambda task: pytest.fail("made a critic that nobody asks"))
    for number, weights in enumerate(({"L_hole": 1.0}, {"L_hole": 1.0, "L_adv": 0.0})):
        out = tmp_path / str(number)
        run("sttn", out, cache, monkeypatch, overrides={"weights": weights, "steps": 1})
        assert "adversary" not in checkpoints.load_state(out / STATE)
        assert not {"L_adv", "L_D"} & rows_of(out)[0].keys()


def test_a_critic_that_fails_once_stays_as_it_was():
    critic = torch.nn.Linear(2, 1)
    before = {name: value.clone() for name, value in critic.state_dict().items()}
    calls = []

    def loss(net, truth, completed):
        calls.append(1)
        return net(truth).mean() * (float("nan") if len(calls) == 1 else 1.0)

    player = Adversary(critic, torch.optim.Adam(critic.parameters()), loss, clip=1.0)
    for expected in (True, False):
        player.step(accelerator_on("cpu"), torch.ones(1, 1, 3, 2, 2), torch.ones(1, 1, 3, 2, 2), 0.1, False)
        assert same(before, critic.state_dict()) == expected


TWO = """
from pathlib import Path
import torch
from vinpaint_lib import train
from vinpaint_lib.losses.critics import TemporalPatchDiscriminator
from vinpaint_lib.systems.sttn.recipe import STTNTask
torch.set_num_threads(1)
STTNTask.make_critic = lambda task: TemporalPatchDiscriminator(width=2)
train.train(train.Training("sttn", "tiny", Path({out!r}), device="cpu", workers=0, overrides={overrides!r}))
"""


def test_two_processes_give_the_curve_of_one_with_a_critic(narrow, cache, tmp_path, monkeypatch):
    """Global batch 2 as one clip each. Tolerance 1e-3 relative: sums in another order."""
    overrides = SMALL | ADVERSARIAL | {"steps": 3}
    run("sttn", tmp_path / "one", cache, monkeypatch, overrides=overrides)
    script = tmp_path / "two.py"
    script.write_text(TWO.format(out=str(tmp_path / "two"), overrides=overrides))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", str(script)]
    environment = {**os.environ, "VINPAINT_CACHE": str(cache), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    for name in ("loss", "L_D", "L_adv"):
        one, two = ([row[name] for row in rows_of(tmp_path / part)] for part in ("one", "two"))
        assert two == pytest.approx(one, rel=1e-3, abs=1e-5)


def test_structure_first(cache, tmp_path, monkeypatch):
    """During its first steps CombCN trains 3DCN alone: nothing of the other network moves, and then it does."""
    torch.manual_seed(0)
    start = registry.make_task("combcn", combcn_recipe.PRESETS["tiny"]).network().state_dict()
    k = combcn_recipe.PRESETS["tiny"].structure_steps
    run("combcn", tmp_path, cache, monkeypatch, stop_after=k)
    assert all({"L_3D", "loss"} <= row.keys() and "L_local" not in row for row in rows_of(tmp_path))
    state = checkpoints.load_state(tmp_path / STATE)["model"]
    moved = {name for name in start if not torch.equal(start[name], state[name])}
    assert moved
    assert all(name.startswith("net.volume.") for name in moved)
    run("combcn", tmp_path, cache, monkeypatch)
    later = checkpoints.load_state(tmp_path / STATE)["model"]
    assert any(name.startswith("net.comb.") and not torch.equal(state[name], later[name]) for name in state)
    assert "L_local" in rows_of(tmp_path)[-1]


def test_a_rate_with_drops():
    preset = replace(recipe.PRESETS["paper"], peak=1.0, drops=(10, 20), warmup=0)
    assert [learning_rate(preset, step) for step in (0, 9, 10, 19, 20, 1000)] == pytest.approx(
        [1, 1, 0.1, 0.1, 0.01, 0.01]
    )


def test_a_task_must_have_a_recipe():
    with pytest.raises(UserError, match="no training recipe for model 'telea': choose one of tgfnet, sttn, combcn"):
        registry.presets("telea")
