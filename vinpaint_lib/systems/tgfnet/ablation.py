"""What TGF-Net is without its parts: switches of the network that ships, and forms that are trained anew.

The note's sections 4F and 4G, on the groups, the attention and the alignment, are empty, so no number of the paper
stands beside these rows.
"""

from dataclasses import replace
from typing import Any

from vinpaint_lib.errors import UserError
from vinpaint_lib.motion import chains
from vinpaint_lib.scoring.ablation import AblationRow, switches
from vinpaint_lib.training.variants import Variant, having


def row(name: str, says: str = "", **options: Any) -> AblationRow:
    """A row without a published number."""
    return AblationRow(name, options, None, says)


ABLATION = switches(
    "tgfnet",
    row("as it ships", "all parts; groups along chains of flow and of homographies, two picks a walk."),
    row(
        "flow only",
        "groups along chains of flow alone: half as many. Not a network that trained with them.",
        align=("flow",),
    ),
    row("homography only", "groups along chains of homographies alone, half as many.", align=("homography",)),
    row(
        "learned affine",
        "whole references, each aligned by the learned affine map. Not the paper's form: the network did not learn "
        "with them.",
        align=("learned",),
    ),
    row("robust affine", "the same with a map that is fitted to matches, not learned.", align=("robust",)),
    row("not aligned", "the same references where they lie: what fusion and attention do alone.", align=("none",)),
    row("one pick a walk", "half as many groups: the second pixel that a walk finds is left out.", picks=1),
    row("three picks a walk", "half as many groups more, a number that training never had.", picks=3),
    row("walks of 8 frames", "no group holds a pixel from more than 8 frames away.", reach=8),
    row(
        "learned affine, 4 frames",
        "`learned affine` from the four nearest references alone.",
        align=("learned",),
        references=4,
    ),
    row(
        "mean of groups",
        "every group counts alike in the features, and the copied pixels by their trust alone; the scores are passed "
        "over. Not a network that learned to do without them.",
        softmax=False,
    ),
    row(
        "scales 1/2 and 1/4", "the scale 1/8 is left out: nothing of it enters the hole of the next scale.", used=(2, 4)
    ),
    row("scale 1/2 alone", "the scales 1/8 and 1/4 are left out.", used=(2,)),
    row("no 1x1 stream", "the stream of that kernel gives zeros at every scale.", silent=(1,)),
    row("no 3x3 stream", "likewise.", silent=(3,)),
    row("no 5x5 stream", "likewise; the widest look of a group at its surroundings.", silent=(5,)),
    row(
        "no guess",
        "the group that is never empty is left out: where no frame shows a pixel, there is nothing.",
        guess=False,
    ),
    row("no feedback", "outputs are not written back: later frames see the holes of earlier ones.", feedback="off"),
    row("feedback as printed", "section 3H to the letter: an output counts like a given pixel.", feedback="all"),
    notes=(
        "the network was trained with flow and homography chains and with the guess; a row that takes other "
        "references, or none, measures that surprise too.",
        "the form that ships takes an output that was written back only where no frame shows the pixel.",
        "the paper's ablations are not in our source (sections 4F and 4G are empty), so no number of the paper stands "
        "beside these.",
    ),
)


def along(name: str) -> Any:
    """A change of a preset: its samples have groups of these walks alone."""

    def changed(preset: Any) -> Any:
        if not hasattr(preset.spec, "walks"):
            raise UserError(f"{name} alone: this preset's samples have no walks; give another preset, or leave it out")
        return replace(preset, spec=replace(preset.spec, walks=(name,)))

    return changed


def all_at_once(config: Any) -> Any:
    """A configuration without grouping, for as many groups as chains always give."""
    chained = tuple(name for name in config.align if name in ("flow", "homography"))
    if chained != config.align:
        raise UserError("no grouping: needs equally many references always, which chains alone give; leave it out")
    count = config.picks * len(chains.walks(chained)) + config.guess
    return replace(config, grouping=False, references=count)


def all_groups(preset: Any) -> Any:
    """A preset whose steps have all groups of a sample."""
    if not hasattr(preset.spec, "walks"):
        raise UserError("no grouping: this preset's samples have no walks; give another preset, or leave it out")
    count = preset.spec.picks * len(chains.walks(preset.spec.walks))
    return replace(preset, groups=(count, count))


RETRAINED = (
    Variant("full", "all parts, as the preset has them."),
    Variant(
        "mean of groups", "no attention: every group counts alike, and no score is learned.", having(attention=False)
    ),
    Variant(
        "no grouping",
        "one 3D convolution over the target and all references at once. It has no streams and no scores, and its "
        "weights fix the number of references.",
        all_at_once,
        all_groups,
    ),
    Variant("smallest kernel", "one stream, the one of the smallest kernel.", lambda c: replace(c, sizes=c.sizes[:1])),
    Variant("largest kernel", "one stream, the one of the largest kernel.", lambda c: replace(c, sizes=c.sizes[-1:])),
    Variant(
        "like kernels",
        "as many streams as the full form, all of the middle kernel: not fewer layers, but no mix of sizes.",
        lambda c: replace(c, sizes=c.sizes[len(c.sizes) // 2 :][:1] * len(c.sizes)),
    ),
    Variant("scales 1/2 and 1/4", "nothing is fused at 1/8.", having(scales=(2, 4))),
    Variant("scale 1/2 alone", "nothing is fused at 1/8 and 1/4.", having(scales=(2,))),
    Variant("flow alone", "groups along chains of flow, half as many.", having(align=("flow",)), along("flow")),
    Variant(
        "homography alone",
        "groups along chains of homographies, half as many.",
        having(align=("homography",)),
        along("homography"),
    ),
    Variant("no guess", "no group that is never empty.", having(guess=False)),
    Variant(
        "no feedback",
        "outputs are not written back, and no step of training holds one.",
        having(feedback="off"),
        having(earlier=0.0),
    ),
)
