"""Reads the weights of CPNet that its authors released."""

from pathlib import Path

from vinpaint_lib.checkpoints import check_same, read_tensors, shapes_of
from vinpaint_lib.systems.cpnet.model import CPNet
from vinpaint_lib.systems.cpnet.network import Config


def read_cpnet(path: Path) -> CPNet:
    """CPNet from `weight.pth`, whose tensors stand at the top of the file; it behaves as released. Raises UserError for
    any other file."""
    tensors = read_tensors(path)
    model = CPNet(Config(as_released=True))
    check_same(path, shapes_of(tensors), shapes_of(model.net.state_dict()))
    model.net.load_state_dict(tensors)
    return model.eval()
