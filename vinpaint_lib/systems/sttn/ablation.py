"""What STTN is without its parts: switches of the network that ships, and forms that are trained anew."""

from dataclasses import replace

from vinpaint_lib.scoring.ablation import AblationRow, switches
from vinpaint_lib.systems.sttn.attention import PARTS
from vinpaint_lib.training.variants import Variant, having, weighed

ABLATION = switches(
    "sttn",
    AblationRow("as it ships", {}, says="four heads a block; keys in holes get no weight."),
    *(
        AblationRow(
            f"no {parts}x{parts} patches",
            {"silent": (parts,)},
            says=f"the heads that cut a frame into {parts}x{parts} patches give zeros in every block, a quarter of "
            "the channels. Not a network whose other heads learned to stand in for them.",
        )
        for parts in PARTS
    ),
    AblationRow(
        "mask dropped",
        {"as_released": True},
        says="keys in holes count like all others, as in the released code, which was trained so; these weights "
        "were not.",
    ),
    AblationRow(
        "neighbours only",
        {"keys": "neighbours"},
        says="a window sees its own frames, at most eleven, and no distant one.",
    ),
    AblationRow(
        "references only",
        {"keys": "references"},
        says="content comes from distant frames alone, every tenth of the clip; the targets ask and are no keys. A "
        "window without distant frames, as of a clip of ten frames, is as it ships.",
    ),
)

RETRAINED = (
    Variant("full", "all parts, as the preset has them."),
    Variant(
        "whole frames", "every head has one patch a frame: all channels at the coarsest scale.", having(parts=PARTS[:1])
    ),
    Variant(
        "smallest patches",
        "every head has the smallest patches: all channels at the finest scale.",
        having(parts=PARTS[-1:]),
    ),
    Variant("large patches", "two heads, the two coarse scales.", having(parts=PARTS[:2])),
    Variant("small patches", "two heads, the two fine scales.", having(parts=PARTS[2:])),
    Variant(
        "half the depth", "half of the blocks; also fewer weights.", lambda c: replace(c, blocks=max(1, c.blocks // 2))
    ),
    Variant("one block", "a single block; also fewer weights.", having(blocks=1)),
    Variant("mask dropped", "keys in holes count like all others, as in the released code.", having(as_released=True)),
    Variant(
        "adversarial",
        "with the discriminator and the paper's weight of L_adv; it is meant for the eye, and lowers the PSNR.",
        preset=weighed({"L_adv": 0.01}),
    ),
    Variant("not adversarial", "without the discriminator.", preset=weighed({"L_adv": 0.0})),
)
