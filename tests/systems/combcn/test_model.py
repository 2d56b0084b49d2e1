"""3DCN + CombCN over clips: volumes and their blending, short clips, any size; the recipe and its terms."""

from fractions import Fraction
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from vinpaint_lib.errors import UserError
from vinpaint_lib.inpaint import fill_clip
from vinpaint_lib.interface import Window
from vinpaint_lib.systems import registry
from vinpaint_lib.systems.combcn import recipe
from vinpaint_lib.systems.combcn.model import CARD, CONFIGS, CombCN, Config, blending, volumes
from vinpaint_lib.systems.combcn.network import Completed
from vinpaint_lib.systems.combcn.recipe import FIDELITY_WEIGHTS, PAPER_WEIGHTS, PRESETS
from vinpaint_lib.systems.frames import reflected
from vinpaint_lib.video.clip import Clip

pytestmark = pytest.mark.slow

THIN = CONFIGS["tiny"]


def a_clip(length: int, h: int = 16, w: int = 24, seed: int = 0) -> Clip:
    generator = torch.Generator().manual_seed(seed)
    masks = torch.zeros(length, 1, h, w)
    masks[..., 4:9, 6:13] = 1
    return Clip(torch.rand(length, 3, h, w, generator=generator), masks, Fraction(24), "made")


class Constant(CombCN):
    """Paints volume k in the constant k / 10, whatever it is shown, and remembers the order of the frames it saw."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.seen: list[Tensor] = []
        self.net.structure = self.structure
        self.net.details = self.details

    def structure(self, frames: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
        self.seen.append(frames[0, :, 0, 0, 0])
        small = torch.zeros(*frames.shape[:3], frames.shape[3] // 2, frames.shape[4] // 2)
        return small, small

    def details(self, frames: Tensor, masks: Tensor, guides: Tensor) -> Tensor:
        return torch.full_like(frames, len(self.seen) / 10)


# Volumes


@pytest.mark.parametrize(
    ("length", "expected"),
    [(1, [(0, 1)]), (31, [(0, 31)]), (32, [(0, 32)]), (33, [(0, 32), (1, 33)]), (50, [(0, 32), (18, 50)]),
     (56, [(0, 32), (24, 56)]), (57, [(0, 32), (12, 44), (25, 57)])],
)  # fmt: skip
def test_volumes(length, expected):
    assert [(v.start, v.stop) for v in volumes(length, 32, 8)] == expected


@pytest.mark.parametrize(("frames", "overlap"), [(32, 8), (32, 0), (32, 31), (4, 1), (1, 0)])
def test_volumes_cover_every_clip_overlap_enough_and_are_no_more_than_needed(frames, overlap):
    for length in range(1, 4 * frames + 3):
        found = volumes(length, frames, overlap)
        assert {i for v in found for i in v} == set(range(length))
        if length <= frames:
            assert found == [range(length)]
            continue
        assert all(len(v) == frames for v in found)
        assert all(a.stop - b.start >= overlap for a, b in pairwise(found))
        assert all(a.start < b.start for a, b in pairwise(found))
        reach_of_one_less = frames + (len(found) - 2) * (frames - overlap)
        assert reach_of_one_less < length


def test_volumes_of_nothing_are_refused():
    with pytest.raises(UserError, match=r"a clip of 0 frames .* the smallest that works is 1 frame"):
        volumes(0, 32, 8)


def test_blending_is_a_linear_cross_fade():
    assert blending(5).tolist() == [1, 2, 3, 2, 1]
    assert blending(4).tolist() == [1, 2, 2, 1]
    one, other = blending(32)[-8:], blending(32)[:8]
    share = other / (one + other)
    assert torch.allclose(share.diff(), torch.full((7,), 1 / 9))


def test_overlapping_volumes_are_blended_exactly():
    clip = a_clip(50)
    filled = fill_clip(Constant(Config(comb_width=1, volume_width=1)), clip)
    inside = filled.frames[:, :, 5, 8].mean(dim=1)
    for t in range(50):
        # Distances from the ends of volumes 0 - 31 (painted .1) and 18 - 49 (painted .2).
        first = min(t + 1, 32 - t) if t < 32 else 0
        second = min(t - 18 + 1, 50 - t) if t >= 18 else 0
        assert float(inside[t]) == pytest.approx((0.1 * first + 0.2 * second) / (first + second), abs=1e-6)
    assert torch.equal(filled.frames[..., 0], clip.frames[..., 0])


# Clips of any length and size


@pytest.mark.parametrize("length", [1, 5, 32, 50])
def test_clips_of_any_length_come_back_whole(length):
    torch.manual_seed(0)
    model, clip = CombCN(Config(volume_width=1, comb_width=1)).eval(), a_clip(length, 8, 16)
    clip.masks[:, :, 4:] = 0
    clip.masks[:, :, 2:4, 3:7] = 1
    filled = fill_clip(model, clip)
    assert len(filled) == length
    hole = clip.masks.bool().expand(-1, 3, -1, -1)
    assert torch.equal(filled.frames[~hole], clip.frames[~hole])
    assert not torch.equal(filled.frames[hole], clip.frames[hole])
    assert 0 <= filled.frames.min() <= filled.frames.max() <= 1


@pytest.mark.parametrize("length", [1, 2, 5, 31, 32])
def test_short_clips_are_reflected_in_time_at_both_ends(length):
    clip = a_clip(length)
    for t in range(length):
        clip.frames[t] = t / 100
    model = Constant(Config(volume_width=1, comb_width=1))
    fill_clip(model, clip)
    (seen,) = model.seen
    before = (32 - length) // 2
    assert len(seen) == 32
    order = [round(float(value) * 100) for value in seen]
    assert order[before : before + length] == list(range(length))
    assert order == [reflected(n - before, length) for n in range(32)]
    assert all(abs(a - b) == 1 for a, b in pairwise(order)) or length == 1


@pytest.mark.parametrize(("length", "order"), [(2, [1, 0, 1, 0]), (3, [0, 1, 2, 1])])
def test_what_is_given_out_are_the_frames_of_the_clip_not_their_reflections(length, order):
    torch.manual_seed(1)
    model, clip = CombCN(THIN).eval(), a_clip(length)
    window = Window(tuple(range(length)), clip.frames * (1 - clip.masks), clip.masks, clip.masks * 0)
    with torch.no_grad():
        output = model(window, next(iter(model.plan(length))), {})
        made = model.net(clip.frames[None, order], clip.masks[None, order])
    places = [order.index(0), 2] if length == 2 else [0, 1, 2]
    assert torch.allclose(output.frames, made.frames[0, places].clamp(0, 1), atol=1e-5)
    assert torch.allclose(output.maps["volume"], made.volume[0, places], atol=1e-5)
    assert torch.allclose(output.maps["guide"], made.guide[0, places], atol=1e-5)
    # The reflections differ: they lie elsewhere in the volume.
    assert not torch.allclose(made.volume[0, order.index(0)], made.volume[0, -1], atol=1e-5)
    assert torch.equal(output.weights, blending(length))


def test_any_size_by_padding():
    model, clip = CombCN(THIN).eval(), a_clip(3, 19, 30)
    filled = fill_clip(model, clip)
    assert filled.frames.shape == (3, 3, 19, 30)
    assert torch.isfinite(filled.frames).all()


def test_two_forty_by_four_thirty_two():
    model, clip = CombCN(THIN).eval(), a_clip(5, 240, 432)
    assert torch.isfinite(fill_clip(model, clip).frames).all()


def test_the_model_names_itself():
    model = CombCN(THIN)
    assert model.card is CARD
    assert not model.feedback
    assert model.multiple == 8


# The recipe


def a_batch(seed: int = 0) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    mask = torch.zeros(2, 3, 1, 16, 16)
    mask[0, :, :, 3:9, 4:11] = 1
    mask[1, 1:, :, 8:13, 2:5] = 1
    return {"truth": torch.rand(2, 3, 3, 16, 16, generator=generator), "mask": mask}


class Given(torch.nn.Module):
    """Answers with what it was made with."""

    def __init__(self, made: Completed) -> None:
        super().__init__()
        self.made = made

    def forward(self, frames: Tensor, masks: Tensor, details: bool = True) -> Completed:
        return self.made


def test_the_terms_by_loop():
    batch = a_batch()
    truth, mask = batch["truth"], batch["mask"]
    frames, volume = a_batch(seed=7)["truth"], torch.rand(2, 3, 3, 8, 8)
    assert (frames - truth).abs().mean() > 0.2
    losses = recipe.compute_losses(Given(Completed(frames, volume, volume)), batch, FIDELITY_WEIGHTS)
    by_clip: dict[str, list[float]] = {"L_3D": [], "L_global": [], "L_local": []}
    logs = []
    for b in range(2):
        sums = dict.fromkeys(by_clip, 0.0)
        counts = dict.fromkeys(by_clip, 0)
        for t in range(3):
            squares, holes = 0.0, 0
            for c in range(3):
                for i in range(16):
                    for j in range(16):
                        gap = abs(float(frames[b, t, c, i, j] - truth[b, t, c, i, j]))
                        sums["L_global"] += gap
                        counts["L_global"] += 1
                        if mask[b, t, 0, i, j]:
                            sums["L_local"] += gap
                            counts["L_local"] += 1
                            squares, holes = squares + gap**2, holes + 1
                for i in range(8):
                    for j in range(8):
                        cell = (slice(2 * i, 2 * i + 2), slice(2 * j, 2 * j + 2))
                        if mask[b, t, 0, *cell].max():
                            sums["L_3D"] += abs(float(volume[b, t, c, i, j] - truth[b, t, c, *cell].mean()))
                            counts["L_3D"] += 1
            logs.append(float(torch.tensor(squares / max(holes, 1) + 1e-4).log()))
        for name in by_clip:
            by_clip[name].append(sums[name] / counts[name])
    for name, values in by_clip.items():
        assert float(losses.terms[name]) == pytest.approx(sum(values) / 2, rel=1e-4), name
    assert float(losses.terms["L_psnr"]) == pytest.approx(sum(logs) / 6, rel=1e-4)
    assert torch.equal(losses.completed, torch.where(mask > 0, frames, truth))


def test_the_terms_that_the_weights_name_and_their_gradients():
    model = CombCN(THIN)
    plain = recipe.compute_losses(model.net, a_batch(), PAPER_WEIGHTS)
    assert set(plain.terms) == {"L_3D", "L_global", "L_local"}
    # 3DCN learns from the details alone, through the guidance.
    plain.terms["L_local"].backward(retain_graph=True)
    assert all(p.grad.abs().sum() > 0 for p in model.net.volume.parameters())
    model.zero_grad()
    plain.completed.sum().backward()
    assert all(p.grad is not None for p in model.net.parameters())


def test_warm_up_trains_3dcn_alone():
    preset = PRESETS["tiny"]
    task = registry.make_task("combcn", preset)
    assert [set(task.weights_at(step)) for step in (0, 1)] == [{"L_3D"}, {"L_3D"}]
    assert task.weights_at(2) == preset.weights
    model = CombCN(THIN)
    losses = recipe.compute_losses(model.net, a_batch(), task.weights_at(0))
    assert set(losses.terms) == {"L_3D"}
    losses.terms["L_3D"].backward()
    assert all(p.grad is None for p in model.net.comb.parameters())
    assert all(p.grad is not None for p in model.net.volume.parameters())
    assert losses.completed.shape == a_batch()["truth"].shape


def test_the_paper_trains_both_networks_from_the_first_step():
    """The warm-up of 3DCN alone is ours; the paper's preset has none."""
    assert {name: preset.structure_steps for name, preset in PRESETS.items()} == {
        "tiny": 2, "laptop": 0, "laptop-aligned": 0, "gpu": 5000, "paper": 0,
    }  # fmt: skip


def test_nothing_under_the_hole_reaches_the_terms_but_as_truth():
    model, batch = CombCN(THIN).eval(), a_batch()
    seen = []
    model.net.register_forward_pre_hook(lambda module, args: seen.append(args))
    recipe.compute_losses(model.net, batch, PAPER_WEIGHTS)
    assert (seen[0][0] * seen[0][1]).abs().max() == 0


def test_a_few_steps_lower_the_loss():
    torch.manual_seed(0)
    model, batch = CombCN(THIN), a_batch()
    optimiser = torch.optim.Adam(model.net.parameters(), lr=5e-3)
    totals = []
    for _ in range(30):
        terms = recipe.compute_losses(model.net, batch, PAPER_WEIGHTS).terms
        total = torch.stack(list(terms.values())).sum()
        optimiser.zero_grad()
        total.backward()
        optimiser.step()
        totals.append(total.item())
    assert sum(totals[-5:]) < 0.8 * sum(totals[:5])


def test_presets_fit_their_networks():
    assert set(PRESETS) == {"tiny", "laptop", "laptop-aligned", "gpu", "paper"}
    for preset in PRESETS.values():
        model = CombCN(CONFIGS[preset.config])
        assert all(side % model.multiple == 0 for side in preset.spec.size)
        assert preset.spec.frames == "consecutive"
        assert not preset.weights.get("L_adv")
    paper = PRESETS["paper"]
    assert (paper.spec.count, paper.spec.size, CONFIGS["paper"].shrink) == (32, (128, 128), 2)
    assert paper.weights == PAPER_WEIGHTS
    laptop = PRESETS["laptop"]
    read = laptop.steps * laptop.batch * laptop.spec.count * laptop.spec.size[0] * laptop.spec.size[1]
    assert read == pytest.approx(2.2e9, rel=0.1)
