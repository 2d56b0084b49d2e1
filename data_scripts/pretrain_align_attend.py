"""Train Align-and-Attend's estimator alone, and write the weights with which the training of the inpainter begins.

    python -m data_scripts.pretrain_align_attend --clips FOLDER --photos FOLDER --out runs/aa/start.safetensors
    vinpaint train align_attend --start runs/aa/start.safetensors --data ... --out ...

The first command trains on synthetic pairs, with pairs of real frames among the last steps, as `pretrain_affine.py`
does for TGF-Net. When it is given again, it goes on from its checkpoint. The file that it writes holds a whole
Align-and-Attend: the estimator as trained, the rest as drawn from the seed. It takes about 10 minutes on one core.
The second command freezes the estimator.

--masks says which holes both pictures of a pair have: smooth blobs, or irregular ones (streaks, brush strokes and holes
of arbitrary shape, each under an affine map of its own) as in the note. The configuration `paper` has irregular ones
if nothing is said, the others blobs. The note's photographs are those of Places2; give its folder to --photos.
"""

import argparse
from collections.abc import Sequence
from dataclasses import asdict

import torch

from data_scripts.pretrain_affine import APART, add_options, describe, plan_of, pretrain, read_all, residual
from vinpaint_lib import checkpoints
from vinpaint_lib.alignment.pairs import MASKS
from vinpaint_lib.errors import run_program
from vinpaint_lib.systems.align_attend import estimator_losses
from vinpaint_lib.systems.align_attend.estimator import AffineCorrelation
from vinpaint_lib.systems.align_attend.model import AlignAttend
from vinpaint_lib.systems.align_attend.network import CONFIGS, Config, build_estimator

MASKS_OF = {"paper": "irregular"}  # by configuration; the others have blobs


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser)
    parser.add_argument("--config", choices=sorted(CONFIGS), default="small", help="of the network")
    parser.add_argument("--masks", choices=MASKS, help="holes of the pairs; irregular for `paper`, else blobs")
    options = parser.parse_args(arguments)
    plan = plan_of(options, masks=options.masks or MASKS_OF.get(options.config, "blobs"))
    photos, clips, held = read_all(options.clips, options.photos, options.held_back)
    config = CONFIGS[options.config]
    net = make(config, plan.seed)
    single = options.out.with_suffix(".estimator.safetensors")
    pretrain(net, photos, clips, single, plan, teach=estimator_losses.losses, weights=estimator_losses.WEIGHTS)
    torch.manual_seed(plan.seed)
    model = AlignAttend(config)
    model.net.estimator.load_state_dict(net.state_dict())
    provenance = {"model": "align_attend", "config": asdict(config), "config_name": options.config, "step": 0}
    checkpoints.save_weights(model, options.out, provenance | {"estimator": describe(plan)})
    for name, clip in held.items():
        print(f"{name}: residual {residual(net, clip)} at {APART} frames (mean difference of 0-255)")
    print(options.out)


def make(config: Config, seed: int) -> AffineCorrelation:
    """The untrained estimator of a configuration."""
    torch.manual_seed(seed)
    return build_estimator(config)


if __name__ == "__main__":
    run_program(main, None, name="python -m data_scripts.pretrain_align_attend")
