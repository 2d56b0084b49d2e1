"""Reads the weights of STTN that its authors released."""

from pathlib import Path

from vinpaint_lib.checkpoints import check_same, read_tensors, shapes_of
from vinpaint_lib.systems.sttn.model import STTN
from vinpaint_lib.systems.sttn.network import Config


def read_sttn(path: Path) -> STTN:
    """STTN's generator from `sttn.pth` (key `netG`); it behaves as released. Raises UserError for any other file."""
    tensors = read_tensors(path, "netG")
    model = STTN(Config(as_released=True))
    check_same(path, shapes_of(tensors), shapes_of(model.net.state_dict()))
    model.net.load_state_dict(tensors)
    return model.eval()
