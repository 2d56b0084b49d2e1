"""The paper's table of parts (Table 2): the rows that one trained network can show, and the numbers of the paper.

Behind it stand forms that are trained anew.
"""

from typing import Any

from vinpaint_lib.scoring.ablation import Ablation, AblationRow
from vinpaint_lib.training.variants import Variant, having

# The paper's network matches the hole with visible positions, and copies no pixels into its picture.
PLAIN = {"matching": "hole", "merged": False}


def combination(number: int) -> dict[str, Any]:
    """Options of row `number` of Table 2a, read as binary counting: align, refine, flow."""
    return {"align": bool(number & 4), "refine": bool(number & 2), "flow": bool(number & 1)} | PLAIN


ABLATION = Ablation(
    model="align_attend",
    switches=("align", "refine", "flow"),
    rows=(
        AblationRow("none", combination(0), (8.966, 0.709)),
        AblationRow("flow", combination(1), (8.139, 1.017)),
        AblationRow("refine", combination(2), (8.577, 0.838)),
        AblationRow("refine, flow", combination(3), (8.262, 1.615)),
        AblationRow("align", combination(4), (7.515, 0.608)),
        AblationRow("align, flow", combination(5), (7.196, 1.863)),
        AblationRow("align, refine", combination(6), (7.149, 1.753)),
        AblationRow("all", combination(7), (5.775, 1.707)),
        AblationRow("all, entire-entire", combination(7) | {"matching": "entire"}, (7.156, 1.818)),
        AblationRow("all, as it ships", combination(7) | {"merged": True}, None),
    ),
    heading="FID in the paper",
    notes=(
        "measured here: one network, parts switched off at test time. It was trained with parts left out at "
        "random (half of the steps use all), so that it knows each choice of align, refine and flow. Entire "
        "matching was never trained: part of what that row loses is the decoder's surprise.",
        "all rows but the last show the picture of the paper's network, and go on from it to the next frame, which "
        "training did not; `as it ships` merges copied pixels into it, which is ours and has no row in the paper.",
        "flow begins with the camera's motion as the affine estimator finds it (ours), also where align is off: "
        "part of what flow brings there is that map's.",
        "FID in the paper: Woo et al., Tables 2a and 2b, mean of five trials on 20 DAVIS clips of 64 frames with "
        "other clips' masks, in brackets presumably the standard deviation; lower is better. Another measure, of "
        "other networks, on other clips: compare the order of the rows, never a number with a number of the other "
        "columns.",
        "which row of Table 2a is which is an inference: our source lost the columns of the ticks, and their "
        "number by row (0, 1, 1, 2, 1, 2, 2, 3) is that of binary counting of align, refine, flow.",
        "`entire-entire` is Table 2b: every position matched with every position, not the hole with what is "
        "visible (hole-nonhole, as in `all`).",
        "the paper also prints a warping error of 0.0027 (0.0001) without and 0.0019 (0.0001) with the flow "
        "estimator (Table 2c: Sintel, true flow); compare the order of `align, refine` and `all` in E_warp.",
    ),
    whole="all",
)

RETRAINED = (
    Variant("full", "all parts, as the preset has them; steps that leave parts out are as many as there."),
    Variant("entire matching", "every position is matched with every position.", having(matching="entire")),
    Variant(
        "no align",
        "no step aligns, and nothing is copied; the flow still begins with the camera's motion.",
        having(align=False),
    ),
    Variant("no refine", "no step attends to the references.", having(refine=False)),
    Variant("no flow", "no step blends the last output in; there is no L_F.", having(flow=False)),
)
