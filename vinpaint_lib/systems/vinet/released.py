"""Reads the weights of VINet that its authors released."""

from pathlib import Path

from vinpaint_lib.checkpoints import check_same, read_tensors, shapes_of
from vinpaint_lib.systems.vinet.model import VINet
from vinpaint_lib.systems.vinet.towers import Config


def read_vinet(path: Path) -> VINet:
    """VINet's generator (key `state_dict`); it behaves as released, and inside of it blue is the first colour.

    The files for frames of 256 and of 512 hold the same names and shapes, but the network for 512 halves its frames. So
    a file with 512 in its name, such as `save_agg_rec_512.pth`, is read as the network for 512. Raises UserError for
    any other file.
    """
    tensors = read_tensors(path, "state_dict")
    model = VINet(Config(as_released=True, bgr=True, double="512" in path.name))
    check_same(path, shapes_of(tensors), shapes_of(model.net.state_dict()))
    model.net.load_state_dict(tensors)
    return model.eval()
