"""What turns a clip into one vector of features, for VFID: the Frechet distance between true and filled clips.

VFID (as STTN and later papers print it) takes I3D's features of whole clips. I3D's weights are published, and are no
part of the project: `python -m data_scripts.fetch_weights get i3d`. The papers' evaluators never switch its batch norm
to evaluation, so it normalises each clip by itself; `i3d-train-mode` does as they do, `i3d` uses the stored statistics.

Where that file is not at hand, a network for single pictures can stand in: the mean of its deepest activation over
frames and positions. Such a distance knows no motion and is named a stand-in. Distances of two networks are never
compared.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from einops import reduce
from jaxtyping import Float
from torch import Tensor

from vinpaint_lib.checkpoints import check_same, read_tensors, shapes_of
from vinpaint_lib.errors import UserError
from vinpaint_lib.losses import features
from vinpaint_lib.scoring.i3d import I3D

FILE = "i3d_rgb_imagenet.pt"
WHOLE = ("i3d", "i3d-train-mode")
NAMES = (*WHOLE, *features.KINDS)


class VideoFeatures(NamedTuple):
    """A network by its name, what its rows must say of it, and the vector of a clip (RGB in [0, 1])."""

    name: str
    note: str
    vector: Callable[[Float[Tensor, "t 3 h w"]], Float[Tensor, " d"]]


def find(name: str, device: torch.device | str = "cpu") -> VideoFeatures | None:
    """The features of that name; None for "none".

    Files are searched where `losses.features.find_features` searches. Raises UserError for an unknown name, and for a
    file that is missing or holds something else.
    """
    if name == "none":
        return None
    if name not in NAMES:
        raise UserError(f"--features {name}: is not known; use one of {', '.join(NAMES)}, or none")
    if name in WHOLE:
        net = read_i3d(file()).to(device).train(name == "i3d-train-mode")
        note = "I3D's Mixed_5c of whole clips, each normalised by itself" if net.training else "I3D's Mixed_5c"
        return VideoFeatures(name, note, lambda frames: of_clip(net, frames.to(device)))
    still = features.find_features(name)
    assert still is not None
    still = still.to(device).eval()
    note = f"a stand-in for I3D: the mean of {name}'s {still.layers[-1]} over frames, which knows no motion"
    return VideoFeatures(name, note, lambda frames: of_frames(still, frames.to(device)))


def file() -> Path:
    """Where I3D's weights lie. Raises UserError if they are in none of the folders."""
    folders = features.places(None)
    for folder in folders:
        if (folder / FILE).is_file():
            return folder / FILE
    looked = ", ".join(map(str, folders))
    raise UserError(
        f"{FILE}: is in none of {looked}; fetch it with `python -m data_scripts.fetch_weights get i3d`, or set "
        "VINPAINT_WEIGHTS to its folder"
    )


def read_i3d(path: Path) -> I3D:
    """The network with its published weights. Raises UserError if the file holds anything else.

    The class scores are left away, and so is how many batches the norms have seen, which early files do not have.
    """
    net = I3D()
    found = read_tensors(path)
    kept = {
        name: value
        for name, value in found.items()
        if not name.startswith("logits.") and not name.endswith(".num_batches_tracked")
    }
    wanted = {name: shape for name, shape in shapes_of(net.state_dict()).items() if "num_batches" not in name}
    check_same(path, shapes_of(kept), wanted)
    net.load_state_dict(kept, strict=False)
    return net.eval()


def of_clip(net: I3D, frames: Float[Tensor, "t 3 h w"]) -> Float[Tensor, " d"]:
    """I3D's vector of a clip. Its running statistics stay as they are."""
    before = {name: value.clone() for name, value in net.named_buffers()} if net.training else {}
    with torch.no_grad():
        found = net(frames)
        for name, value in net.named_buffers():
            if name in before:
                value.copy_(before[name])
    return found.cpu()


def of_frames(net: features.FeatureNet, frames: Float[Tensor, "t 3 h w"]) -> Float[Tensor, " d"]:
    """The mean of the deepest activation over frames and positions, a frame at a time."""
    with torch.no_grad():
        each = [reduce(net(frame[None])[-1], "1 c h w -> c", "mean") for frame in frames]
    return reduce(torch.stack(each).double(), "t c -> c", "mean").float().cpu()
