"""A device that no machine needs to have: its tensors compute on the CPU, and refuse what CUDA refuses.

The tests of devices run everywhere with it. A tensor of the device "pretend" holds a tensor of the CPU, so its results
are those of the CPU. Refused, in torch's words for CUDA, are

several devices in one operation  but for copies, CPU tensors as indices of a device tensor, and a CPU tensor without
                                  axes in an elementwise operation
`.numpy()`, `np.asarray(...)`     `.cpu()`, `.item()`, `.tolist()`, `float()` and `bool()` work
a generator of the CPU            for random numbers that are drawn on the device

What it cannot show: the arithmetic of a GPU, bfloat16 by autocast, memory, kernels that a GPU lacks, and work that is
still under way while the CPU goes on. A CPU number as one of three elementwise arguments passes here; CUDA refuses it
in some operations.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

NAME = "pretend"
aten = torch.ops.aten
COPIES = (aten._to_copy, aten.copy_, aten.copy)
INDEXING = (aten.index, aten._unsafe_index, aten.index_put, aten.index_put_, aten._index_put_impl_)
TAKES_NUMBERS = (aten.where, aten.masked_fill, aten.masked_fill_, *INDEXING)  # besides what torch tags as elementwise


class Backend:
    """What torch asks of the module of a device."""

    def is_available(self) -> bool:
        return True

    def is_initialized(self) -> bool:
        return True

    def _is_in_bad_fork(self) -> bool:
        return False

    def device_count(self) -> int:
        return 1

    def current_device(self) -> int:
        return 0

    def synchronize(self) -> None:
        """All work is done when a call returns."""

    def manual_seed_all(self, seed: int) -> None:
        """The CPU's generator draws, so that device and CPU draw the same."""

    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return [torch.float32, torch.bfloat16]


_setup_privateuseone_for_python_backend(NAME, backend_module=Backend())
DEVICE = torch.device(NAME, 0)


class DeviceTensor(Tensor):
    """A tensor of the pretend device; `held` is the tensor of the CPU that it stands for."""

    held: Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @staticmethod
    def __new__(cls, held: Tensor) -> "DeviceTensor":
        layout = {"strides": held.stride(), "storage_offset": held.storage_offset(), "dtype": held.dtype}
        assert type(held) is not DeviceTensor
        # Under inference_mode a view of an ordinary tensor, such as a weight, is an ordinary tensor too.
        alike = held.is_inference() == torch.is_inference_mode_enabled()
        with nullcontext() if alike else torch.inference_mode(held.is_inference()):
            tensor = Tensor._make_wrapper_subclass(cls, held.size(), device=DEVICE, **layout)
        tensor.held = held
        return tensor

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return compute(func, args, kwargs or {})

    def __repr__(self, **_: Any) -> str:
        return f"{self.held!r} on {DEVICE}"

    def __format__(self, form: str) -> str:
        return format(self.item(), form) if self.ndim == 0 else super().__format__(form)

    def numpy(self, **_: Any) -> Any:
        raise TypeError(
            f"can't convert {DEVICE} device type tensor to numpy. "
            "Use Tensor.cpu() to copy the tensor to host memory first."
        )

    def __array__(self, *_: Any, **__: Any) -> Any:
        return self.numpy()

    def tolist(self) -> Any:
        return self.held.tolist()

    def __reduce_ex__(self, protocol: Any) -> Any:
        """In a file it is a tensor of the CPU, as `torch.load(..., map_location="cpu")` gives it back."""
        return self.held.__reduce_ex__(protocol)


class Factories(TorchDispatchMode):
    """Makes `torch.zeros(..., device="pretend")` and the like give tensors of the device."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if is_composite(func):
            with self:
                return func.decompose(*args, **kwargs)
        if DeviceTensor in types or is_pretend(kwargs.get("device")):
            return compute(func, args, kwargs)
        return func(*args, **kwargs)


@contextmanager
def pretend_device() -> Iterator[torch.device]:
    """While it is open, "pretend" can be given wherever torch takes a device."""
    with Factories():
        yield DEVICE


def compute(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What `func` gives, on the device on which torch would put it. Raises RuntimeError for what CUDA refuses."""
    if is_composite(func):
        return func.decompose(*args, **kwargs)
    check_devices(func, args, kwargs)
    device, generator = kwargs.get("device"), kwargs.get("generator")
    if generator is not None:
        raise RuntimeError(f"Expected a '{NAME}' device type for generator but found '{generator.device.type}'")
    given = {name: held(value) for name, value in kwargs.items()}
    if is_pretend(device):
        given["device"] = "cpu"
    result = func(*map(held, args), **given)
    if works_in_place(func):
        return args[0]
    return result if device is not None and not is_pretend(device) else on_device(result)


def check_devices(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Raise RuntimeError if `func` would have to compute with tensors of several devices."""
    operation = func.overloadpacket
    if operation in COPIES:
        return
    tensors = list(tensors_in((*args, *kwargs.values())))
    strangers = [x for x in tensors if type(x) is not DeviceTensor]
    if not strangers or len(strangers) == len(tensors):
        return
    into_cpu = type(args[0]) is not DeviceTensor
    if operation in INDEXING:
        if into_cpu:
            raise RuntimeError("indices should be either on cpu or on the same device as the indexed tensor (cpu)")
        strangers = [x for x in tensors_in(args[2:3]) if type(x) is not DeviceTensor]
    numbers = takes_numbers(func) and all(x.ndim == 0 for x in strangers)
    if not numbers or (into_cpu and works_in_place(func)):
        raise RuntimeError(
            f"Expected all tensors to be on the same device, but found at least two devices, {DEVICE} and cpu! "
            f"(in {func})"
        )


def is_pretend(device: Any) -> bool:
    return device is not None and torch.device(device).type == NAME


def held(value: Any) -> Any:
    """`value` with the tensors of the CPU in place of the device's."""
    if type(value) is DeviceTensor:
        return value.held
    return type(value)(map(held, value)) if type(value) in (list, tuple) else value


def on_device(value: Any) -> Any:
    """`value` with tensors of the device in place of the CPU's."""
    if isinstance(value, Tensor):
        return DeviceTensor(value)
    return type(value)(map(on_device, value)) if type(value) in (list, tuple) else value


def tensors_in(values: Any) -> Iterator[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif type(value) in (list, tuple):
            yield from tensors_in(value)


@cache
def is_composite(func: Any) -> bool:
    """Whether `func` consists of other operations. Only under inference_mode torch has not yet taken it apart."""
    return func.has_kernel_for_dispatch_key(torch._C.DispatchKey.CompositeImplicitAutograd)


@cache
def works_in_place(func: Any) -> bool:
    """Whether `func` writes to its first argument and gives it back."""
    returned = func._schema.returns
    return bool(returned) and returned[0].alias_info is not None and returned[0].alias_info.is_write


@cache
def takes_numbers(func: Any) -> bool:
    """Whether `func` takes a CPU tensor without axes as a number."""
    return torch.Tag.pointwise in func.tags or func.overloadpacket in TAKES_NUMBERS


# `torch.tensor(..., device="pretend")` goes past `__torch_dispatch__`. These two are what it calls.
REGISTERED = torch.library.Library("aten", "IMPL")


def empty_strided(size: list[int], stride: list[int], *, dtype: torch.dtype | None = None, **_: Any) -> Tensor:
    return DeviceTensor(torch.empty_strided(size, stride, dtype=dtype))


def copy_(to: Tensor, source: Tensor, non_blocking: bool = False) -> Tensor:
    held(to).copy_(held(source))
    return to


REGISTERED.impl("empty_strided", empty_strided, "PrivateUse1")
REGISTERED.impl("copy_", copy_, "PrivateUse1")
