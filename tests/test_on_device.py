"""Every system on a device that is not the CPU: it fills, trains and is scored there, with the results of the CPU.

The device is `pretend_device.py`, which refuses what CUDA refuses. Random numbers are drawn, and sums are added up, as
on the CPU, so results should agree to the last bit; the tolerances leave room for another order of additions.
"""

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from typing import Any
from unittest.mock import Mock

import pytest
import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.utils._pytree import tree_iter

from tests.pretend_device import pretend_device
from tests.test_every_model import make
from vinpaint_lib import doctor
from vinpaint_lib.alignment import pair_losses
from vinpaint_lib.alignment.learned import LearnedAffine
from vinpaint_lib.alignment.pairs import Pair, make_pairs
from vinpaint_lib.evaluate import Evaluation, evaluate
from vinpaint_lib.inpaint import Recorder, fill
from vinpaint_lib.interface import Inpainter, Output, Step
from vinpaint_lib.losses.features import FeatureNet
from vinpaint_lib.motion import sampling
from vinpaint_lib.systems import registry
from vinpaint_lib.systems.align_attend import estimator_losses
from vinpaint_lib.systems.tgfnet import recipe as tgfnet_recipe
from vinpaint_lib.systems.tgfnet.joint import WholeSpec
from vinpaint_lib.toy.clip import Shot, toy_clip
from vinpaint_lib.training.adversary import Adversary
from vinpaint_lib.training.pools import BlockPool
from vinpaint_lib.training.run_log import validate
from vinpaint_lib.training.task import Batch, Task
from vinpaint_lib.video.clip import Clip

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")
CLOSE = {"atol": 5e-5, "rtol": 1e-4}


@pytest.fixture
def device() -> Iterator[torch.device]:
    with pretend_device() as device:
        yield device


def little_clip() -> Clip:
    """Three frames of camera motion. No side is a multiple of what the networks ask for."""
    frames = toy_clip("coffee", Shot(length=3, size=(44, 60), seed=0)).clip.frames
    masks = torch.zeros(3, 1, 44, 60)
    masks[:, :, 12:28, 20:36] = 1
    return Clip(frames, masks, Fraction(24), "little")


def filled(model: Inpainter, **options: Any) -> tuple[Tensor, list[Output]]:
    """The little clip as `model` fills it, and the outputs of all steps."""
    outputs: list[Output] = []
    frames = fill(model, little_clip(), on_step=lambda step, output: outputs.append(output), **options)
    return torch.stack(list(frames)), outputs


def check_filling(model: Inpainter, device: torch.device, **options: Any) -> None:
    """The clip is filled as on the CPU, with all weights on the device, and the frames of every output come back.

    TGF-Net's walks are sampled by torch on a device, and by OpenCV on the CPU, which rounds positions. So the CPU
    samples by torch here too; `motion/test_sampling.py` compares the two.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vinpaint_lib.systems.tgfnet.model.back_end", sampling.OnDevice)
        expected, _ = filled(model, **options)
    model.to(device)
    assert {x.device for x in (*model.parameters(), *model.buffers())} == {device}
    found, outputs = filled(model, **options)
    torch.testing.assert_close(found, expected, **CLOSE)
    assert outputs
    parts = [part for output in outputs for part in (output.frames, output.weights) if part is not None]
    assert {part.device for part in parts} == {CPU}
    recorder = Recorder()
    for step, output in enumerate(outputs):
        recorder(Step((step,), ()), output)
    assert {x.device for x in tree_iter(recorder.maps) if isinstance(x, Tensor)} <= {CPU}


@pytest.mark.parametrize("name", list(registry.SYSTEMS))
def test_a_clip_is_filled_as_on_the_cpu(name, device):
    """By the networks and weights that ship."""
    check_filling(registry.build(name), device)


@pytest.mark.parametrize("name", [name for name in registry.VARIANTS if name not in registry.NAMES])
def test_a_variant_fills_as_on_the_cpu(name, device):
    check_filling(make(name), device)


@pytest.mark.parametrize("name", registry.NAMES)
def test_outputs_are_written_back_as_on_the_cpu(name, device):
    """For TGF-Net, which does so by itself, the other way round."""
    model = make(name)
    check_filling(model, device, feedback=not model.feedback)


@pytest.mark.parametrize("name", registry.BASELINES)
def test_a_baseline_has_nothing_to_move(name, device):
    """The baselines are OpenCV and numpy: they stay on the CPU, whatever device is asked for."""
    model = registry.build(name)
    expected, _ = filled(model)
    assert not [*model.parameters(), *model.buffers()]
    assert torch.equal(filled(model.to(device))[0], expected)


def test_a_model_is_scored_as_on_the_cpu(device):
    asked = Evaluation(models=("sttn", "telea"), size=(48, 64), limit=3, clips=("coffee",))
    found, expected = (evaluate(replace(asked, device=str(where)))["models"] for where in (device, CPU))
    for name in asked.models:
        measured = {"psnr", "hole_psnr", "ssim", "e_warp"} & expected[name]["mean"].keys()
        assert measured
        for score in measured:
            assert found[name]["mean"][score] == pytest.approx(expected[name]["mean"][score], rel=1e-5)


# --- training


def every_term(name: str) -> dict[str, float]:
    """All terms that a preset of the system weighs anywhere, with the weight 0.1."""
    weights: dict[str, float] = {}
    for preset in registry.presets(name).values():
        for part in (preset, *getattr(preset, "stages", ())):
            weights |= dict.fromkeys(part.weights, 0.1)
    return weights


def tiny_tasks() -> dict[str, Task]:
    """The preset tiny of every system; one task for each stage, and one that weighs every term."""
    tasks: dict[str, Task] = {}
    for name in registry.NAMES:
        tiny = replace(registry.presets(name)["tiny"], batch=1)
        stages = getattr(tiny, "stages", ())
        for stage in stages:
            tasks[f"{name} {stage.name}"] = registry.make_task(name, replace(tiny, stages=(stage,)))
        if stages:
            tiny = replace(tiny, stages=tuple(replace(stage, weights=every_term(name)) for stage in stages))
        else:
            tasks[name] = registry.make_task(name, tiny)
            tiny = replace(tiny, weights=every_term(name))
        tasks[f"{name} every term"] = registry.make_task(name, tiny)
    aligning = tasks["tgfnet every term"]
    config = replace(aligning.config, align=("learned",))  # as in its preset paper, whose network is too large here
    tasks["tgfnet learned alignment"] = type(aligning)(aligning.preset, aligning.model, config)
    spec = WholeSpec(crop=(48, 80), inner=32)
    together = replace(registry.presets("tgfnet")["laptop-learned"], spec=spec, batch=1, groups=(2, 2))
    return tasks | {"tgfnet joint": registry.make_task("tgfnet", together)}


def gpu_task(name: str) -> Task:
    """The network, terms and stages of the preset gpu, on the small batches of the preset tiny.

    L_adv is left out: the tasks with every term have it, and critics cost more than everything else here.
    """
    presets = registry.presets(name)
    tiny, gpu = presets["tiny"], presets["gpu"]
    changes: dict[str, Any] = {"config": gpu.config, "batch": 1, "weights": calm(gpu.weights)}
    if stages := getattr(gpu, "stages", ()):
        # The last stage, with two targets: the samples of the preset tiny have no more than three.
        changes["stages"] = (replace(stages[-1], targets=2, weights=calm(stages[-1].weights)),)
    return registry.make_task(name, replace(tiny, **changes))


def calm(weights: dict[str, float]) -> dict[str, float]:
    return {name: weight for name, weight in weights.items() if name != "L_adv"}


def batch_for(task: Task) -> tuple[Batch, Any]:
    """A batch of noise with the shapes of a real step, on the CPU. Masks are 0 or 1."""
    example, choice = task.example(CPU)
    rng = torch.Generator().manual_seed(0)
    batch = {name: torch.rand(x.shape, generator=rng) for name, x in example.items()}
    return batch | {
        name: (batch[name] > 0.7).float() for name in ("mask", "trust", "unseen", "holes") if name in batch
    }, choice


def accelerator(device: torch.device) -> Any:
    """What the critic's step needs of accelerate, for one process."""
    return Mock(Accelerator, device=device, num_processes=1, reduce=lambda value, how: value)


def one_step(task: Task, device: torch.device, batch: Batch, choice: Any) -> tuple[dict[str, float], list[Tensor]]:
    """A step as in the training loop: the terms, with those of the critic, and the gradients on the CPU."""
    torch.manual_seed(0)
    model = task.network().to(device)
    part, weights = task.trained(model), task.weights_at(task.preset.steps)
    parameters = [p for p in part.parameters() if p.requires_grad]
    optimiser = task.optimiser(parameters)
    task.prepare(device)
    batch = {name: x.to(device) for name, x in batch.items()}
    terms, completed = task.losses(part, batch, weights, choice)
    judged: dict[str, float] = {}
    critic = task.critic()
    if critic is not None and completed is not None:
        critic.to(device)
        adversary = Adversary(critic, task.optimiser(list(critic.parameters())), task.judge, 1.0)
        truth = task.truth_of(batch, choice)
        judged["L_D"] = adversary.step(accelerator(device), truth, completed, 1e-3, bf16=False)
        terms = terms | {"L_adv": task.adversarial(critic, completed)}
    torch.stack([weights[name] * term for name, term in terms.items()]).sum().backward()
    nn.utils.clip_grad_norm_(parameters, 1.0)
    gradients = [p.grad.cpu() for p in parameters if p.grad is not None]
    before = [p.detach().clone() for p in parameters]
    optimiser.step()
    assert any((p != old).any() for p, old in zip(parameters, before, strict=True))
    assert {p.device for p in model.parameters()} == {device}
    found = {name: term.detach() for name, term in terms.items()} | judged
    return {name: float(term) for name, term in found.items()}, gradients


@pytest.fixture
def features(monkeypatch):
    """A feature network in VGG-16's place: its first convolution, with weights as drawn."""
    rng = torch.Generator().manual_seed(0)
    weights = {"conv1_1.weight": torch.randn(8, 3, 3, 3, generator=rng), "conv1_1.bias": torch.zeros(8)}
    weights |= {"conv1_2.weight": torch.randn(8, 8, 3, 3, generator=rng), "conv1_2.bias": torch.zeros(8)}
    weights |= {"conv2_1.weight": torch.randn(8, 8, 3, 3, generator=rng), "conv2_1.bias": torch.zeros(8)}
    monkeypatch.setattr(tgfnet_recipe, "find_features", lambda kind: FeatureNet("vgg16-first-blocks", weights))


TASKS = tiny_tasks()


@pytest.mark.parametrize("name", TASKS)
def test_a_step_of_training_is_that_of_the_cpu(name, device, features):
    task = TASKS[name]
    batch, choice = batch_for(task)
    expected, gradients = one_step(task, CPU, batch, choice)
    found, found_gradients = one_step(task, device, batch, choice)
    assert found == pytest.approx(expected, rel=1e-4, abs=1e-5)
    assert gradients
    for mine, theirs in zip(found_gradients, gradients, strict=True):
        torch.testing.assert_close(mine, theirs, **CLOSE)


@pytest.mark.parametrize("name", registry.NAMES)
def test_a_step_of_the_preset_for_a_gpu(name, device, features):
    task = gpu_task(name)
    terms, gradients = one_step(task, device, *batch_for(task))
    assert gradients
    assert all(torch.isfinite(torch.tensor(value)) for value in terms.values())


def test_critics_judge_on_the_device():
    """The steps above have critics where a preset weighs L_adv."""
    judged = {name for name, task in TASKS.items() if task.critic() is not None}
    assert judged == {"sttn every term", "align_attend every term", "painter", "painter every term"}


def test_a_guess_with_an_earlier_output_on_the_device(device):
    task = TASKS["tgfnet"]
    batch, choice = batch_for(task)
    batch |= {"shift": torch.tensor([[0.5, -0.3]])}
    expected, _ = one_step(task, CPU, batch, choice)
    assert one_step(task, device, batch, choice)[0] == pytest.approx(expected, rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("name", registry.NAMES)
def test_held_back_scores_are_those_of_the_cpu(name, device, tmp_path):
    scores = []
    for where in (CPU, device):
        task = registry.make_task(name, replace(registry.presets(name)["tiny"], batch=1))
        batch, _ = batch_for(task)
        pool = Mock(BlockPool, blocks=1, whole=lambda number, batch=batch: batch)
        task.pictured = 0
        torch.manual_seed(0)
        model = task.network().to(where).eval()
        scores.append(validate(task, model, {"train": pool, "held back": pool}, tmp_path, 1, False))
    assert scores[1] == pytest.approx(scores[0], rel=1e-5)
    assert len(scores[0]) == 2


@pytest.mark.parametrize("losses", [pair_losses.losses, estimator_losses.losses])
def test_pretraining_of_the_aligner_is_that_of_the_cpu(losses, device):
    """Pairs and their noise are made on the CPU; network, pairs and losses may be elsewhere."""
    pairs = make_pairs(torch.rand(2, 3, 96, 128), (48, 64), torch.Generator().manual_seed(0))
    found = []
    for where in (CPU, device):
        torch.manual_seed(0)
        net = LearnedAffine(size=(48, 64), channels=(4, 8, 12)).to(where)
        terms = losses(net, Pair(*(x.to(where) for x in pairs)), torch.Generator().manual_seed(1))
        torch.stack(list(terms.values())).sum().backward()
        found.append({name: term.item() for name, term in terms.items()})
    assert found[1] == pytest.approx(found[0], rel=1e-4)


def test_the_doctor_measures_the_speed_of_the_device(device):
    assert doctor.speed(device, bf16=False, repeats=1) > 0
