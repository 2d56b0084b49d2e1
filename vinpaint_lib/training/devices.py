"""Where a training runs: the device by its name, one process or several, and the settings of a GPU."""

import os
from contextlib import nullcontext

import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from accelerate.state import AcceleratorState
from accelerate.utils import patch_environment

from vinpaint_lib.errors import UserError
from vinpaint_lib.options import choose_device


def accelerator_on(device: str) -> Accelerator:
    """The accelerator of this process on `device` ("auto", "cpu", "cuda", "cuda:1", "mps").

    A number in the name means that device. Several processes (torchrun) share the GPUs by themselves, one each. The
    precision is the preset's and is set in the loop: what `accelerate config` has stored for this machine counts for
    nothing. Raises UserError for a device that is not there, and for a number when there are several processes.
    """
    chosen = choose_device(device)
    where = torch.device(chosen)
    several = int(os.environ.get("WORLD_SIZE", "1")) > 1
    if several and where.index is not None:
        raise UserError(f"--device {device}: several processes take a GPU each; give {where.type}")
    if where.type == "cuda":
        torch.backends.cudnn.benchmark = True  # all steps of a run have the same few shapes
        if where.index is not None:
            torch.cuda.set_device(where)
    if not several:
        AcceleratorState._reset_state(reset_partial_state=True)  # a notebook may train twice, on two devices
    named = nullcontext() if several or chosen == "cpu" else patch_environment(accelerate_torch_device=chosen)
    ddp = DistributedDataParallelKwargs(find_unused_parameters=True)
    with named:
        return Accelerator(cpu=where.type == "cpu", mixed_precision="no", kwargs_handlers=[ddp])
