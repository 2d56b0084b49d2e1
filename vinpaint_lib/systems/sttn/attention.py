"""Attention between patches of all frames (STTN, ECCV 2020). Every head has a different patch size.

A head that cuts each map into p x p parts has t * p * p tokens; a token is a whole patch, flattened. Any patch may
take its content from any patch of any frame. Small patches are many and fine, large patches are few and coarse.
"""

import math

import torch
from einops import rearrange, repeat
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

# Parts a side into which each head cuts a map. Features of 108x60 give patches of 108x60, 36x20, 18x10, 9x5.
PARTS = (1, 3, 6, 12)
HOLE_SHARE = 0.5  # a patch with a larger share of hole counts as hole [code]
ROWS = 720  # queries whose scores exist at the same time; in training with five frames the finest head has 720


def to_tokens(maps: Float[Tensor, "b t c h w"], parts: int) -> Float[Tensor, "b n d"]:
    """Feature maps cut into parts x parts patches, each flattened; h and w must divide by `parts`."""
    return rearrange(maps, "b t c (oh ph) (ow pw) -> b (t oh ow) (c ph pw)", oh=parts, ow=parts)


def to_maps(tokens: Float[Tensor, "b n d"], parts: int, size: tuple[int, int]) -> Float[Tensor, "b t c h w"]:
    """The inverse of `to_tokens`, for maps of (h, w) = `size`."""
    patch = {"ph": size[0] // parts, "pw": size[1] // parts}
    return rearrange(tokens, "b (t oh ow) (c ph pw) -> b t c (oh ph) (ow pw)", oh=parts, ow=parts, **patch)


def hole_patches(masks: Float[Tensor, "b t 1 h w"], parts: int) -> Bool[Tensor, "b n"]:
    """Which patches are more than half hole, from masks at the features' size."""
    return to_tokens(masks, parts).mean(dim=-1) > HOLE_SHARE


def bias_of(holes: Bool[Tensor, "b n"]) -> Float[Tensor, "b 1 n"]:
    """The bias on the scores: -inf for keys in holes. In a clip without other keys all keys count, to avoid NaN."""
    unseen = holes & ~holes.all(dim=1, keepdim=True)
    bias = torch.zeros(holes.shape, device=holes.device).masked_fill(unseen, -torch.inf)
    return rearrange(bias, "b n -> b 1 n")


def attend(
    queries: Float[Tensor, "b m d"],
    keys: Float[Tensor, "b n d"],
    values: Float[Tensor, "b n d"],
    holes: Bool[Tensor, "b n"] | None = None,
    sharpness: float = 1.0,
) -> Float[Tensor, "b m d"]:
    """softmax(q k^T / sqrt(d)) v, over the keys that are not `holes` (over all keys where every key is a hole).

    Scores exist for a slice of the queries at a time. The softmax is in float32, whatever the precision of the
    products.
    """
    slices = queries.split(ROWS, dim=1)
    taken = [weights_of(rows, keys, holes, sharpness).to(values.dtype) @ values for rows in slices]
    return taken[0] if len(taken) == 1 else torch.cat(taken, dim=1)


def weights_of(
    queries: Float[Tensor, "b m d"],
    keys: Float[Tensor, "b n d"],
    holes: Bool[Tensor, "b n"] | None = None,
    sharpness: float = 1.0,
) -> Float[Tensor, "b m n"]:
    """The softmax over the keys, one row for each query."""
    scale = sharpness / math.sqrt(queries.shape[-1])
    scores = ((queries * scale) @ keys.mT).float()
    return (scores if holes is None else scores + bias_of(holes)).softmax(dim=-1)


def frame_by_frame(layer: nn.Module, maps: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
    """Apply a layer to each frame alone, so that without autograd it needs the working memory of one frame.

    Under autograd the layer gets all frames at once: the backward pass keeps everything in memory anyway.
    """
    if torch.is_grad_enabled():
        return layer(maps)
    result = torch.empty_like(maps)
    for place, one in enumerate(maps.split(1)):
        result[place] = layer(one)[0]
    return result


class MultiPatchAttention(nn.Module):
    """The attention of one block: 1x1 embeddings, one head for each patch size, then a 3x3 convolution.

    Parameters are named as in the released weights. `channels` must divide by the number of heads. Heads whose patches
    have the scales `silent`, numbers of `parts`, give nothing, that is, zeros.
    """

    def __init__(self, channels: int, parts: tuple[int, ...] = PARTS, silent: tuple[int, ...] = ()) -> None:
        super().__init__()
        self.parts, self.silent = parts, silent
        self.query_embedding = nn.Conv2d(channels, channels, 1)
        self.value_embedding = nn.Conv2d(channels, channels, 1)
        self.key_embedding = nn.Conv2d(channels, channels, 1)
        self.output_linear = nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1), nn.LeakyReLU(0.2))

    def forward(
        self,
        maps: Float[Tensor, "b t c h w"],
        masks: Float[Tensor, "b t 1 h w"] | None = None,
        sharpness: float = 1.0,
    ) -> Float[Tensor, "b t c h w"]:
        """`masks` at the features' size, 1 = hole; None: every key counts. `sharpness` multiplies the scores.

        h and w must divide by every number of parts.
        """
        # Each head writes into its place, so the embeddings, tokens and scores of only one head exist at a time.
        attended = torch.empty_like(maps)
        for head in range(len(self.parts)):
            own = self.channels_of(head)
            silent = self.parts[head] in self.silent
            attended[:, :, own] = 0 if silent else self.attend_head(head, maps, masks, sharpness)
        return self.merge(attended)

    def attend_head(
        self, head: int, maps: Float[Tensor, "b t c h w"], masks: Float[Tensor, "b t 1 h w"] | None, sharpness: float
    ) -> Float[Tensor, "b t ch h w"]:
        """The content that one head finds for every patch, put back as feature maps."""
        parts = self.parts[head]
        layers = (self.query_embedding, self.key_embedding, self.value_embedding)
        queries, keys, values = (to_tokens(self.embed(layer, head, maps), parts) for layer in layers)
        holes = None if masks is None else hole_patches(masks, parts)
        size = (maps.shape[-2], maps.shape[-1])
        return to_maps(attend(queries, keys, values, holes, sharpness), parts, size)

    def embed(self, layer: nn.Conv2d, head: int, maps: Float[Tensor, "b t c h w"]) -> Float[Tensor, "b t ch h w"]:
        """The maps under a 1x1 embedding, only the channels of one head."""
        own = self.channels_of(head)
        flat = rearrange(maps, "b t c h w -> (b t) c h w")
        bias = None if layer.bias is None else layer.bias[own]
        embedded = functional.conv2d(flat, layer.weight[own], bias)
        return rearrange(embedded, "(b t) c h w -> b t c h w", b=len(maps))

    def channels_of(self, head: int) -> slice:
        """The channels of one head: of four heads the first has the first quarter, and so on."""
        width = self.query_embedding.out_channels // len(self.parts)
        return slice(head * width, (head + 1) * width)

    def merge(self, heads: Float[Tensor, "b t c h w"]) -> Float[Tensor, "b t c h w"]:
        """The convolution that mixes the heads' channels."""
        merged = frame_by_frame(self.output_linear, rearrange(heads, "b t c h w -> (b t) c h w"))
        return rearrange(merged, "(b t) c h w -> b t c h w", b=len(heads))

    def attention_row(
        self,
        maps: Float[Tensor, "b t c h w"],
        masks: Float[Tensor, "b t 1 h w"] | None,
        head: int,
        query: tuple[int, int, int],
        sharpness: float = 1.0,
    ) -> Float[Tensor, "b t p p"]:
        """Where the patch at `query` = (frame, row, column) of that head's grid takes its content: weights, sum 1."""
        parts = self.parts[head]
        frame, row, column = query
        asked, keys = (
            to_tokens(self.embed(layer, head, maps), parts) for layer in (self.query_embedding, self.key_embedding)
        )
        place = (frame * parts + row) * parts + column
        holes = None if masks is None else hole_patches(masks, parts)
        weights = weights_of(asked[:, place : place + 1], keys, holes, sharpness)
        return rearrange(weights, "b 1 (t oh ow) -> b t oh ow", oh=parts, ow=parts)


def attend_plain(
    layer: MultiPatchAttention, maps: Float[Tensor, "b t c h w"], masks: Float[Tensor, "b t 1 h w"] | None = None
) -> Float[Tensor, "b t c h w"]:
    """The result of `layer`, computed in the released order: first all embeddings, then each head with all its scores.

    For tests and for the benchmark.
    """
    flat = rearrange(maps, "b t c h w -> (b t) c h w")
    queries, keys, values = layer.query_embedding(flat), layer.key_embedding(flat), layer.value_embedding(flat)
    size, outputs = (maps.shape[-2], maps.shape[-1]), []
    split = [x.chunk(len(layer.parts), dim=1) for x in (queries, keys, values)]
    for parts, q, k, v in zip(layer.parts, *split, strict=True):
        q, k, v = (to_tokens(rearrange(x, "(b t) c h w -> b t c h w", b=len(maps)), parts) for x in (q, k, v))
        scores = torch.matmul(q, k.transpose(-2, -1)) / math.sqrt(q.shape[-1])
        if masks is not None:
            holes = hole_patches(masks, parts)
            unseen = repeat(holes & ~holes.all(dim=1, keepdim=True), "b n -> b m n", m=q.shape[1])
            scores = scores.masked_fill(unseen, -torch.inf)
        weights = scores.softmax(dim=-1)
        outputs.append(to_maps(torch.matmul(weights, v), parts, size))
    merged = layer.output_linear(rearrange(torch.cat(outputs, dim=2), "b t c h w -> (b t) c h w"))
    return rearrange(merged, "(b t) c h w -> b t c h w", b=len(maps))
