"""Released weights: loaded whole and strictly, refused by name otherwise, and no code in them is run."""

import os
import pickle
from collections import OrderedDict

import pytest
import torch

from vinpaint_lib import checkpoints
from vinpaint_lib.errors import UserError
from vinpaint_lib.systems import registry
from vinpaint_lib.systems.sttn import released
from vinpaint_lib.systems.sttn.model import STTN
from vinpaint_lib.systems.sttn.network import Config

THIN = Config(channels=8, blocks=1)


@pytest.fixture
def thin(monkeypatch):
    """The same reader with a thin network in place of the paper's, which would take 66 MB a file."""
    monkeypatch.setattr(released, "Config", lambda as_released: Config(channels=8, blocks=1, as_released=as_released))
    torch.manual_seed(0)
    return STTN(THIN).net.state_dict()


def test_the_paper_s_network_comes_back_from_a_file_like_the_released_one(tmp_path):
    torch.manual_seed(0)
    tensors = STTN(Config()).net.state_dict()
    path = tmp_path / "sttn.pth"
    torch.save({"netG": OrderedDict(tensors)}, path)
    model = registry.build("sttn", path)
    assert isinstance(model, STTN)
    assert model.config == Config(as_released=True)
    assert not model.training
    assert all(torch.equal(value, tensors[name]) for name, value in model.net.state_dict().items())


@pytest.mark.parametrize("zipped", [True, False])
def test_prefix_older_format_half_precision_and_company(tmp_path, thin, zipped):
    path = tmp_path / "gen_00001.pth"
    content = {"netG": {f"module.{name}": value.half() for name, value in thin.items()}, "netD": {"conv": thin}}
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    tensors = checkpoints.read_tensors(path, "netG")
    assert tensors.keys() == thin.keys()
    assert all(value.dtype == torch.float32 for value in tensors.values())
    model = registry.build("sttn", path)
    for name, value in model.net.state_dict().items():
        assert value.dtype == torch.float32
        torch.testing.assert_close(value, thin[name], atol=1e-3, rtol=1e-3)


def without(tensors, name):
    return {key: value for key, value in tensors.items() if key != name}


WRONG = {
    "missing": (lambda t: without(t, "decoder.2.bias"), r"tensor decoder\.2\.bias is missing"),
    "extra": (lambda t: t | {"decoder.8.bias": torch.zeros(3)}, r"tensor decoder\.8\.bias is not part of this model"),
    "shape": (
        lambda t: t | {"encoder.0.weight": torch.zeros(2, 4, 3, 3)},
        r"encoder\.0\.weight has shape \(2, 4, 3, 3\) instead of \(2, 3, 3, 3\)",
    ),
    "number": (lambda t: t | {"encoder.0.bias": 3.0}, r"netG\.encoder\.0\.bias is no tensor of weights"),
    "integers": (lambda t: t | {"encoder.0.bias": torch.zeros(2, dtype=torch.int64)}, "is no tensor of weights"),
    "half a prefix": (
        lambda t: {(f"module.{k}" if k.startswith("encoder") else k): v for k, v in t.items()},
        r"tensor encoder\.0\.weight is missing",
    ),
    "empty": (lambda t: {}, "is missing"),
}


@pytest.mark.parametrize("name", WRONG)
def test_tensors_that_do_not_fit_are_refused_by_name_and_nothing_is_loaded(tmp_path, thin, name, monkeypatch):
    change, sentence = WRONG[name]
    path = tmp_path / "sttn.pth"
    torch.save({"netG": change(thin)}, path)
    loaded = []
    monkeypatch.setattr(torch.nn.Module, "load_state_dict", lambda *arguments, **options: loaded.append(arguments))
    with pytest.raises(UserError, match=sentence) as caught:
        registry.build("sttn", path)
    assert str(path) in str(caught.value)
    assert not loaded


class RunsCode:
    def __reduce__(self):
        return (os.mkdir, (os.environ["VINPAINT_TEST_TRAP"],))


@pytest.mark.parametrize("how", ["zip", "older", "protocol 2", "protocol 4", "module"])
def test_a_pickle_that_would_run_code_is_refused_by_name_and_not_run(tmp_path, monkeypatch, how):
    trap = tmp_path / "trap"
    monkeypatch.setenv("VINPAINT_TEST_TRAP", str(trap))
    path, named = tmp_path / "sttn.pth", "mkdir"
    if how == "module":
        torch.save({"netG": torch.nn.Linear(2, 2)}, path)
        named = "torch.nn.modules.linear.Linear"
    elif how.startswith("protocol"):
        path.write_bytes(pickle.dumps({"netG": RunsCode()}, protocol=int(how[-1])))
        named = "mkdir" if how == "protocol 2" else "no plain file of tensors"
    else:
        torch.save({"netG": {"encoder.0.bias": RunsCode()}}, path, _use_new_zipfile_serialization=how == "zip")
    with pytest.raises(UserError, match=f"sttn.pth: .*{named}.*it was not loaded"):
        registry.build("sttn", path)
    assert not trap.exists()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({"state_dict": {"a": torch.ones(2)}}, "has no 'netG' with weights in it .but state_dict"),
        (torch.ones(3), "has no 'netG' with weights in it .but Tensor"),
        ({"netG": torch.ones(3)}, "has no 'netG'"),
        (b"half a file", "cannot be read as a torch file"),
        (b"", "cannot be read as a torch file"),
        (None, "no such file"),
    ],
)
def test_other_files_are_sentences(tmp_path, content, sentence):
    path = tmp_path / "sttn.pth"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        torch.save(content, path)
    with pytest.raises(UserError, match=sentence):
        registry.build("sttn", path)


def test_a_truncated_file_is_a_sentence(tmp_path, thin):
    path = tmp_path / "sttn.pth"
    torch.save({"netG": thin}, path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(UserError, match="cannot be read as a torch file"):
        registry.build("sttn", path)


def test_systems_without_released_weights_are_named(tmp_path):
    with pytest.raises(UserError, match="no released weights of 'combcn' to read; choose sttn"):
        registry.build("combcn", tmp_path / "any.pth")
    assert {name for name, each in registry.SYSTEMS.items() if each.read_released} == {"sttn", "vinet"}


def test_the_command_line_s_builder_reads_them_too(tmp_path, thin):
    torch.save({"netG": dict(thin)}, tmp_path / "sttn.pth")
    model = registry.build("sttn", tmp_path / "sttn.pth")
    assert model.config.as_released
    assert all(torch.equal(value, thin[name]) for name, value in model.net.state_dict().items())
    with pytest.raises(UserError, match="no released weights of 'tgfnet'"):
        registry.build("tgfnet", tmp_path / "sttn.pth")
