"""Pretraining of the affine aligner: resumable to the same end, provenance, refusals; the shipped one on real video."""

import os
from pathlib import Path

import pytest
import skimage.data
import torch
from einops import rearrange, repeat
from torch import Tensor
from torch.nn import functional

from data_scripts import pretrain_affine
from data_scripts.pretrain_affine import Plan, pretrain, real_pairs
from vinpaint_lib import checkpoints
from vinpaint_lib.alignment.learned import LearnedAffine, mutually_visible, warp_references
from vinpaint_lib.errors import UserError
from vinpaint_lib.options import use_bf16
from vinpaint_lib.systems.align_attend.estimator import AffineCorrelation
from vinpaint_lib.systems.registry import SHIPPED, build
from vinpaint_lib.video.clip import read_clip

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def pictures() -> Tensor:
    """Four small photographs as bytes."""
    image = rearrange(torch.from_numpy(skimage.data.astronaut()), "h w c -> 1 c h w").float()
    cuts = [image[..., 40 * k : 40 * k + 300, 50 * k : 50 * k + 340] for k in range(4)]
    return torch.cat([functional.interpolate(cut, (80, 120), mode="bilinear", antialias=True) for cut in cuts]).byte()


def run(out: Path, **plan) -> dict[str, Tensor]:
    torch.manual_seed(0)
    net = LearnedAffine(size=(32, 56), channels=(4, 8, 8), looks=1)
    pretrain(net, pictures(), [pictures()], out, Plan(steps=4, batch=2, real_from=0.5, **plan), progress=False)
    return {name: value.clone() for name, value in net.state_dict().items()}


def test_a_run_that_was_killed_ends_where_it_would_have(tmp_path):
    whole = run(tmp_path / "whole.safetensors")
    run(tmp_path / "parts.safetensors", stop_at=2)
    assert not (tmp_path / "parts.safetensors").exists(), "weights are written at the end only"
    parts = run(tmp_path / "parts.safetensors")
    assert all(torch.equal(parts[name], whole[name]) for name in whole)
    made = checkpoints.read_provenance(tmp_path / "whole.safetensors")
    assert (made["steps"], made["masks"], made["device"]) == (4, "blobs", "cpu")
    assert made["precision"] == ("bf16" if use_bf16("auto", torch.device("cpu")) else "float32")


def test_training_moves_everything_but_the_gate(tmp_path):
    torch.manual_seed(0)
    start = LearnedAffine(size=(32, 56), channels=(4, 8, 8), looks=1).state_dict()
    start = {name: value.clone() for name, value in start.items()}
    end = run(tmp_path / "weights.safetensors")
    still = [name for name in start if torch.equal(start[name], end[name])]
    assert not still
    assert end["gate"] == 1, "opened at once, and not trained"


def test_a_checkpoint_of_other_options_is_refused(tmp_path):
    run(tmp_path / "weights.safetensors", stop_at=1)
    with pytest.raises(UserError, match=r"other options \(seed: 0 there, 1 here\)"):
        run(tmp_path / "weights.safetensors", seed=1)


def test_a_checkpoint_of_other_masks_is_refused_and_one_from_before_had_blobs(tmp_path):
    run(tmp_path / "weights.safetensors", stop_at=1)
    file = tmp_path / "weights.checkpoint.pt"
    state = checkpoints.load_state(file)
    del state["plan"]["masks"]
    for plan in (state["plan"], state["plan"] | {"masks": "blobs"}):
        checkpoints.save_state(file, state | {"plan": plan})
        with pytest.raises(UserError, match=r"other options \(masks: blobs there, irregular here\)"):
            run(tmp_path / "weights.safetensors", masks="irregular")
    run(tmp_path / "weights.safetensors", stop_at=2)


def test_irregular_masks_teach_other_weights_on_synthetic_and_on_real_pairs(tmp_path):
    blobs, irregular = (run(tmp_path / f"{name}.safetensors", masks=name) for name in ("blobs", "irregular"))
    assert any(not torch.equal(blobs[name], irregular[name]) for name in blobs)
    assert checkpoints.read_provenance(tmp_path / "irregular.safetensors")["masks"] == "irregular"
    rng = torch.Generator().manual_seed(0)
    real = real_pairs([pictures()], 2, (32, 56), rng, "irregular", torch.device("cpu"))
    rng.manual_seed(0)
    same = real_pairs([pictures()], 2, (32, 56), rng, "blobs", torch.device("cpu"))
    assert torch.equal(real[0], same[0])
    assert torch.equal(real[2], same[2])
    assert not torch.equal(real[1], same[1])


def test_the_precision_is_that_of_the_plan(tmp_path):
    plain, half = (run(tmp_path / f"{name}.safetensors", precision=name) for name in ("float32", "bf16"))
    auto = run(tmp_path / "auto.safetensors")
    fast = use_bf16("auto", torch.device("cpu"))
    assert all(torch.equal(auto[name], (half if fast else plain)[name]) for name in auto)
    assert not all(torch.equal(plain[name], half[name]) for name in plain)


@pytest.mark.parametrize(("name", "message"), [("cuda:99", "--device cuda:99: this machine"), ("gpu", "is not known")])
def test_a_device_that_is_not_there_is_refused_before_anything_is_read(name, message):
    with pytest.raises(UserError, match=message):
        pretrain_affine.main(["--clips", "none", "--photos", "none", "--out", "none", "--device", name])


def going_on(folder: Path, net: LearnedAffine, **more) -> None:
    pretrain(net, pictures(), [pictures()], folder / "w.safetensors", Plan(steps=2, batch=2, stop_at=1), False, **more)


@pytest.mark.parametrize(("head", "settings", "difference"), [
    ("fit", {"channels": (4, 4, 4)}, r"channels: \(4, 8, 8\) there, \(4, 4, 4\) here"),
    ("fit", {"size": (64, 64)}, "size: .* there"),
    ("fit", {"looks": 0}, "looks: 1 there, 0 here"),
    ("regress", {}, "head: fit there, regress here"),
    (None, {}, "network: AffineCorrelation there, LearnedAffine here"),
])  # fmt: skip
def test_a_checkpoint_of_another_network_is_refused_by_what_differs(tmp_path, head, settings, difference):
    same = {"size": (32, 56), "channels": (4, 8, 8), "looks": 1}
    going_on(tmp_path, AffineCorrelation(**same))
    other = LearnedAffine(**same | settings) if head is None else AffineCorrelation(**same | settings, head=head)
    before = {name: value.clone() for name, value in other.state_dict().items() if name != "gate"}
    with pytest.raises(UserError, match=rf"w.checkpoint.pt: .*{difference}.*another --out"):
        going_on(tmp_path, other)
    assert all(torch.equal(value, other.state_dict()[name]) for name, value in before.items())
    going_on(tmp_path, AffineCorrelation(**same))


def test_a_checkpoint_that_does_not_name_its_network_is_refused(tmp_path):
    run(tmp_path / "weights.safetensors", stop_at=1)
    file = tmp_path / "weights.checkpoint.pt"
    state = checkpoints.load_state(file)
    checkpoints.save_state(file, state | {"plan": {"steps": 4}})
    with pytest.raises(UserError, match="network: None there, LearnedAffine here"):
        run(tmp_path / "weights.safetensors")


def test_folders_without_pictures_are_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="empty"):
        pretrain_affine.read_photos(tmp_path / "empty")


def test_the_rate_rises_and_falls():
    rates = [pretrain_affine.warmth(step, 100) for step in range(100)]
    assert max(rates) == 1
    assert rates[0] < 0.2
    assert rates[-1] < 0.001


@pytest.mark.skipif("VINPAINT_DATA" not in os.environ, reason="VINPAINT_DATA does not name a folder with davis/")
def test_the_shipped_aligner_explains_a_real_camera_motion():
    if not SHIPPED["tgfnet"].exists():
        pytest.skip("no weights in this checkout")
    net = build("tgfnet", SHIPPED["tgfnet"]).affine
    if net.gate == 0:
        pytest.skip("these weights hold no pretrained aligner")
    folder = Path(os.environ["VINPAINT_DATA"]) / "davis" / "JPEGImages" / "480p" / "car-roundabout"
    frames = read_clip(folder, size=(120, 216), limit=9).frames
    target, reference = frames[:1], rearrange(frames[8:9], "b c h w -> b 1 c h w")
    mask = torch.zeros(1, 1, 120, 216)
    mask[..., 40:80, 80:130] = 1
    masks = rearrange(torch.zeros_like(mask), "b c h w -> b 1 c h w")

    def residual(theta: Tensor) -> float:
        aligned = warp_references(reference, masks, theta)
        weight = mutually_visible(mask, aligned.visibility)
        gap = (aligned.frames - rearrange(target, "b c h w -> b 1 c h w")).abs() * weight
        return (gap.sum() / weight.sum() / 3).item()

    with torch.no_grad():
        theta = net(target, mask, reference, masks)
    assert residual(theta) < 0.85 * residual(repeat(torch.eye(2, 3), "i j -> 1 1 i j"))
