"""Feature networks: slow forward passes, scales, and what is said when a file is missing or wrong.

The published VGG-16 is half a gigabyte; its layout is tested with random weights under its keys. The stand-ins
are tested with the real files, which lie beside the folder VINPAINT_DATA; without it those tests are skipped.
"""

import numpy as np
import pytest
import skimage.data
import torch
from einops import rearrange
from torch import Tensor
from torch.nn import functional

from vinpaint_lib.errors import UserError
from vinpaint_lib.losses import features

VGG_CONVS = {0: (3, 64), 2: (64, 64), 5: (64, 128), 7: (128, 128), 10: (128, 256), 12: (256, 256), 14: (256, 256)}
VGG_CONVS |= {17: (256, 512), 19: (512, 512), 21: (512, 512), 24: (512, 512)}
VGG_POOLS = (4, 9, 16, 23)
TAPS = {"relu1_1": 0, "relu2_1": 5, "relu3_1": 10, "relu4_1": 17, "relu5_1": 24}


@pytest.fixture(autouse=True)
def _nowhere(tmp_path, monkeypatch):
    """No weights of this machine are found unless a test says where they are."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VINPAINT_WEIGHTS", raising=False)
    monkeypatch.delenv("VINPAINT_DATA", raising=False)


@pytest.fixture(scope="module")
def stand_ins(real_data):
    folder = real_data.absolute().parent / "weights"
    if not folder.is_dir():
        pytest.skip(f"no folder {folder} with the stand-ins' weights")
    return folder


@pytest.fixture(scope="module")
def vgg_weights() -> dict[str, Tensor]:
    """Random weights with the shapes of the published file, of a gain that keeps activations near 1."""
    generator = torch.Generator().manual_seed(0)
    weights = {}
    for index, (before, after) in VGG_CONVS.items():
        gain = (2 / (9 * before)) ** 0.5
        weights[f"features.{index}.weight"] = gain * torch.randn(after, before, 3, 3, generator=generator)
        weights[f"features.{index}.bias"] = 0.1 * torch.randn(after, generator=generator)
    weights["classifier.6.bias"] = torch.zeros(1000)  # the file has more than is used
    return weights


@pytest.fixture
def vgg_folder(tmp_path, vgg_weights):
    folder = tmp_path / "vgg"
    folder.mkdir()
    torch.save(vgg_weights, folder / "vgg16-397923af.pth")
    return folder


def photograph(name: str = "chelsea", side: int | None = None) -> Tensor:
    image = rearrange(torch.from_numpy(getattr(skimage.data, name)()), "h w c -> 1 c h w").float() / 255
    return image if side is None else functional.interpolate(image, (side, side), mode="area")


# VGG-16


def test_vgg16_is_its_table_run_by_hand(vgg_folder, vgg_weights):
    image = torch.rand(2, 3, 37, 44)
    x = image.double()
    for c, (mean, std) in enumerate(zip((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))):
        x[:, c] = (x[:, c] - mean) / std
    expected = {}
    for index in range(25):
        if index in VGG_CONVS:
            weight, bias = (vgg_weights[f"features.{index}.{part}"].double() for part in ("weight", "bias"))
            x = functional.relu(functional.conv2d(x, weight, bias, padding=1))
            expected[index] = x
        elif index in VGG_POOLS:
            x = functional.max_pool2d(x, 2)
    net = features.find_features("vgg16", vgg_folder)
    result = net(image)
    assert net.name == "vgg16"
    assert net.layers == tuple(TAPS)
    for tap, activation in zip(TAPS.values(), result, strict=True):
        assert activation.shape == expected[tap].shape
        # float32 sums of up to 4608 products
        assert torch.allclose(activation.double(), expected[tap], rtol=1e-4, atol=1e-4)


def test_the_net_is_frozen_and_the_picture_gets_a_gradient(vgg_folder):
    net = features.find_features("vgg16", vgg_folder)
    assert not any(p.requires_grad for p in net.parameters())
    image = torch.rand(1, 3, 32, 32, requires_grad=True)
    net(image)[-1].sum().backward()
    assert image.grad.abs().mean() > 0


def test_auto_prefers_the_paper_s_network(vgg_folder, stand_ins, monkeypatch, capsys):
    monkeypatch.setenv("VINPAINT_WEIGHTS", str(stand_ins))
    assert features.find_features("auto", vgg_folder).name == "vgg16"
    assert "vgg16 (the paper's network)" in capsys.readouterr().err
    assert features.find_features().name == "vgg16-first-blocks"
    assert "a stand-in for VGG-16 with two of its five layers" in capsys.readouterr().err


# Where files are looked for, and what is said


def test_each_place_is_searched_in_order(tmp_path, vgg_folder, monkeypatch, capsys):
    content = (vgg_folder / "vgg16-397923af.pth").read_bytes()
    beside_data, here, named = tmp_path / "weights", tmp_path / "data" / "weights", tmp_path / "named"
    monkeypatch.setenv("VINPAINT_DATA", str(tmp_path / "data"))
    for place in (beside_data, here, named, vgg_folder):
        place.mkdir(parents=True, exist_ok=True)
        (place / "vgg16-397923af.pth").write_bytes(content)
        if place == named:
            monkeypatch.setenv("VINPAINT_WEIGHTS", str(named))
        assert features.find_features("auto", vgg_folder if place == vgg_folder else None).name == "vgg16"
        shown = place.relative_to(tmp_path) if place == here else place
        assert f"from {shown / 'vgg16-397923af.pth'}\n" in capsys.readouterr().err


def test_nothing_found_is_said(tmp_path, capsys):
    assert features.find_features() is None
    said = capsys.readouterr().err
    assert "perceptual and style losses are off" in said
    assert "data/weights" in said
    assert features.find_features("none") is None
    assert "perceptual and style losses are off" in capsys.readouterr().err


def test_a_network_asked_for_by_name_must_be_there(tmp_path):
    with pytest.raises(UserError, match=r"vgg16-397923af\.pth is in none of .*fetch_weights"):
        features.find_features("vgg16", tmp_path)


def test_unknown_kind_and_folder_are_refused(tmp_path):
    with pytest.raises(UserError, match=r"'vgg19' is unknown: choose one of vgg16, "):
        features.find_features("vgg19")
    with pytest.raises(UserError, match="absent is no folder"):
        features.find_features("auto", tmp_path / "absent")


def test_wrong_files_are_refused_by_name(tmp_path, vgg_weights):
    path = tmp_path / "vgg16-397923af.pth"
    path.write_bytes(b"<html>quota exceeded</html>")
    with pytest.raises(UserError, match=r"vgg16-397923af\.pth cannot be read as weights"):
        features.find_features("auto", tmp_path)
    torch.save([1, 2], path)
    with pytest.raises(UserError, match="does not hold named tensors"):
        features.find_features("auto", tmp_path)
    torch.save({"conv1_1.weight": torch.zeros(64, 3, 3, 3)}, path)
    with pytest.raises(UserError, match=r"has no features\.0\.weight, so it is not vgg16"):
        features.find_features("auto", tmp_path)
    torch.save(vgg_weights | {"features.5.weight": torch.zeros(128, 65, 3, 3)}, path)
    with pytest.raises(UserError, match=r"features\.5\.weight of shape \(128, 65, 3, 3\).*64 channels"):
        features.find_features("auto", tmp_path)
    torch.save(vgg_weights, path)
    path.write_bytes(path.read_bytes()[: -(2**20)])
    with pytest.raises(UserError, match="cannot be read as weights"):
        features.find_features("auto", tmp_path)


def test_a_file_that_runs_code_is_refused(tmp_path):
    class Payload:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    torch.save({"features.0.weight": Payload()}, tmp_path / "vgg16-397923af.pth")
    with pytest.raises(UserError, match="cannot be read as weights"):
        features.find_features("auto", tmp_path)
    assert not (tmp_path / "ran").exists()


# Stand-ins


def caffe_input(image: Tensor, mean: tuple[float, float, float]) -> Tensor:
    """BGR, 0 to 255, minus the mean."""
    return image.double().flip(1) * 255 - torch.tensor(mean, dtype=torch.float64).reshape(3, 1, 1)


def test_first_blocks_are_caffe_s_activations_divided_by_the_scale(stand_ins):
    weights = torch.load(stand_ins / "vgg16_imagenet_conv1_1-conv2_2.pth", weights_only=True)

    def conv(x: Tensor, name: str) -> Tensor:
        weight, bias = (weights[f"{name}.{part}"].double() for part in ("weight", "bias"))
        return functional.relu(functional.conv2d(x, weight, bias, padding=1))

    image = photograph(side=48)
    first = conv(caffe_input(image, (103.939, 116.779, 123.68)), "conv1_1")
    second = conv(functional.max_pool2d(conv(first, "conv1_2"), 2), "conv2_1")
    net = features.find_features("vgg16-first-blocks", stand_ins)
    assert net.layers == ("relu1_1", "relu2_1")
    for activation, expected in zip(net(image), (first, second), strict=True):
        assert torch.allclose(activation.double() * features.CAFFE_SCALE, expected, rtol=1e-4, atol=1e-2)


def test_squeezenet_knows_a_cat_and_an_espresso(stand_ins):
    # The strongest test of colour order, mean, pooling and concatenation: the classes come out right.
    net = features.find_features("squeezenet", stand_ins)
    weights = torch.load(stand_ins / "squeezenet_v1.0_imagenet.pth", weights_only=True)

    def probabilities(image: Tensor) -> Tensor:
        last = net(image)[-1] * features.CAFFE_SCALE
        score = functional.relu(functional.conv2d(last, weights["conv_final.weight"], weights["conv_final.bias"]))
        return score.mean((2, 3)).softmax(1)[0]

    assert probabilities(photograph("chelsea", 227))[281:286].sum() > 0.8  # ImageNet's domestic cats
    assert probabilities(photograph("coffee", 227))[967] > 0.8  # espresso
    assert probabilities(photograph("chelsea", 227).flip(1))[281:286].sum() < 0.5


@pytest.mark.parametrize("kind", ["vgg16-first-blocks", "squeezenet"])
def test_scale_is_comparable_with_normalised_input(stand_ins, kind):
    net = features.find_features(kind, stand_ins)
    for name in ("chelsea", "coffee", "astronaut"):
        means = [activation.mean().item() for activation in net(photograph(name, 128))]
        # Caffe's own are 57.6 times as large, from 6 up to 310.
        assert min(means) > 0.1
        assert max(means) < 10
    assert pytest.approx(255 * np.mean([0.229, 0.224, 0.225])) == features.CAFFE_SCALE


@pytest.mark.parametrize("kind", ["vgg16-first-blocks", "squeezenet"])
def test_features_tell_blur_from_sharp(stand_ins, kind):
    net = features.find_features(kind, stand_ins)
    sharp = photograph("astronaut", 128)
    blurred = functional.avg_pool2d(sharp, 5, stride=1, padding=2, count_include_pad=False)
    shifted = sharp + 0.02
    for a, b, c in zip(net(sharp), net(blurred), net(shifted)):
        assert (a - b).abs().mean() > 1.2 * (a - c).abs().mean()


def test_a_stand_in_under_the_paper_s_name_is_refused(stand_ins, tmp_path):
    (tmp_path / "vgg16-397923af.pth").write_bytes((stand_ins / "squeezenet_v1.0_imagenet.pth").read_bytes())
    with pytest.raises(UserError, match=r"has no features\.0\.weight, so it is not vgg16"):
        features.find_features("auto", tmp_path)
