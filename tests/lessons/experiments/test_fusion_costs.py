"""Formulas of cost against torch's own count, and against a count of products one by one."""

import itertools

import pytest
import torch
from torch import nn

from vinpaint_lib.lessons.experiments import fusion_costs
from vinpaint_lib.systems.tgfnet import fusion
from vinpaint_lib.systems.tgfnet.network import Config, FusionNet


@pytest.mark.parametrize("size", [1, 3, 5])
@pytest.mark.parametrize("depth", [0, 2])
def test_a_stream_costs_what_torch_counts(size, depth):
    found = fusion_costs.stream(4, 3, size, depth, references=5, cells=6 * 7)
    assert found == fusion_costs.counted(fusion.Stream(4, 3, size, depth), (1, 4, 6, 7), (1, 5, 4, 6, 7))


def test_products_of_a_pair_one_by_one():
    """A product for each cell, group, frame of the pair, place in the kernel, and channel in and out."""
    cells, groups, channels, width = range(6), range(5), range(4), range(3)
    each = sum(1 for _ in itertools.product(cells, groups, range(2), range(9), channels, width))
    assert fusion_costs.stream(4, 3, 3, 0, references=5, cells=6, shared=False).multiply_adds == each
    shared = fusion_costs.stream(4, 3, 3, 0, references=5, cells=6).multiply_adds
    assert shared == each * (5 + 1) / (2 * 5)


def test_a_block_costs_what_torch_counts():
    found = fusion_costs.block(6, 4, (1, 3, 5), 2, references=3, cells=5 * 8)
    assert found == fusion_costs.counted(fusion.IntraGroupFusion(6, 4, (1, 3, 5), 2), (1, 6, 5, 8), (1, 3, 6, 5, 8))


def test_nothing_of_the_module_is_computed_on():
    module = fusion.IntraGroupFusion(256, 256, (3, 5, 7), 5)
    found = fusion_costs.counted(module, (1, 256, 32, 48), (1, 8, 256, 32, 48))
    assert found == fusion_costs.block(256, 256, (3, 5, 7), 5, references=8, cells=32 * 48)


@pytest.mark.parametrize("sizes", [(1, 3, 5), (3, 5, 7)])
def test_the_whole_fusion_of_the_paper_configuration(sizes):
    with torch.device("meta"):
        net = FusionNet(Config(sizes=sizes))
    for level, (width, group) in enumerate(zip((64, 128, 256), net.groups.children())):
        assert isinstance(group, nn.Module)
        expected = fusion_costs.block(width, width, sizes, 5, references=8, cells=1).parameters
        assert sum(weight.numel() for weight in group.parameters()) == expected, level
