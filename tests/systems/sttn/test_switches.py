"""STTN's switches: silent heads against a slow rewrite, and which frames the attention takes content from."""

from dataclasses import replace

import pytest
import torch

from tests.systems.sttn import sttn_loops
from tests.systems.sttn.test_model import TINY, a_clip, build
from vinpaint_lib.errors import UserError
from vinpaint_lib.interface import Step, Window
from vinpaint_lib.systems.sttn.attention import PARTS, MultiPatchAttention


def window_of(clip, indices):
    chosen = list(indices)
    frames = clip.frames[chosen] * (1 - clip.masks[chosen])
    return Window(tuple(chosen), frames, clip.masks[chosen], torch.zeros_like(clip.masks[chosen]))


@pytest.mark.parametrize("silent", [(1,), (3, 12)])
def test_a_silent_head_gives_zeros_and_the_others_what_they_gave(silent):
    """Each head by the loop over patches, zeros in the place of the silent ones, then the layer's own convolution."""
    torch.manual_seed(0)
    layer = MultiPatchAttention(8, silent=silent)
    maps, holes = torch.randn(1, 2, 8, 12, 12), torch.zeros(1, 2, 1, 12, 12)
    holes[..., 2:5, 3:9] = 1
    made = layer(maps, holes)
    embedded = [e(maps[0]) for e in (layer.query_embedding, layer.key_embedding, layer.value_embedding)]
    heads = []
    for n, parts in enumerate(PARTS):
        own = slice(2 * n, 2 * n + 2)
        done = sttn_loops.attend(*(x[:, own].detach() for x in embedded), parts, holes[0, :, 0])
        heads.append(torch.zeros_like(done) if parts in silent else done)
    expected = layer.output_linear(torch.cat(heads, dim=1))
    assert torch.allclose(made[0], expected, atol=1e-5)


def test_neighbours_are_the_window_without_its_references():
    model, alone = build(), build(replace(TINY, keys="neighbours"))
    clip, step = a_clip(24), Step((5, 6, 7), (0, 10, 20))
    found = alone(window_of(clip, (0, 5, 6, 7, 10, 20)), step, {}).frames
    expected = model(window_of(clip, (5, 6, 7)), Step((5, 6, 7), ()), {}).frames
    assert torch.equal(found, expected)
    assert not torch.allclose(found, model(window_of(clip, (0, 5, 6, 7, 10, 20)), step, {}).frames, atol=1e-4)


def test_references_only_is_the_window_whose_targets_are_all_hole_for_the_keys():
    model, alone = build(), build(replace(TINY, keys="references"))
    clip, step = a_clip(24), Step((5, 6), (0, 10))
    window = window_of(clip, (0, 5, 6, 10))
    found = alone(window, step, {}).frames
    masks = window.masks.clone()
    masks[[1, 2]] = 1  # places of the targets
    features = model.encoded(window, step, {}, None)
    mixed = model.net.transform(features[None], masks[None])[0]
    expected = (model.net.decode(mixed[[1, 2]]) / 2 + 0.5).clamp(0, 1)
    assert torch.allclose(found, expected, atol=1e-6)
    assert not torch.allclose(found, model(window, step, {}).frames, atol=1e-4)


def test_a_window_without_references_is_as_it_ships():
    model, alone = build(), build(replace(TINY, keys="references"))
    window, step = window_of(a_clip(4), range(4)), Step((0, 1, 2, 3), ())
    assert torch.equal(alone(window, step, {}).frames, model(window, step, {}).frames)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"parts": (5,)}, "parts"),
        ({"parts": ()}, "parts"),
        ({"parts": (1, 3, 12)}, "cannot be shared by 3 heads"),
        ({"silent": (5,)}, "silent"),
        ({"keys": "none"}, "keys"),
        ({"keys": "references", "as_released": True}, "keys 'references'"),
    ],
)
def test_values_that_mean_nothing_are_refused(options, said):
    with pytest.raises(UserError, match=said):
        replace(TINY, **options)


def test_heads_may_have_other_scales_than_the_paper_s():
    model = build(replace(TINY, parts=(12,)))
    assert {block.attention.parts for block in model.net.transformer} == {(12,)}
    made = model(window_of(a_clip(3), range(3)), Step((0, 1, 2), ()), {}).frames
    assert torch.isfinite(made).all()
