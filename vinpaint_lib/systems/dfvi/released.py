"""Reads the weights that the authors of DFVI released for the completion of flow."""

import re
from pathlib import Path

from vinpaint_lib.checkpoints import check_same, read_tensors, shapes_of
from vinpaint_lib.systems.dfvi.model import DFVI
from vinpaint_lib.systems.dfvi.network import Config

COUNTER = "num_batches_tracked"  # an integer beside each normalisation, which nothing reads
THRESHOLD = 40.0  # pixels, in their tool


def read_dfvi(path: Path) -> DFVI:
    """The first stage (key `model`), with the depth and the head that its tensors have; what no flow reaches is left to
    Telea's method. Raises UserError for any other file, also for the later stages, which see flow in both directions.
    """
    tensors = read_tensors(path, "model", without=COUNTER)
    places = [re.match(r"layer(\d)\.(\d+)\.", name) for name in tensors]
    found = [(int(place[1]), int(place[2])) for place in places if place]
    blocks = tuple(1 + max((block for at, block in found if at == layer), default=0) for layer in (1, 2, 3, 4))
    model = DFVI(Config(blocks=blocks, single="layer5.conv3.weight" not in tensors, threshold=THRESHOLD))
    assert model.net is not None, "a network is asked for"
    check_same(path, shapes_of(tensors), shapes_of(model.net.state_dict()))
    model.net.load_state_dict(tensors)
    return model.eval()
