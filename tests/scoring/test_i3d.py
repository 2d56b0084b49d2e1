"""I3D against a slow form of its parts, and its file read strictly."""

import math

import pytest
import torch
from torch.nn import functional

from vinpaint_lib.errors import UserError
from vinpaint_lib.scoring import video_features
from vinpaint_lib.scoring.i3d import FEATURES, I3D, Mixed, Pool, Unit, padded


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    made = I3D()
    for name, value in made.named_buffers():
        if "running_var" in name:
            value.uniform_(0.5, 2.0)
        if "running_mean" in name:
            value.normal_(0, 0.1)
    return made.eval()


@pytest.fixture(scope="module")
def clip():
    return torch.rand(9, 3, 40, 56, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def stored(net, tmp_path_factory):
    """A file of the published layout: no counts of batches, and the class scores behind."""
    folder = tmp_path_factory.mktemp("weights")
    tensors = {name: value for name, value in net.state_dict().items() if "num_batches" not in name}
    tensors |= {"logits.conv3d.weight": torch.zeros(400, FEATURES, 1, 1, 1), "logits.conv3d.bias": torch.zeros(400)}
    torch.save(tensors, folder / video_features.FILE)
    return folder / video_features.FILE


@pytest.mark.parametrize("size, kernel, stride", [(7, 7, 2), (8, 7, 2), (9, 3, 2), (8, 3, 2), (5, 3, 1), (7, 2, 2)])
def test_sides_become_the_quotient_rounded_up_and_the_odd_zero_stands_behind(size, kernel, stride):
    x = torch.ones(1, 1, size, size, size)
    wide = padded(x, (kernel,) * 3, (stride,) * 3)
    assert (wide.shape[-1] - kernel) // stride + 1 == math.ceil(size / stride)
    row = wide[0, 0, wide.shape[2] // 2, wide.shape[3] // 2]
    before = int(row.nonzero()[0])
    behind = len(row) - size - before
    assert behind - before in (0, 1)


def test_a_unit_is_a_convolution_a_norm_and_a_relu():
    torch.manual_seed(0)
    unit = Unit(2, 3, side=3, step=2).eval()
    x = torch.randn(1, 2, 5, 6, 7)
    found = unit(x)
    wide, kernel = padded(x, unit.kernel, unit.stride), unit.conv3d.weight
    for c in range(3):
        for t in range(found.shape[2]):
            for i in range(found.shape[3]):
                for j in range(found.shape[4]):
                    window = wide[0, :, 2 * t : 2 * t + 3, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3]
                    value = float((window * kernel[c]).sum().detach()) / math.sqrt(1 + 1e-3)
                    assert math.isclose(float(found[0, c, t, i, j]), max(value, 0), abs_tol=1e-5)


def test_a_mixed_part_has_its_four_branches_in_order():
    torch.manual_seed(0)
    part, x = Mixed(4, 1, 2, 3, 2, 5, 6).eval(), torch.rand(1, 4, 3, 4, 5)
    found = part(x)
    pooled = functional.max_pool3d(functional.pad(x, (1,) * 6), 3, 1)  # the values are positive
    wanted = [part.b0(x), part.b1b(part.b1a(x)), part.b2b(part.b2a(x)), part.b3b(pooled)]
    assert [part.shape[1] for part in wanted] == [1, 3, 5, 6]
    torch.testing.assert_close(found, torch.cat(wanted, dim=1), atol=1e-6, rtol=0)
    assert isinstance(part.b3a, Pool)


def test_the_trunk_has_the_published_size_and_halves_time_three_times(net, clip):
    numbers = sum(value.numel() for value in net.state_dict().values()) + 400 * FEATURES + 400
    assert 0 < 50_883_138 - 4 * numbers < 50_000, "bytes of the published file, less names and offsets"
    shapes = []
    x = clip.transpose(0, 1)[None]
    for part in net.children():
        x = part(x)
        shapes.append(tuple(x.shape[1:]))
    assert shapes[0] == (64, 5, 20, 28)
    assert shapes[-1] == (FEATURES, 2, 2, 2)
    torch.testing.assert_close(net(clip), x.mean(dim=(0, 2, 3, 4)), atol=1e-6, rtol=1e-5)


def test_the_published_layout_is_read(net, stored, clip):
    found = video_features.read_i3d(stored)
    assert not found.training
    torch.testing.assert_close(found(clip), net(clip), atol=0, rtol=0)


@pytest.mark.parametrize(
    "change, said",
    [
        (lambda t: t.pop("Mixed_5c.b0.conv3d.weight"), "Mixed_5c.b0.conv3d.weight"),
        (lambda t: t.update(more=torch.zeros(2)), "more"),
        (lambda t: t.update({"Conv3d_2b_1x1.conv3d.weight": torch.zeros(64, 64, 3, 3, 3)}), "Conv3d_2b_1x1"),
    ],
)
def test_another_file_is_refused_by_name(stored, tmp_path, change, said):
    tensors = torch.load(stored, weights_only=True)
    change(tensors)
    torch.save(tensors, tmp_path / "other.pt")
    with pytest.raises(UserError, match=said):
        video_features.read_i3d(tmp_path / "other.pt")


def test_in_training_mode_each_clip_is_normalised_by_itself_and_nothing_is_kept(stored, clip, monkeypatch):
    monkeypatch.setenv("VINPAINT_WEIGHTS", str(stored.parent))
    stored_norm, own_norm = video_features.find("i3d"), video_features.find("i3d-train-mode")
    first, second = own_norm.vector(clip), own_norm.vector(clip)
    torch.testing.assert_close(first, second, atol=0, rtol=0)
    assert not torch.allclose(first, stored_norm.vector(clip), atol=1e-3)
    assert first.shape == (FEATURES,)


def test_names_and_files_that_are_not_there_are_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("VINPAINT_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("VINPAINT_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    assert video_features.find("none") is None
    with pytest.raises(UserError, match="--features vgg99: is not known; use one of i3d, i3d-train-mode, vgg16"):
        video_features.find("vgg99")
    with pytest.raises(UserError, match=r"i3d_rgb_imagenet.pt: is in none of .*; fetch it with .* get i3d`"):
        video_features.find("i3d")
    with pytest.raises(UserError, match="squeezenet"):
        video_features.find("squeezenet")
