"""Join the trained fusion network and the pretrained affine aligner into the weights file that ships.

    python data_scripts/ship_weights.py runs/laptop/weights.safetensors runs/affine/affine.safetensors

The two are trained apart: the network behind chained alignments (`vinpaint train tgfnet`), the aligner on pairs
with known motion (`data_scripts/pretrain_affine.py`).
"""

import argparse
import json
import os
import sys
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import save_file

from vinpaint_lib.errors import UserError
from vinpaint_lib.models.registry import SHIPPED, build
from vinpaint_lib.train import without_places

PART = "affine."


def read(path: Path) -> tuple[dict, dict]:
    """Tensors and header of a safetensors file."""
    if not path.exists():
        raise UserError(f"{path}: no such file; train it first")
    with safe_open(path, framework="pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118


def ship(network: Path, affine: Path, out: Path, history: str = "") -> Path:
    """Write `out` from the network's tensors and the aligner's, load it once as a check, and return it.

    `history` is a sentence for the header, where the run that the network's own header names is not all of it.
    """
    tensors, header = read(network)
    aligner, aligner_header = read(affine)
    tensors = {name: value for name, value in tensors.items() if not name.startswith(PART)}
    tensors |= {PART + name.removeprefix(PART): value for name, value in aligner.items()}
    provenance = json.loads(header["provenance"]) | {"affine": aligner_header, "history": history}
    provenance["run"]["data"] = without_places(provenance["run"]["data"])
    out.parent.mkdir(parents=True, exist_ok=True)
    beside = out.with_name(out.name + ".tmp")
    save_file(tensors, beside, metadata={"provenance": json.dumps(provenance)})
    try:
        build("tgfnet", beside)
    except UserError:
        beside.unlink()
        raise
    os.replace(beside, out)
    return out


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("network", type=Path, help="weights.safetensors of `vinpaint train tgfnet`")
    parser.add_argument("affine", type=Path, help="weights of data_scripts/pretrain_affine.py")
    parser.add_argument("--history", default="", help="a sentence for the header")
    parser.add_argument("--out", type=Path, default=SHIPPED["tgfnet"])
    options = parser.parse_args()
    try:
        print(ship(options.network, options.affine, options.out, options.history))
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
