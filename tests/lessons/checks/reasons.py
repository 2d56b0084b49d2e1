"""Why a changed solution may pass: the change changes nothing, or nothing that the exercise asks for."""

import re

from vinpaint_lib.lessons import checks

GRADIENTS = ("gradient cut", "argument cut from the gradient")
UNASKED = "the text asks for no gradient here"
MASK = "a mask of 0 and 1 is its own rounding"
ORDER = "the order of the two makes no difference to a minimum, a maximum or a comparison"
EVEN = "the difference is squared, or its absolute value taken: its sign makes no difference"
NUMBER = "the loss is one number, and has no axes to turn or to average over"
ALONE = "the axis has the length 1: there is nothing to turn or to choose"
LEAST = "the counts are 0, or larger than the bound"
ANY = "the reader chooses inputs of the test; these tell the same attentions apart"
SUM = "the order of the terms makes no difference to a sum"
REASONS: tuple[tuple[str, str, str, str], ...] = (  # exercise, kind, what (patterns that fit the whole), reason
    (
        ".*",
        "argument rounded",
        r"(mask|masks|hole|holes|visible|known|scored|queries|keys) = \1\.round\(\)",
        MASK,
    ),
    ("shrink_mask", "rounded", r"return x\.round\(\)", MASK),
    ("coverage", "pattern", ".*=> n 1 h w -> h w", "the sum over the hole is the same without the axis of length 1"),
    ("coverage", "another comparison", "landing < 0.001 -> landing <= 0.001", "no value is exactly 0.001"),
    ("coverage", "argument turned round", "hole = -hole", "both sums change their sign, and the share does not"),
    ("coverage", "first sample for all", "hole = .*", ALONE),
    ("two_kernels", "off by one, or a factor", "1 -> 2", "kernels are squares: either side gives the padding"),
    ("copy_weights", "sum, mean, max", "'max' -> '(mean|sum)'", "the sum of a trust is 0 only where all are 0"),
    ("masked_alignment_loss", "off by one, or a factor", "1 -> 2", LEAST),
    ("masked_alignment_loss", "swapped", "aligned - .*", EVEN),
    ("hole_valid_l1", "swapped", "output(, truth = truth, output| - truth -> truth - output)", EVEN),
    ("hole_valid_l1|total_variation|masked_alignment_loss", "missing batch axis", r"return x\.mean\(0\)", NUMBER),
    ("hole_valid_l1|total_variation|masked_alignment_loss", "transposed", r"return x\.mT", NUMBER),
    ("hole_valid_l1|total_variation|masked_alignment_loss", "turned round", r"return x\.flip\((0|-1)\)", NUMBER),
    ("hole_valid_l1|total_variation|masked_alignment_loss", "shifted", "return .*", NUMBER),
    ("gram", "pattern|transposed", ".*", "the matrix is symmetric"),
    ("gram", "argument turned round", "feature = -feature", "the two signs of a product cancel"),
    ("total_variation", "swapped", ".*", EVEN),
    ("total_variation", "argument turned round", ".*", EVEN),
    ("learning_rate", "swapped", "steps? - warmup -> .*", "the cosine is the same for -u; only one of both is turned"),
    ("learning_rate", "a call dropped", "float.*", "a float of numpy is a float"),
    ("sample_for", "a call dropped", "int.*", "a whole number of numpy is a whole number"),
    ("sample_for", "rounded", ".*", "a whole number is its own rounding"),
    ("running_average|fill_in_order|source_window|entropy|blend_volumes", "swapped", ".*(min|max|minimum)[(].*", ORDER),
    (
        "fill_in_order",
        "another operator|a term dropped",
        r"\(?1 - holes\[t\].*",
        "what is under the hole was blanked: it is 0, and its factor makes no difference",
    ),
    ("frames_needed", "swapped|a loop cut", ".*", ORDER),
    ("credited", "pattern", "1 h w -> 1 1 h w => 1 h w -> 1 h w", ALONE),
    ("credited", "off by one, or a factor", "0 -> -1", "below 0 counts as nothing, as 0 does; or an axis of length 1"),
    ("entropy", "missing batch axis|turned round|shifted", ".*", ALONE),
    ("psnr", "swapped", "output(, truth = truth, output|.double.*)", EVEN),
    ("psnr", "a call dropped", r"(output|truth|hole)\.double\(\) -> \1", "the other side is float64 already"),
    ("psnr|warping_error", "type of numbers", r"return x\.double\(\)", "float64 is allowed"),
    ("similarity", "sum, mean, max", "mean -> sum", "one centred factor is enough for a covariance"),
    ("similarity", "another operator|a term dropped", r"[pq] - [pq]\.mean\(\) -> .*", "one centred factor is enough"),
    ("similarity", "swapped", "p, q = q, p", "the measure is symmetric"),
    ("warping_error", "swapped", "pulled - .*", EVEN),
    ("warping_error", "argument turned round", "output = .*", EVEN),
    ("warping_error", "argument turned round", "scored = -scored", "both sums change their sign"),
    (
        "frechet",
        "swapped|a loop cut",
        r"a, b = .*|\(a, b\) -> .*|A @ B -> B @ A|.*\[::-1\]",
        "the distance is symmetric, and so are the traces of AB and BA",
    ),
    ("frechet", "swapped", r"a\.mean.*", EVEN),
    ("frechet", "off by one, or a factor", "0 -> -1", "the bound of clamp: it only cuts rounding"),
    ("cost_volume", "a term dropped", "-2 -> 2", "the third axis of four is the last but one"),
    ("blend_volumes", "off by one, or a factor", "0 -> -1", "all volumes have frames of one size"),
    ("blend_volumes", "a loop cut", r".*\[::-1\]", SUM),
    (
        "obeys_mask",
        "off by one, or a factor|another operator|a term dropped|swapped|sizes and values copied",
        ".*",
        ANY,
    ),
    ("masked_cosine", "off by one, or a factor", "1e-06 -> 2e-06", "the bound only keeps vectors of 0 from 0 / 0"),
    ("weigh_references", "off by one, or a factor", "1 -> 2", LEAST),
    ("weigh_references", "off by one, or a factor", "0 -> 1", LEAST),
    (
        "weigh_references|attend_from_hole",
        "off by one, or a factor",
        "10000.0 -> 20000.0",
        "both lie far below all scores",
    ),
    ("weigh_references", "swapped", "aligned - .*", EVEN),
    ("attend_from_hole", "a term dropped", "-2 -> 2", "the third axis of four is the last but one"),
    ("attend_from_hole", "argument turned round", "keys = -keys", "only where the keys are 0 counts"),
)


def reason_for(name: str, kind: str, what: str) -> str:
    """The first reason whose three patterns fit the whole of a change; "" if there is none."""
    if kind in GRADIENTS:
        asked = re.search(r"Gradients must reach ([^.]*)\.", getattr(checks, name).terms)
        argument = f"`{what.partition(' = ')[0]}`" if kind == GRADIENTS[1] else ""
        return UNASKED if not asked or (argument and argument not in asked[1]) else ""
    for exercise, sort, change, reason in REASONS:
        if re.fullmatch(exercise, name) and re.fullmatch(sort, kind) and re.fullmatch(change, what):
            return reason
    return ""
