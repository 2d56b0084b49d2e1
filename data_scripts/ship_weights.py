"""Make the weights file that ships from the weights file of a training run.

    python data_scripts/ship_weights.py runs/laptop/weights.safetensors runs/affine/affine.safetensors \
        --painter runs/painter/weights.safetensors
    python data_scripts/ship_weights.py runs/sttn/weights.safetensors
    python data_scripts/ship_weights.py runs/aligned/weights.safetensors --variant sttn-aligned

The header of the file names the system. TGF-Net's file has parts that are trained apart: the network learns from
references that chains of motion have aligned (`vinpaint train tgfnet`), its affine aligner learns from pairs with known
motion (`data_scripts/pretrain_affine.py`), and its painter from single pictures (`vinpaint train painter`). With a
painter, the model paints what no frame shows. DFVI's file may have a painter too.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import save_file

from vinpaint_lib.datasets.parse import without_places
from vinpaint_lib.errors import UserError, run_program
from vinpaint_lib.files import draft_of
from vinpaint_lib.systems.registry import SHIPPED, VARIANTS, build

PART, PAINTER = "affine.", "painter."
PAINTED: dict[str, dict[str, Any]] = {
    "tgfnet": {"paint": True},
    "dfvi": {"leftovers": "painter"},
}  # systems with a painter: what switches it on
LARGEST = 20_000_000  # bytes of a file that ships


def read(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Tensors and header of a safetensors file."""
    if not path.exists():
        raise UserError(f"{path}: no such file; train it first")
    with safe_open(path, framework="pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118


def ship(
    network: Path,
    affine: Path | None = None,
    out: Path | None = None,
    history: str = "",
    variant: str | None = None,
    painter: Path | None = None,
) -> Path:
    """Write the tensors of `network`, for TGF-Net with its other parts, to `out`; load that file as a check; return it.

    By default `out` is the place where the library looks for the weights of that system, or of its `variant` that was
    trained apart. `history` is a sentence for the header, if the run that the header of `network` names is only a part
    of the training. Raises UserError for a missing file, a file that no training run wrote, a variant that has no
    weights of its own or is of another system, an aligner that is missing or not wanted, a painter that is not wanted,
    tensors that do not fit, or a file larger than `LARGEST`.
    """
    tensors, header = read(network)
    if "provenance" not in header:
        raise UserError(f"{network}: has no header of a training run; give the weights.safetensors of `vinpaint train`")
    provenance = json.loads(header["provenance"]) | {"history": history}
    model = provenance["model"]
    name = variant or model
    if name not in SHIPPED or VARIANTS[name][0] != model:
        own = [each for each in SHIPPED if VARIANTS[each][0] == model]
        raise UserError(f"--variant {name}: {model} has no such weights file; use {' or '.join(own)}")
    if (model == "tgfnet") != (affine is not None):
        wanted = "give the weights of data_scripts/pretrain_affine.py too" if affine is None else f"leave {affine} away"
        raise UserError(f"{network}: holds weights of {model}; {wanted}")
    if affine is not None:
        aligner, aligner_header = read(affine)
        tensors = {name: value for name, value in tensors.items() if not name.startswith(PART)}
        tensors |= {PART + name.removeprefix(PART): value for name, value in aligner.items()}
        provenance["affine"] = aligner_header
    if painter is not None:
        if model not in PAINTED:
            raise UserError(f"{network}: holds weights of {model}; leave {painter} away")
        found, found_header = read(painter)
        part = json.loads(found_header.get("provenance", "{}"))
        if part.get("model") != "painter":
            raise UserError(f"{painter}: holds no painter; give the weights.safetensors of `vinpaint train painter`")
        tensors |= {PAINTER + name.removeprefix("net."): value for name, value in found.items()}
        provenance["config"] |= {"painter": part["config_name"]} | PAINTED[model]
        part["run"]["data"] = without_places(part["run"]["data"])
        provenance["painter"] = part
    provenance["run"]["data"] = without_places(provenance["run"]["data"])
    target = out or SHIPPED[name]
    target.parent.mkdir(parents=True, exist_ok=True)
    with draft_of(target) as draft:
        save_file(tensors, draft, metadata={"provenance": json.dumps(provenance)})
        build(name, draft)
        if draft.stat().st_size > LARGEST:
            raise UserError(
                f"{network}: {draft.stat().st_size / 1e6:.1f} MB are too many to ship; train a narrower one"
            )
    return target


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("network", type=Path, help="weights.safetensors of `vinpaint train`")
    parser.add_argument("affine", type=Path, nargs="?", help="tgfnet alone: weights of data_scripts/pretrain_affine.py")
    parser.add_argument("--painter", type=Path, help="tgfnet and dfvi: weights of `vinpaint train painter`")
    parser.add_argument("--history", default="", help="a sentence for the header")
    parser.add_argument("--variant", help="a variant of the system that has weights of its own")
    parser.add_argument("--out", type=Path, help="instead of the library's folder of weights")
    options = parser.parse_args(arguments)
    print(ship(options.network, options.affine, options.out, options.history, options.variant, options.painter))


if __name__ == "__main__":
    run_program(main, None, name="python -m data_scripts.ship_weights")
