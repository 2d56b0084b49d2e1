"""The refinement stage against a plain loop, its matchings, and its empty cases."""

import math

import pytest
import torch

from vinpaint_lib.systems.align_attend import attention
from vinpaint_lib.systems.align_attend.attention import attend, attention_weights, matched


@pytest.fixture(params=[("cpu",), ()], ids=["chosen positions", "all positions"], autouse=True)
def form(request, monkeypatch):
    """Both forms pass every test: the one of a CPU, and the one of a device for which the caller would wait."""
    monkeypatch.setattr(attention, "CHOOSING", request.param)


def inputs(b=2, r=3, c=5, h=4, w=6, seed=0):
    rng = torch.Generator().manual_seed(seed)
    target, references = torch.randn(b, c, h, w, generator=rng), torch.randn(b, r, c, h, w, generator=rng)
    queries = (torch.rand(b, 1, h, w, generator=rng) < 0.4).float()
    keys = (torch.rand(b, r, 1, h, w, generator=rng) < 0.6).float()
    return target, references, queries, keys


def slow(target, references, queries, keys, scale):
    """Position by position, key by key."""
    result = torch.zeros_like(target)
    b, r, _, h, w = references.shape
    places = [(n, y, x) for n in range(r) for y in range(h) for x in range(w)]
    for s in range(b):
        for y in range(h):
            for x in range(w):
                if queries[s, 0, y, x] == 0:
                    continue
                query = target[s, :, y, x]
                found, total = torch.zeros(target.shape[1]), 0.0
                for n, v, u in places:
                    if keys[s, n, 0, v, u]:
                        value = references[s, n, :, v, u]
                        weight = math.exp(scale * float(query @ value / (query.norm() * value.norm())))
                        found, total = found + weight * value, total + weight
                result[s, :, y, x] = found / total
    return result


def test_equals_the_slow_loop():
    given = inputs()
    torch.testing.assert_close(attend(*given, 7.0), slow(*given, 7.0), atol=1e-5, rtol=1e-4)


def test_the_size_of_chunks_does_not_matter(monkeypatch):
    given = inputs()
    whole = attend(*given, 7.0)
    monkeypatch.setattr(attention, "CHUNK", 50)
    torch.testing.assert_close(attend(*given, 7.0), whole, atol=1e-6, rtol=1e-5)


def test_only_queries_are_changed_and_hidden_references_cannot_matter():
    target, references, queries, keys = inputs()
    result = attend(target, references, queries, keys, 7.0)
    assert (result * (1 - queries)).abs().max() == 0
    other = torch.where(keys > 0, references, torch.full_like(references, 1e6))
    assert torch.equal(attend(target, other, queries, keys, 7.0), result)


def test_the_weights_are_those_that_it_mixes_with():
    target, references, queries, keys = inputs()
    shares = attention_weights(target, references, keys, 7.0)
    found = torch.einsum("byxrhw,brchw->bcyx", shares, references) * queries
    torch.testing.assert_close(found, attend(target, references, queries, keys, 7.0), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(shares.sum(dim=(3, 4, 5)), torch.ones(2, 4, 6))
    assert not shares[(keys[:, None, None, :, 0] == 0).expand_as(shares)].any()
    assert not attention_weights(target, references, keys * 0, 7.0).any()


def test_the_weights_need_no_common_size():
    target, references, _, keys = inputs()
    assert attention_weights(target[..., :3, :], references[..., :5], keys[..., :5], 7.0).shape == (2, 3, 6, 3, 4, 5)


@pytest.mark.parametrize("empty", ["queries", "keys"])
def test_nothing_to_ask_or_nothing_to_find_gives_zeros(empty):
    target, references, queries, keys = inputs()
    queries, keys = (queries * 0, keys) if empty == "queries" else (queries, keys * 0)
    assert attend(target, references, queries, keys, 7.0).abs().max() == 0


def test_a_sharp_attention_copies_the_most_similar_position():
    target, references, queries, keys = inputs()
    keys = torch.ones_like(keys)
    references[1, 2, :, 3, 4] = 2 * target[1, :, 1, 1]
    queries[1, 0, 1, 1] = 1
    result = attend(target, references, queries, keys, 500.0)
    torch.testing.assert_close(result[1, :, 1, 1], 2 * target[1, :, 1, 1], atol=1e-3, rtol=1e-3)


def test_gradients():
    rng = torch.Generator().manual_seed(1)
    target = torch.randn(1, 3, 2, 3, generator=rng, dtype=torch.float64).requires_grad_()
    references = torch.randn(1, 2, 3, 2, 3, generator=rng, dtype=torch.float64).requires_grad_()
    queries, keys = inputs(1, 2, 3, 2, 3)[2:]
    queries[0, 0, 0, 0] = keys[0, 0, 0, 0, 0] = 1

    def smooth(a, b):  # `attend` computes in float32
        return attention.look_up(a[0, :, 0].T, b[0, 0].flatten(1).T, 3.0)

    assert torch.autograd.gradcheck(smooth, (target, references))
    attend(target, references, queries, keys, 3.0).sum().backward()
    assert target.grad.abs().sum() > 0
    assert references.grad.abs().sum() > 0


def test_what_is_matched_with_what():
    hole, filled = torch.zeros(2, 1, 4, 4), torch.zeros(2, 1, 4, 4)
    hole[:, :, 1:3, 1:3] = 1
    filled[0, :, :, :2] = 1
    visible = (torch.rand(2, 3, 1, 4, 4) < 0.5).float()
    queries, keys = matched("hole", hole, filled, visible)
    assert torch.equal(queries[0], hole[0] * filled[0]), "what stays open is left alone"
    assert torch.equal(queries[1], hole[1]), "nothing was filled: the whole hole asks"
    assert torch.equal(keys, visible)
    queries, keys = matched("entire", hole, filled, visible)
    assert queries.min() == 1
    assert keys.min() == 1
