"""Rows of TGF-Net that one trained network can stand for: what is aligned how, what is written back, the guess.

The note's sections 4F and 4G, on the groups, the attention and the alignment, are empty, so no number of the paper
stands beside these rows. Attention, grouping, streams and scales need a training of their own and are no rows here.
"""

from typing import Any

from vinpaint_lib.scoring.ablation import Ablation, AblationRow


def row(name: str, **options: Any) -> AblationRow:
    """A row without a published number."""
    return AblationRow(name, options, None)


ABLATION = Ablation(
    model="tgfnet",
    switches=(),
    rows=(
        row("as it ships"),
        row("flow only", align=("flow",)),
        row("homography only", align=("homography",)),
        row("learned affine", align=("learned",)),
        row("robust affine", align=("robust",)),
        row("not aligned", align=("none",)),
        row("one pick a walk", picks=1),
        row("no guess", guess=False),
        row("no feedback", feedback="off"),
        row("feedback as printed", feedback="all"),
    ),
    heading="",
    notes=(
        "measured here: one network, parts switched off or exchanged at test time. It was trained with flow and "
        "homography chains and with the guess; a row that takes other references, or none, measures that surprise too.",
        "`feedback as printed` is section 3H to the letter: an output counts like a given pixel. The form that ships "
        "takes an output only where no frame shows the pixel.",
        "the paper's ablations are not in our source (sections 4F and 4G are empty), so no number of the paper stands "
        "beside these.",
    ),
)
