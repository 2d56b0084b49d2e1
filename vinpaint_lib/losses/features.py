"""Feature networks of the perceptual and style losses: VGG-16, or a named stand-in.

Paper     TGF-Net sec. F takes relu1_1, 2_1, 3_1, 4_1 and 5_1 of VGG-16 trained on ImageNet. Those are the
          published weights vgg16-397923af.pth, for RGB pictures minus ImageNet's mean, divided by its deviation.
Stand-in  `vgg16-first-blocks` (two of the five layers) and `squeezenet` (another network) come from Caffe. They
          expect BGR pictures from 0 to 255, minus a mean. With such inputs, activations are CAFFE_SCALE = 57.6
          times larger than the paper's loss weights expect, and Gram matrices CAFFE_SCALE^2 times. So their
          weights are rewritten for torchvision's input scale. ReLU, pooling and concatenation commute with a
          positive factor s: if the input and every bias are divided by s, every activation is exactly divided by
          s. On photographs the mean activations are then 0.1 to 6. Still, the paper's loss weights were not
          chosen for these networks.
"""

import os
import pickle
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from vinpaint_lib.errors import UserError

IMAGENET_MEAN = (0.485, 0.456, 0.406)  # RGB in [0, 1]
IMAGENET_STD = (0.229, 0.224, 0.225)
CAFFE_STD = sum(IMAGENET_STD) / 3  # one value for all colours, since Caffe's networks divide by no deviation
CAFFE_SCALE = 255 * CAFFE_STD


@dataclass(frozen=True)
class Kind:
    """One network: its file, and for every activation the modules between the activation before and this one.

    A module is "pool", "fireN" or the name of a convolution in the file; a ReLU follows each convolution.
    `caffe_mean` is the BGR mean of a Caffe network (0 to 255), None for torchvision's weights. `pool` is the
    side of the pooling windows. `stride` is the stride of the plain convolutions, which are padded only if it is 1.
    """

    file: str
    layers: dict[str, tuple[str, ...]]
    caffe_mean: tuple[float, float, float] | None = None
    note: str = "the paper's network"
    pool: int = 2
    stride: int = 1


KINDS = {
    "vgg16": Kind(
        "vgg16-397923af.pth",
        {
            "relu1_1": ("features.0",),
            "relu2_1": ("features.2", "pool", "features.5"),
            "relu3_1": ("features.7", "pool", "features.10"),
            "relu4_1": ("features.12", "features.14", "pool", "features.17"),
            "relu5_1": ("features.19", "features.21", "pool", "features.24"),
        },
    ),
    "vgg16-first-blocks": Kind(
        "vgg16_imagenet_conv1_1-conv2_2.pth",
        {"relu1_1": ("conv1_1",), "relu2_1": ("conv1_2", "pool", "conv2_1")},
        (103.939, 116.779, 123.68),
        "a stand-in for VGG-16 with two of its five layers",
    ),
    "squeezenet": Kind(
        "squeezenet_v1.0_imagenet.pth",
        {
            "relu_conv1": ("conv1",),
            "fire3": ("pool", "fire2", "fire3"),
            "fire5": ("fire4", "pool", "fire5"),
            "fire7": ("fire6", "fire7"),
            "fire9": ("fire8", "pool", "fire9"),
        },
        (104.0, 117.0, 123.0),
        "a stand-in for VGG-16, another network",
        pool=3,
        stride=2,
    ),
}


class FeatureNet(nn.Module):
    """A frozen network that turns pictures into lists of activations. Show its `name` beside every result of it.

    kind     a key of KINDS
    weights  the tensors of its file; ValueError if one is missing or does not fit its neighbours
    layers   the names of the activations, in the order in which `forward` returns them

    Gradients reach the pictures, but not the parameters.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, kind: str, weights: Mapping[str, Tensor]) -> None:
        super().__init__()
        plan = KINDS[kind]
        self.name = kind
        self.layers = tuple(plan.layers)
        mean, std = IMAGENET_MEAN, IMAGENET_STD
        if plan.caffe_mean is not None:
            blue, green, red = (m / 255 for m in plan.caffe_mean)
            mean, std = (red, green, blue), (CAFFE_STD, CAFFE_STD, CAFFE_STD)
            weights = to_torchvision_scale(weights, first=plan.layers[self.layers[0]][0])
        self.register_buffer("mean", rearrange(torch.tensor(mean), "c -> c 1 1"), persistent=False)
        self.register_buffer("std", rearrange(torch.tensor(std), "c -> c 1 1"), persistent=False)
        self.stages = nn.ModuleList()
        channels = 3
        for names in plan.layers.values():
            parts: list[nn.Module] = []
            for name in names:
                if name == "pool":
                    parts.append(nn.MaxPool2d(plan.pool, 2, ceil_mode=plan.pool == 3))
                elif name.startswith("fire"):
                    fire = Fire(weights, name, channels)
                    parts.append(fire)
                    channels = fire.channels
                else:
                    conv = convolution(weights, name, channels, stride=plan.stride)
                    parts += [conv, nn.ReLU()]
                    channels = conv.out_channels
            self.stages.append(nn.Sequential(*parts))
        self.requires_grad_(False)

    def forward(self, image: Float[Tensor, "b 3 h w"]) -> list[Float[Tensor, "b _ _ _"]]:
        """Activations of RGB pictures in [0, 1], from shallow to deep; sides of at least 32 pixels."""
        x = (image - self.mean) / self.std
        activations = []
        for stage in self.stages:
            x = stage(x)
            activations.append(x)
        return activations


class Fire(nn.Module):
    """SqueezeNet's module: 1x1 to few channels, then 1x1 and 3x3 side by side, a ReLU after each."""

    def __init__(self, weights: Mapping[str, Tensor], name: str, channels: int) -> None:
        super().__init__()
        self.squeeze = convolution(weights, f"{name}/conv1x1_1", channels)
        few = self.squeeze.out_channels
        self.expand = nn.ModuleList(convolution(weights, f"{name}/{part}", few) for part in ("conv1x1_2", "conv3x3_2"))
        self.channels = len(weights[f"{name}/conv1x1_2.bias"]) + len(weights[f"{name}/conv3x3_2.bias"])

    def forward(self, x: Float[Tensor, "b _ h w"]) -> Float[Tensor, "b _ h w"]:
        few = functional.relu(self.squeeze(x))
        return functional.relu(torch.cat([conv(few) for conv in self.expand], dim=1))


def convolution(weights: Mapping[str, Tensor], name: str, channels: int, stride: int = 1) -> nn.Conv2d:
    """The convolution `name` with its weights; ValueError if they are missing or do not take `channels` channels."""
    missing = [key for key in (f"{name}.weight", f"{name}.bias") if key not in weights]
    if missing:
        raise ValueError(f"has no {missing[0]}")
    weight, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
    if weight.ndim != 4 or weight.shape[1] != channels or bias.shape != weight.shape[:1]:
        raise ValueError(f"has {name}.weight of shape {tuple(weight.shape)}, which does not take {channels} channels")
    size = weight.shape[-1]
    conv = nn.Conv2d(channels, len(weight), size, stride=stride, padding=size // 2 if stride == 1 else 0)
    conv.load_state_dict({"weight": weight, "bias": bias})
    return conv


def to_torchvision_scale(weights: Mapping[str, Tensor], first: str) -> dict[str, Tensor]:
    """Weights of a Caffe network, rewritten for RGB pictures of torchvision's scale.

    The `first` convolution exchanges red and blue, and every bias is divided by CAFFE_SCALE. Each activation is then
    Caffe's activation divided by CAFFE_SCALE.
    """
    scaled = {key: value / CAFFE_SCALE if key.endswith(".bias") else value for key, value in weights.items()}
    if f"{first}.weight" in scaled:
        scaled[f"{first}.weight"] = scaled[f"{first}.weight"].flip(1)
    return scaled


def find_features(kind: str = "auto", folder: Path | str | None = None, first: str = "vgg16") -> FeatureNet | None:
    """The feature network, and a sentence on stderr that says which one, or that perceptual and style losses are off.

    `kind` is a key of KINDS, "auto" or "none". "auto" takes the kind `first` if its file is found, else the first of
    the others, and gives None if there is no file at all; "none" gives None. The file is searched in `folder`, in the
    folder VINPAINT_WEIGHTS, in data/weights of the current folder, and in weights beside the folder VINPAINT_DATA.

    Raises UserError if `folder` is not a folder, the kind is unknown, the file of a kind given by name is not found,
    or a file does not hold what its name says.
    """
    if kind not in (*KINDS, "auto", "none"):
        raise UserError(f"the feature network {kind!r} is unknown: choose one of {', '.join(KINDS)}, auto or none")
    if kind == "none":
        say("no feature network was asked for: perceptual and style losses are off")
        return None
    folders = places(folder)
    for name in dict.fromkeys((first, *KINDS)) if kind == "auto" else (kind,):
        for place in folders:
            path = place / KINDS[name].file
            if path.is_file():
                net = load(name, path)
                say(f"{name} ({KINDS[name].note}), layers {', '.join(net.layers)}, from {path}")
                return net
    looked = ", ".join(str(place) for place in folders)
    if kind != "auto":
        raise UserError(
            f"{KINDS[kind].file} is in none of {looked}: run data_scripts/fetch_weights.py or set VINPAINT_WEIGHTS"
        )
    say(
        f"no feature network is in any of {looked}: perceptual and style losses are off "
        "(data_scripts/fetch_weights.py gets VGG-16)"
    )
    return None


def needed_features(without: bool, device: torch.device, first: str = "vgg16") -> FeatureNet | None:
    """The feature network that a training's losses need, on `device`; None if it is to go on without one. Raises
    UserError if there is none."""
    if without:
        return None
    found = find_features("auto", first=first)
    if found is None:
        raise UserError(
            "the losses L_perc and L_style need a feature network, and no file of one is found: fetch it with "
            "`python -m data_scripts.fetch_weights get vgg16`, or train without (--without-features)"
        )
    return found.to(device)


def places(folder: Path | str | None) -> list[Path]:
    """The folders in which weights are searched, in this order. Raises UserError if `folder` is not a folder."""
    if folder is not None and not Path(folder).is_dir():
        raise UserError(f"{folder} is no folder: give one that holds {KINDS['vgg16'].file}, or leave it out")
    found = [] if folder is None else [Path(folder)]
    if os.environ.get("VINPAINT_WEIGHTS"):
        found.append(Path(os.environ["VINPAINT_WEIGHTS"]))
    found.append(Path("data/weights"))
    if os.environ.get("VINPAINT_DATA"):
        found.append(Path(os.environ["VINPAINT_DATA"]).absolute().parent / "weights")
    return found


def load(kind: str, path: Path) -> FeatureNet:
    """A feature network from its file. Raises UserError if the file is damaged or holds something else."""
    remedy = f"fetch {KINDS[kind].file} again (data_scripts/fetch_weights.py)"
    try:
        weights = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, EOFError, RuntimeError, ValueError, KeyError, pickle.UnpicklingError) as error:
        raise UserError(f"{path} cannot be read as weights: {remedy}") from error
    if not isinstance(weights, Mapping) or not all(isinstance(value, Tensor) for value in weights.values()):
        raise UserError(f"{path} does not hold named tensors, as {kind} needs: {remedy}")
    try:
        return FeatureNet(kind, weights)
    except ValueError as error:
        raise UserError(f"{path} {error}, so it is not {kind}: {remedy}") from error


def say(sentence: str) -> None:
    """Print a sentence to stderr, whatever logging is set up: a user must know which losses are off or replaced."""
    print(f"features: {sentence}", file=sys.stderr, flush=True)
