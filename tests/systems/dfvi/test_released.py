"""A file in the layout of a released one is read whole and strictly, or refused by name."""

import re

import pytest
import torch

from vinpaint_lib.errors import UserError
from vinpaint_lib.systems import registry
from vinpaint_lib.systems.dfvi import network
from vinpaint_lib.systems.dfvi.model import DFVI
from vinpaint_lib.systems.dfvi.resnet import FlowResNet


class Thin(FlowResNet):
    """The same names in a network that is a sixteenth as wide, whose file is small."""

    def __init__(self, channels, blocks, *, single):
        with torch.device("meta"):
            super().__init__(channels, blocks, single=single)
        narrow(self)


def narrow(part):
    """Every side of every tensor of 64 or more is divided by 64."""
    for child in part.modules():
        for kind in (child._parameters, child._buffers):
            for name, value in kind.items():
                if value is not None:
                    sides = [side // 64 if side >= 64 else side for side in value.shape]
                    made = torch.rand(sides)
                    kind[name] = torch.nn.Parameter(made) if kind is child._parameters else made


@pytest.fixture
def thin(monkeypatch):
    monkeypatch.setattr(network, "FlowResNet", Thin)
    torch.manual_seed(0)


@pytest.mark.parametrize("blocks, single", [((3, 4, 6, 3), False), ((3, 4, 23, 3), True)])
def test_depth_and_head_come_from_the_file(tmp_path, thin, blocks, single):
    tensors = Thin(33, blocks, single=single).state_dict()
    counters = {"bn1.num_batches_tracked": torch.tensor(7), "layer1.0.bn2.num_batches_tracked": torch.tensor(7)}
    content = {f"module.{name}": value for name, value in (tensors | counters).items()}
    torch.save({"model": content, "n_iter": 3}, tmp_path / "resnet.pth")
    model = registry.build("dfvi", tmp_path / "resnet.pth")
    assert isinstance(model, DFVI)
    assert (model.config.blocks, model.config.single, model.config.threshold) == (blocks, single, 40.0)
    assert all(torch.equal(value, tensors[name]) for name, value in model.net.state_dict().items())


@pytest.mark.parametrize(
    "change, sentence",
    [
        (lambda t: {"model": {k: v for k, v in t.items() if k != "bn1.bias"}}, r"tensor bn1\.bias is missing"),
        (lambda t: {"model": t | {"layer6.weight": torch.ones(1)}}, r"layer6\.weight is not part of this model"),
        (
            lambda t: {"model": t | {"conv1.weight": torch.ones(1, 66, 7, 7)}},
            r"conv1.weight has shape \(1, 66, 7, 7\) instead of \(1, 33, 7, 7\)",
        ),
        (lambda t: {"model": t | {"bn1.bias": torch.ones(1, dtype=torch.int64)}}, "bn1.bias is no tensor of weights"),
        (lambda t: {"netG": t}, "has no 'model' with weights in it"),
    ],
)
def test_other_files_are_refused_by_name(tmp_path, thin, change, sentence):
    path = tmp_path / "resnet.pth"
    torch.save(change(dict(Thin(33, (3, 4, 6, 3), single=False).state_dict())), path)
    with pytest.raises(UserError, match=f"{re.escape(str(path))}: .*{sentence}"):
        registry.build("dfvi", path)
