"""VINet's released weights: strictly the released layout, in the released behaviour."""

from collections import OrderedDict

import pytest
import torch

from vinpaint_lib.errors import UserError
from vinpaint_lib.systems import registry
from vinpaint_lib.systems.vinet import released
from vinpaint_lib.systems.vinet.model import VINet
from vinpaint_lib.systems.vinet.towers import Config

THIN = {"widths": (2, 2, 2, 2), "flow_widths": (1, 1, 1, 1)}


@pytest.fixture
def thin(monkeypatch):
    """The same reader with a thin network in place of the paper's, which would take 56 MB a file."""
    monkeypatch.setattr(released, "Config", lambda **options: Config(**THIN, **options))
    torch.manual_seed(0)
    return VINet(Config(**THIN)).net.state_dict()


def test_the_paper_s_network_comes_back_from_a_file_like_the_released_one(tmp_path):
    torch.manual_seed(0)
    tensors = VINet(Config()).net.state_dict()
    assert len(tensors) == 166
    path = tmp_path / "save_agg_rec.pth"
    torch.save({"state_dict": OrderedDict((f"module.{k}", v) for k, v in tensors.items()), "epoch": 6}, path)
    model = registry.build("vinet", path)
    assert isinstance(model, VINet)
    assert model.config == Config(as_released=True, bgr=True)
    assert not model.training
    assert all(torch.equal(value, tensors[name]) for name, value in model.net.state_dict().items())


def test_the_file_for_512_is_told_by_its_name(tmp_path, thin):
    path = tmp_path / "save_agg_rec_512.pth"
    torch.save({"state_dict": dict(thin)}, path)
    model = registry.build("vinet", path)
    assert model.config.double
    assert model.multiple == 16


WRONG = {
    "missing": (
        lambda t: {k: v for k, v in t.items() if k != "convlstm.Gates.bias"},
        r"convlstm\.Gates\.bias is missing",
    ),
    "extra": (lambda t: t | {"decoder.dc7.weight": torch.zeros(3)}, r"decoder\.dc7\.weight is not part of this model"),
    "shape": (
        lambda t: t | {"decoder.dc6.weight": torch.zeros(3, 1, 3, 3)},
        r"decoder\.dc6\.weight has shape \(3, 1, 3, 3\) instead of \(3, 1, 1, 3, 3\)",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_tensors_that_do_not_fit_are_refused_by_name(tmp_path, thin, name):
    change, sentence = WRONG[name]
    path = tmp_path / "vinet.pth"
    torch.save({"state_dict": change(dict(thin))}, path)
    with pytest.raises(UserError, match=sentence):
        registry.build("vinet", path)


def test_the_file_of_another_system_is_a_sentence(tmp_path):
    torch.save({"netG": {"a": torch.ones(2)}}, tmp_path / "sttn.pth")
    with pytest.raises(UserError, match="has no 'state_dict' with weights in it"):
        registry.build("vinet", tmp_path / "sttn.pth")
