"""The pretend device: what it computes, what it refuses, and that it finds faults planted in the systems."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from tests.pretend_device import pretend_device
from tests.test_every_model import make
from vinpaint_lib.inpaint import fill
from vinpaint_lib.motion import warp
from vinpaint_lib.systems.sttn.model import STTN
from vinpaint_lib.systems.sttn.network import STTNGenerator
from vinpaint_lib.toy.clip import Shot, toy_clip
from vinpaint_lib.video.clip import Clip

SEVERAL = "Expected all tensors to be on the same device, but found at least two devices, pretend:0 and cpu!"
TO_NUMPY = "can't convert pretend:0 device type tensor to numpy. Use Tensor.cpu()"
GENERATOR = "Expected a 'pretend' device type for generator but found 'cpu'"


@pytest.fixture
def device() -> Iterator[torch.device]:
    with pretend_device() as device:
        yield device


MIXED: dict[str, Callable[[Tensor, Tensor], object]] = {  # of a tensor of the device and one of the CPU, both 2 3
    "sum": lambda there, here: there + here,
    "sum, the CPU first": lambda there, here: here * there,
    "number of the device": lambda there, here: here + there[0, 0],
    "cat": lambda there, here: torch.cat([there, here]),
    "stack of numbers": lambda there, here: torch.stack([there[0, 0], here[0, 0]]),
    "product of matrices": lambda there, here: there @ here.T,
    "convolution": lambda there, here: functional.conv1d(there[:, None], here[:1, None]),
    "choice": lambda there, here: torch.where(there > 0, there, here),
    "mask of the CPU": lambda there, here: there.masked_fill(here > 0, 0.0),
    "in place": lambda there, here: there.add_(here),
    "into a number of the CPU": lambda there, here: here[0, 0].add_(there[0, 0]),
    "values to write": lambda there, here: there.index_put_((torch.tensor([0]),), here[0]),
    "grid": lambda there, here: functional.grid_sample(there[None, None], here[None, None, :, :2], align_corners=True),
}


@pytest.mark.parametrize("name", MIXED)
def test_tensors_of_several_devices_are_refused(name, device):
    values = torch.rand(2, 3)
    MIXED[name](values.clone(), values.clone())
    with pytest.raises(RuntimeError, match=SEVERAL):
        MIXED[name](values.to(device), values)


def test_a_device_index_into_a_cpu_tensor_is_refused(device):
    with pytest.raises(RuntimeError, match="indices should be either on cpu or on the same device"):
        torch.rand(3)[torch.tensor([0, 1], device=device)]


@pytest.mark.parametrize("convert", [lambda x: x.numpy(), np.asarray, np.array, np.sqrt])
def test_no_way_to_numpy(convert, device):
    values = torch.rand(3)
    with pytest.raises(TypeError, match=TO_NUMPY):
        convert(values.to(device))
    assert np.array_equal(values.to(device).cpu().numpy(), values.numpy())


@pytest.mark.parametrize("draw", [torch.rand, torch.randn])
def test_a_generator_of_the_cpu_is_refused(draw, device):
    with pytest.raises(RuntimeError, match=GENERATOR):
        draw(3, device=device, generator=torch.Generator())
    with pytest.raises(RuntimeError, match=GENERATOR):
        torch.zeros(3, device=device).uniform_(generator=torch.Generator())
    assert draw(3, device=device).device == device


def test_what_cuda_allows(device):
    values = torch.arange(6.0).reshape(2, 3)
    there = values.to(device)
    assert there.sum().item() == float(there.sum()) == 15
    assert bool(there.any())
    assert there.tolist() == values.tolist()
    assert f"{there[1, 2]:.1f}" == "5.0"
    assert torch.equal((there + torch.tensor(1.0)).cpu(), values + 1)
    assert torch.equal(there[torch.tensor([1])].cpu(), values[1:])
    assert torch.equal(there[values > 2].cpu(), values[values > 2])
    assert torch.equal(torch.where(there > 2, there, torch.tensor(0.0)).cpu(), values * (values > 2))
    here = torch.zeros(2, 3)
    here.copy_(there)
    assert torch.equal(here, values)
    there[0] = 7
    assert torch.equal(there.cpu()[0], torch.full((3,), 7.0))
    assert torch.equal(here, values)


@pytest.mark.parametrize(
    "create",
    [
        lambda device: torch.zeros(2, device=device),
        lambda device: torch.tensor([1.0, 2.0], device=device),
        lambda device: torch.as_tensor(np.ones(2), device=device),
        lambda device: torch.arange(3, device=device) + torch.linspace(0, 1, 3, device=device),
        lambda device: torch.zeros(2, device=device).new_tensor([1.0]),
        lambda device: torch.ones_like(torch.eye(2, device=device)),
        lambda device: torch.full((2,), 0.5).to(torch.zeros(1, device=device)),
        lambda device: nn.Linear(2, 2, device=device).weight,
    ],
)
def test_new_tensors_are_where_they_are_asked_for(create, device):
    assert create(device).device == device
    with torch.inference_mode():
        assert create(device).device == device
        assert create(device).cpu().device == torch.device("cpu")


def test_gradients_and_steps_are_those_of_the_cpu(device):
    nets = [nn.Sequential(nn.Conv2d(3, 4, 3), nn.GroupNorm(2, 4), nn.ReLU(), nn.Conv2d(4, 1, 3)) for _ in range(2)]
    nets[1].load_state_dict(nets[0].state_dict())
    nets[1].to(device)
    pictures = torch.rand(2, 3, 9, 9)
    for net, given in zip(nets, (pictures, pictures.to(device)), strict=True):
        optimiser = torch.optim.Adam(net.parameters(), lr=0.1)
        for _ in range(2):
            optimiser.zero_grad()
            net(given).square().mean().backward()
            optimiser.step()
    for mine, theirs in zip(nets[1].parameters(), nets[0].parameters(), strict=True):
        assert mine.device == device
        torch.testing.assert_close(mine.detach().cpu(), theirs.detach(), atol=1e-6, rtol=0)


# --- faults planted in systems: the CPU does not notice them


def grid_of_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    right = warp.pixel_grid
    monkeypatch.setattr(warp, "pixel_grid", lambda height, width, device="cpu": right(height, width))


def numpy_of_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    right = STTNGenerator.decode

    def rounded(self: STTNGenerator, features: Tensor) -> Tensor:
        made = right(self, features)
        return torch.from_numpy(np.round(made.numpy(), 3)).to(made)

    monkeypatch.setattr(STTNGenerator, "decode", rounded)


def noise_of_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    right = STTNGenerator.decode

    def noisy(self: STTNGenerator, features: Tensor) -> Tensor:
        made = right(self, features)
        return made + 0.01 * torch.randn(made.shape, device=made.device, generator=torch.Generator().manual_seed(0))

    monkeypatch.setattr(STTNGenerator, "decode", noisy)


def outputs_that_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    right = STTN.forward

    def forward(self: STTN, window, step, state):
        output = right(self, window, step, state)
        return output._replace(frames=output.frames.to(next(self.parameters()).device))

    monkeypatch.setattr(STTN, "forward", forward)


@pytest.mark.parametrize(
    "plant, name, kind, said",
    [
        (grid_of_the_cpu, "vinet", RuntimeError, SEVERAL),
        (numpy_of_the_device, "sttn", TypeError, TO_NUMPY),
        (noise_of_the_cpu, "sttn", RuntimeError, GENERATOR),
        (outputs_that_stay, "sttn", RuntimeError, SEVERAL),
    ],
)
def test_a_planted_fault_is_refused(plant, name, kind, said, device, monkeypatch):
    frames = toy_clip("coffee", Shot(length=3, size=(48, 64), seed=0)).clip.frames
    masks = torch.zeros(3, 1, 48, 64)
    masks[:, :, 16:32, 20:40] = 1
    clip, model = Clip(frames, masks), make(name)
    plant(monkeypatch)
    assert len(list(fill(model, clip))) == 3
    model.to(device)
    with pytest.raises(kind, match=said):
        list(fill(model, clip))
    monkeypatch.undo()
    assert len(list(fill(model, clip))) == 3
