"""A file in the layout of the released one is read whole and strictly, or refused by name."""

import os
import re

import pytest
import torch

from vinpaint_lib.errors import UserError
from vinpaint_lib.systems import registry
from vinpaint_lib.systems.cpnet import released
from vinpaint_lib.systems.cpnet.model import CPNet
from vinpaint_lib.systems.cpnet.network import Config


@pytest.fixture
def thin(monkeypatch):
    """The same reader with a thin network in place of the paper's, whose file has 87 MB; and its tensors."""
    monkeypatch.setattr(released, "Config", lambda as_released: Config(width=1, side=16, as_released=as_released))
    torch.manual_seed(0)
    return CPNet(Config(width=1, side=16)).net.state_dict()


def test_the_file_s_tensors_stand_at_its_top_behind_a_prefix(tmp_path, thin):
    torch.save({f"module.{name}": value.half() for name, value in thin.items()}, tmp_path / "weight.pth")
    model = registry.build("cpnet", tmp_path / "weight.pth")
    assert isinstance(model, CPNet)
    assert model.config.as_released
    assert not model.training
    for name, value in model.net.state_dict().items():
        assert value.dtype == torch.float32
        torch.testing.assert_close(value, thin[name], atol=1e-3, rtol=1e-3)


class RunsCode:
    def __reduce__(self):
        return (os.mkdir, ("never",))


@pytest.mark.parametrize(
    "change, sentence",
    [
        (lambda t: {k: v for k, v in t.items() if k != "A_Regressor.conv6a.conv.0.weight"}, "conv6a.* is missing"),
        (lambda t: t | {"CM_Module.extra": torch.ones(1)}, r"CM_Module\.extra is not part of this model"),
        (lambda t: t | {"mean": torch.ones(3)}, r"mean has shape \(3,\) instead of \(1, 3, 1, 1\)"),
        (lambda t: t | {"mean": 3}, "mean is no tensor of weights"),
        (lambda t: torch.ones(3), "has no weights in it, but Tensor"),
        (lambda t: {"state_dict": t}, "state_dict is no tensor of weights"),
        (lambda t: t | {"mean": RunsCode()}, "mkdir.*it was not loaded"),
    ],
)
def test_other_files_are_refused_by_name(tmp_path, thin, change, sentence):
    path = tmp_path / "weight.pth"
    torch.save(change(dict(thin)), path)
    with pytest.raises(UserError, match=f"{re.escape(str(path))}: .*{sentence}"):
        registry.build("cpnet", path)
    assert not os.path.exists("never")
