"""Checks of notebook 02: the library's way passes, and each mistake gets a sentence of its own."""

import pytest
import torch
from einops import rearrange, reduce

from tests.lessons.checks.planted import caught, passes
from vinpaint_lib.holes import masks as holes_masks
from vinpaint_lib.lessons import checks
from vinpaint_lib.lessons.experiments import receptive_fields
from vinpaint_lib.systems.tgfnet.network import Config, FusionNet


def masked_input(frames, masks):
    """What the network feeds its encoder, overheard."""
    net = FusionNet(Config(channels=(2, 2, 2), widths=(2, 2, 2), sizes=(1,), depth=0, tail=2))
    heard = []
    net.encoder.register_forward_pre_hook(lambda module, inputs: heard.append(inputs[0]))
    height, width = frames.shape[-2:]
    pads = (0, -width % 8, 0, -height % 8)  # the network wants multiples of 8
    frames, masks = (torch.nn.functional.pad(x, pads) for x in (frames, masks))
    net(frames, masks, rearrange(frames, "b c h w -> b 1 c h w"), rearrange(masks, "b 1 h w -> b 1 1 h w"))
    return heard[0][..., :height, :width]


def joined(colours, masks):
    return torch.cat([colours, masks], dim=1)


@pytest.mark.parametrize(
    "mistake, sentence",
    [
        (lambda x, m: joined(2 * x - 1, m), "what lies under the hole"),
        (lambda x, m: joined(2 * x * (1 - m) - 1, m), "the same as black"),
        (lambda x, m: joined(x * (1 - m), m), "not centred"),
        (lambda x, m: joined((2 * x - 1) * m, m), "the hole is shown"),
        (lambda x, m: joined((2 * x - 1) * (1 - m), 1 - m), "fourth channel is 1 where the pixel is known"),
        (lambda x, m: joined((2 * x - 1) * (1 - m), m * 2), "fourth channel is not the mask"),
        (lambda x, m: torch.cat([m, (2 * x - 1) * (1 - m)], dim=1), "the mask is the first channel"),
        (lambda x, m: (2 * x - 1) * (1 - m), "there are three channels"),
        (lambda x, m: torch.cat([(2 * x - 1) * (1 - m), m], dim=0), "stops with RuntimeError"),
        (lambda x, m: joined((3 * x - 1) * (1 - m), m), "differ from"),
    ],
)
def test_masked_input(mistake, sentence):
    passes(checks.masked_input, masked_input)
    caught(checks.masked_input, mistake, sentence)


def receptive_field(layers):
    found = receptive_fields.field(layers)
    return found.size, found.step


def walked(layers, begin=1, less=1, late=False, strides=True):
    size, step = begin, 1
    for kernel, stride in layers:
        size += (kernel - less) * step * (stride if late else 1)
        step *= stride if strides else 1
    return size, step


@pytest.mark.parametrize(
    "mistake, sentence",
    [
        (lambda layers: walked(layers, strides=False), "stood on pixels"),
        (lambda layers: walked(layers, late=True), "too early"),
        (lambda layers: walked(layers, less=0), "adds k - 1 steps"),
        (lambda layers: walked(layers, begin=0), "begin with 1"),
        (lambda layers: walked(layers[::-1]), "from the last to the first"),
        (lambda layers: ((walked(layers)[0] - 1) // 2, walked(layers)[1]), "one side of the middle"),
        (lambda layers: (walked(layers)[0], sum(s for _, s in layers)), "do not add up"),
        (lambda layers: (walked(layers)[0], 1), "is it multiplied by the stride"),
        (lambda layers: (walked(layers)[0], walked(layers)[1] + 1), "the product of all strides"),
        (lambda layers: (walked(layers)[0] + 2, walked(layers)[1]), "go through it by hand"),
        (lambda layers: walked(layers) if layers else (0, 1), "sees itself"),
        (lambda layers: walked(layers)[::-1], "size and step are exchanged"),
        (lambda layers: walked(layers)[0], "returns an int, and a tuple is wanted"),
    ],
)
def test_receptive_field(mistake, sentence):
    passes(checks.receptive_field, receptive_field)
    passes(checks.receptive_field, walked)
    caught(checks.receptive_field, mistake, sentence)


def share(mask, factor):
    return reduce(mask, "b 1 (h fh) (w fw) -> b 1 h w", "mean", fh=factor, fw=factor)


@pytest.mark.parametrize(
    "mistake, sentence",
    [
        (lambda m, f: holes_masks.shrink_mask(m, f, "nearest"), "one pixel decides"),
        (lambda m, f: (share(m, f) == 1).float(), "only if all"),
        (lambda m, f: (share(m, f) > 0.5).float(), "if most of it is"),
        (share, "cells hold shares"),
        (lambda m, f: share(m, f) * f * f, "numbers of pixels"),
        (lambda m, f: reduce(m, "b 1 (fh h) (fw w) -> b 1 h w", "max", fh=f, fw=f), "not neighbours"),
        (lambda m, f: 1 - holes_masks.shrink_mask(m, f), "exchanged"),
        (lambda m, f: holes_masks.shrink_mask(m.transpose(2, 3), f), "shape"),
        (lambda m, f: holes_masks.shrink_mask(m.flip(3), f), "a loop over each one's pixels"),
        (lambda m, f: holes_masks.shrink_mask(m.fill_(1), f), "changes one of its arguments"),
    ],
)
def test_shrink_mask(mistake, sentence):
    passes(checks.shrink_mask, holes_masks.shrink_mask)
    caught(checks.shrink_mask, mistake, sentence)
