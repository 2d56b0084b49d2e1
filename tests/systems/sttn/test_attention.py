"""Attention between patches: against loops, masked keys, memory-saving forms, order of frames."""

import pytest
import torch
from einops import rearrange

from tests.systems.sttn import sttn_loops
from vinpaint_lib.systems.sttn import attention
from vinpaint_lib.systems.sttn.attention import PARTS, MultiPatchAttention


def a_layer(channels=8, seed=0):
    torch.manual_seed(seed)
    layer = MultiPatchAttention(channels)
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter, std=0.6)
    return layer


def case(b=2, t=3, c=8, h=12, w=24, seed=1):
    generator = torch.Generator().manual_seed(seed)
    maps = torch.randn(b, t, c, h, w, generator=generator)
    masks = torch.zeros(b, t, 1, h, w)
    masks[0, :, :, 2:7, 5:14] = 1
    masks[-1, 1] = 1
    return maps, masks


def tokens(m=50, n=60, d=12, seed=2):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(2, count, d, generator=generator) * 2 for count in (m, n, n)]


# Patches


@pytest.mark.parametrize("parts", PARTS)
def test_tokens_are_patches_in_reading_order_and_come_back(parts):
    maps, _ = case()
    flat = attention.to_tokens(maps, parts)
    tall, wide = 12 // parts, 24 // parts
    for b, t, row, column in ((0, 0, 0, 0), (1, 2, parts - 1, parts // 2)):
        patch = maps[b, t, :, row * tall : (row + 1) * tall, column * wide : (column + 1) * wide]
        assert torch.equal(flat[b, (t * parts + row) * parts + column], patch.flatten())
    assert torch.equal(attention.to_maps(flat, parts, (12, 24)), maps)


def test_a_patch_is_a_hole_when_more_than_half_of_it_is():
    masks = torch.zeros(1, 1, 1, 12, 12)
    masks[..., :4, :4] = 1
    masks[..., :2, 4:8] = 1  # exactly half of the second patch of three
    masks[..., :3, 8:12] = 1
    holes = attention.hole_patches(masks, 3)
    assert holes[0].tolist() == [True, False, True, False, False, False, False, False, False]


# Against loops


@pytest.mark.parametrize("masked", [False, True])
def test_the_layer_equals_loops_over_patches(masked):
    layer, (maps, masks) = a_layer(), case()
    merge = layer.output_linear
    with torch.no_grad():
        found = layer(maps, masks if masked else None)
        for b in range(2):
            holes = masks[b, :, 0] if masked else None
            heads = []
            for head, parts in enumerate(PARTS):
                own = slice(2 * head, 2 * head + 2)
                q, k, v = (
                    embed(maps[b])[:, own]
                    for embed in (layer.query_embedding, layer.key_embedding, layer.value_embedding)
                )
                heads.append(sttn_loops.attend(q, k, v, parts, holes))
            torch.testing.assert_close(found[b], merge(torch.cat(heads, dim=1)), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("masked", [False, True])
def test_the_plain_form_is_the_same(masked):
    layer, (maps, masks) = a_layer(), case()
    masks = masks if masked else None
    with torch.no_grad():
        plain, saving = attention.attend_plain(layer, maps, masks), layer(maps, masks)
    trained = layer(maps, masks)  # under autograd all frames at once
    torch.testing.assert_close(saving, plain, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(trained, plain, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("rows", [1, 7, 50, 999])
def test_the_size_of_a_slice_does_not_matter(rows, monkeypatch):
    queries, keys, values = tokens()
    whole = torch.nn.functional.scaled_dot_product_attention(queries, keys, values)
    monkeypatch.setattr(attention, "ROWS", rows)
    torch.testing.assert_close(attention.attend(queries, keys, values), whole, atol=1e-5, rtol=1e-4)


# Holes


def test_what_is_in_hole_keys_does_not_matter_and_the_rest_does():
    queries, keys, values = tokens()
    holes = torch.rand(2, 60) > 0.5
    before = attention.attend(queries, keys, values, holes)
    noise = rearrange(holes, "b n -> b n 1") * torch.randn(2, 60, 12) * 100
    assert torch.equal(attention.attend(queries, keys + noise, values + noise, holes), before)
    assert not torch.equal(attention.attend(queries, keys + noise, values + noise), before)
    assert attention.weights_of(queries, keys, holes)[0, :, holes[0]].abs().max() == 0


def test_a_clip_of_holes_only_attends_to_all_and_leaves_the_others_alone():
    queries, keys, values = tokens()
    holes = torch.zeros(2, 60, dtype=torch.bool)
    holes[0] = True
    holes[1, :20] = True
    found = attention.attend(queries, keys, values, holes)
    assert torch.isfinite(found).all()
    torch.testing.assert_close(found[0], attention.attend(queries, keys, values)[0])
    expected = attention.attend(queries[1:], keys[1:, 20:], values[1:, 20:])
    torch.testing.assert_close(found[1:], expected, atol=1e-5, rtol=1e-4)


def test_a_layer_in_a_clip_of_holes_has_finite_gradients():
    layer, (maps, masks) = a_layer(), case()
    layer(maps, torch.ones_like(masks)).square().mean().backward()
    assert all(torch.isfinite(p.grad).all() for p in layer.parameters())


# Order, weights, sharpness


def test_the_order_of_frames_does_not_matter():
    layer, (maps, masks) = a_layer(), case(t=4)
    order = [2, 0, 3, 1]
    with torch.no_grad():
        expected = layer(maps, masks)[:, order]
        torch.testing.assert_close(layer(maps[:, order], masks[:, order]), expected, atol=1e-5, rtol=1e-4)


def test_clips_of_a_batch_do_not_meet():
    layer, (maps, masks) = a_layer(), case()
    with torch.no_grad():
        together = layer(maps, masks)
        for b in range(2):
            one = slice(b, b + 1)
            torch.testing.assert_close(layer(maps[one], masks[one]), together[one], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("head", range(4))
def test_look_gives_the_weights_that_the_head_uses(head):
    layer, (maps, masks) = a_layer(), case()
    parts = PARTS[head]
    query = (1, parts - 1, parts // 2)
    with torch.no_grad():
        weights = layer.attention_row(maps, masks, head, query)
        assert weights.shape == (2, 3, parts, parts)
        torch.testing.assert_close(weights.sum(dim=(1, 2, 3)), torch.ones(2))
        values = attention.to_tokens(layer.embed(layer.value_embedding, head, maps), parts)
        mixed = torch.einsum("bn,bnd->bd", weights.flatten(1), values)
        used = attention.to_tokens(layer.attend_head(head, maps, masks, 1.0), parts)
    place = (query[0] * parts + query[1]) * parts + query[2]
    torch.testing.assert_close(mixed, used[:, place], atol=1e-5, rtol=1e-4)


def test_sharpness_multiplies_the_scores():
    queries, keys, _ = tokens()
    twice = attention.weights_of(queries, keys, sharpness=2.0)
    torch.testing.assert_close(twice, attention.weights_of(2 * queries, keys))
    assert (twice.amax(-1) >= attention.weights_of(queries, keys).amax(-1)).all()
