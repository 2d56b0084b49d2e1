"""The device by its name, and what of accelerate's stored settings counts: nothing."""

import pytest
import torch
from accelerate import Accelerator
from einops import pack

from vinpaint_lib.errors import UserError
from vinpaint_lib.options import use_bf16
from vinpaint_lib.training import devices
from vinpaint_lib.training.adversary import average_gradients


@pytest.fixture
def two_gpus(monkeypatch):
    """A machine that says that it has two GPUs; nothing is put on them. Returns the devices that were made current."""
    current = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", current.append)
    monkeypatch.setattr("accelerate.state.check_cuda_p2p_ib_support", lambda: True)
    yield current
    monkeypatch.undo()
    devices.accelerator_on("cpu")


def test_a_number_means_that_device(two_gpus):
    assert devices.accelerator_on("cuda:1").device == torch.device("cuda:1")
    assert two_gpus == [torch.device("cuda:1")]


def test_one_process_may_change_its_device(two_gpus):
    for name in ("cuda:1", "cpu", "cuda:0"):
        assert devices.accelerator_on(name).device == torch.device(name)


def test_several_processes_take_a_gpu_each(two_gpus, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UserError, match="--device cuda:1: several processes take a GPU each; give cuda"):
        devices.accelerator_on("cuda:1")


def test_a_device_that_is_not_there_is_a_sentence():
    with pytest.raises(UserError, match="--device cuda:7"):
        devices.accelerator_on("cuda:7")


def test_a_stored_precision_does_not_count(monkeypatch):
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "bf16")
    assert devices.accelerator_on("cpu").mixed_precision == "no"


@pytest.mark.parametrize("real", [True, False])
def test_bf16_on_a_gpu_only_where_it_is_real(monkeypatch, real):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation or real)
    assert use_bf16("auto", torch.device("cuda")) == real


def test_gradients_of_a_critic_travel_in_one_piece():
    """Two processes: the other one's gradients are three times as large, so the mean is twice what is here."""
    sent = []

    class Two(Accelerator):
        def reduce(self, tensor, reduction="sum", scale=1.0):
            sent.append(tensor.shape)
            return tensor * 2

    parameters = [torch.nn.Parameter(torch.zeros(shape)) for shape in ((3, 2), (4,), (1, 1, 2))]
    for p in parameters:
        p.grad = torch.randn(p.shape)
    before = [p.grad.clone() for p in parameters]
    average_gradients(Two(cpu=True), parameters)
    assert sent == [pack(before, "*")[0].shape]
    for p, grad in zip(parameters, before, strict=True):
        assert torch.equal(p.grad, 2 * grad)
