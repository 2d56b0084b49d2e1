"""What the hidden tests of notebooks 11 to 14 hand to a reader's function, as in `inputs.py`."""

import torch
from torch import Tensor

from vinpaint_lib.lessons.course.draw import Draw
from vinpaint_lib.lessons.course.inputs import Inputs
from vinpaint_lib.systems.combcn.layer_table import LayerRow


def source_window(draw: Draw) -> Inputs:
    length = (1, draw.whole(2, 6), draw.whole(7, 40))[draw.case % 3]
    return draw.whole(0, length - 1), length


def cost_volume(draw: Draw) -> Inputs:
    b, c, h, w = draw.sizes(4)
    return draw.normal(b, c, h, w), draw.normal(b, c, h, w), draw.whole(1, 3)


def refined_flow(draw: Draw) -> Inputs:
    n, c, h, w = draw.sizes(4, 2, 7)
    coarse = 0.7 * draw.normal(n, 2, h, w)
    return coarse, draw.uniform(n, c, 2 * h, 2 * w), draw.uniform(n, c, 2 * h, 2 * w), rest_of_flow


def rest_of_flow(reference: Tensor, warped: Tensor, start: Tensor) -> Tensor:
    """A toy estimate that depends on each of its three arguments in another way."""
    return 0.5 * reference[:, :2] - warped[:, :2] ** 2 + 0.1 * start


def output_sides(draw: Draw) -> Inputs:
    rows = [LayerRow(1, kernel=draw.whole(1, 3) * 2 - 1, stride=draw.whole(1, 2), dilation=draw.whole(1, 4))]
    rows += [LayerRow(1, kernel=4, stride=2, up=True) for _ in range(draw.whole(0, 2))]
    rows += [LayerRow(1, kernel=3, dilation=draw.whole(1, 2)), LayerRow(1, kernel=3, stride=2, up=draw.case == 1)]
    return rows, draw.whole(20, 90)


def shrink_clip(draw: Draw) -> Inputs:
    factor, (t, h, w) = draw.whole(2, 4), draw.sizes(3, 2, 6)
    masks = draw.mask(t, 1, h * factor, w * factor, share=0.1)
    return draw.uniform(t, 3, h * factor, w * factor), masks, factor


def blend_volumes(draw: Draw) -> Inputs:
    h, w = draw.sizes(2)
    outputs, starts, end = [], [], 0
    for _ in range(draw.whole(2, 4)):
        start = max(0, end - draw.whole(1, 2))  # no gap
        outputs.append(draw.uniform(draw.whole(3, 7), 3, h, w))
        starts.append(start)
        end = max(end, start + len(outputs[-1]))
    return outputs, starts, end


def patch_tokens(draw: Draw) -> Inputs:
    (b, t, c, h, w), parts = draw.sizes(5, 2, 7), draw.whole(1, 4)
    return draw.normal(b, t, c, h * parts, w * parts), parts


def obeys_mask(draw: Draw) -> Inputs:
    return ((obedient, unmasked, halved)[draw.case % 3],)


def obedient(queries: Tensor, keys: Tensor, values: Tensor, holes: Tensor) -> Tensor:
    """An attention that takes nothing from holes."""
    scores = queries @ keys.mT / queries.shape[-1] ** 0.5
    return scores.masked_fill(holes[:, None], -torch.inf).softmax(dim=-1) @ values


def unmasked(queries: Tensor, keys: Tensor, values: Tensor, holes: Tensor) -> Tensor:
    """An attention that does not look at its mask."""
    return (queries @ keys.mT / queries.shape[-1] ** 0.5).softmax(dim=-1) @ values


def halved(queries: Tensor, keys: Tensor, values: Tensor, holes: Tensor) -> Tensor:
    """An attention whose weights do not sum to one."""
    return 0.5 * obedient(queries, keys, values, holes)


def masked_weights(draw: Draw) -> Inputs:
    b, m, n = draw.sizes(3, 3, 9)
    holes = draw.mask(b, n).bool()
    holes[0], holes[1, 0], holes[1, 1] = True, True, False
    return 3 * draw.normal(b, m, n) - 4, holes


def masked_cosine(draw: Draw) -> Inputs:
    b, c, h, w, y, x = draw.sizes(6, 2, 8)
    one, other = draw.normal(b, c, h, w) + 0.5, draw.normal(b, c, y, x)
    one[0, :, 0, 0] = 0
    seen = draw.uniform(b, h * w) * draw.mask(b, h * w, share=0.7)
    return one, other, seen, draw.uniform(b, y * x) * draw.mask(b, y * x, share=0.7)


def weigh_references(draw: Draw) -> Inputs:
    b, r, c, h, w = draw.sizes(5, 2, 8)
    target, known = draw.normal(b, c, h, w), draw.mask(b, 1, h, w, share=0.7)
    known[:, :, 0, 0] = 1
    aligned = torch.stack([target + (0.2 + n) * draw.normal(b, c, h, w) for n in range(r)], dim=1)
    visible = draw.mask(b, r, 1, h, w, share=0.7)
    visible[:, :, :, 0, 0] = 1
    visible[0, 0] = 1 - known[0]  # shares nothing with the target
    return aligned, visible, target, known, draw.number(0.5, 4)


def attend_from_hole(draw: Draw) -> Inputs:
    b, r, c, h, w = draw.sizes(5, 2, 7)
    keys = draw.mask(b, r, 1, h, w, share=0.6)
    keys[:, 0, :, 0, 0] = 1
    target, references = draw.normal(b, c, h, w), draw.normal(b, r, c, h, w)
    return target, references, draw.mask(b, 1, h, w, share=0.5), keys, draw.number(2, 12)
