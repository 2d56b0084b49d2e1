"""The generator of STTN (ECCV 2020): encoder, blocks of patch attention, decoder, named as in the released weights.

It has no normalisation and no positional encoding. The mask is no input channel: the encoder sees a hole only as a
blank in the frame. `model.py` walks the generator over a clip.
"""

from dataclasses import dataclass
from math import sqrt

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from vinpaint_lib.errors import UserError
from vinpaint_lib.motion import first_guess
from vinpaint_lib.systems.sttn.attention import PARTS, MultiPatchAttention, frame_by_frame

# Features are at a quarter of the frame's size, and the finest head cuts them into twelve parts a side.
MULTIPLE = 4 * PARTS[-1]
KEYS = ("all", "neighbours", "references")


@dataclass(frozen=True)
class Config:
    """Sizes and switches of the network. Defaults are the paper's.

    channels     features at 1/4, a multiple of 4; encoder and decoder also have layers of a half and a quarter of it
    blocks       number of blocks; each has an attention, then a feed-forward part
    parts        parts a side into which the heads of a block cut the maps, one head each; divisors of 12
    silent       those of `parts` whose heads give nothing (a switch)
    keys         frames that the attention takes content from: "all" of the window, "neighbours" (the window's targets),
                 or "references" (the distant frames; in a window without any, the targets) (a switch)
    as_released  keys inside holes count like all others, as in the released code, which drops its mask. The released
                 weights were trained so. Off: keys inside holes get no weight
    trained      (height, width) of the frames of training, or None. Scores are divided by sqrt(d), so larger frames
                 give sharper attention. With `trained` the attention stays as sharp as it was in training
    start        "normal": N(0, 0.02) as released; "kaiming": for short training, blocks start as near identities
    first_guess  ours. "none": a hole is a blank, as in the paper. "aligned": the hole of every frame holds what chains
                 of flow found (`motion/first_guess.py`); the encoder also gets its trust, and the decoder gives a
                 residual that is added to the guess
    """

    channels: int = 256
    blocks: int = 8
    parts: tuple[int, ...] = PARTS
    silent: tuple[int, ...] = ()
    keys: str = "all"
    as_released: bool = False
    trained: tuple[int, int] | None = None
    start: str = "normal"
    first_guess: str = first_guess.NONE

    def __post_init__(self) -> None:
        first_guess.check(self.first_guess)
        if not self.parts or any(part < 1 or PARTS[-1] % part for part in self.parts):
            raise UserError(f"parts {self.parts}: are no divisors of {PARTS[-1]}; give one or more, as in 1, 3, 6, 12")
        if self.channels % len(self.parts):
            raise UserError(f"parts {self.parts}: {self.channels} channels cannot be shared by {len(self.parts)} heads")
        if not set(self.silent) <= set(self.parts):
            raise UserError(f"silent {self.silent}: are not some of the parts {self.parts}")
        if self.keys not in KEYS:
            raise UserError(f"keys {self.keys!r}: is not known; choose one of {', '.join(KEYS)}")
        if self.keys == "references" and self.as_released:
            raise UserError(
                "keys 'references': are told by the masks, which `as_released` drops; choose one of the two"
            )

    @property
    def aligned(self) -> bool:
        return self.first_guess == first_guess.ALIGNED


CONFIGS = {
    "paper": Config(),
    "small": Config(channels=64, blocks=4, start="kaiming", trained=(144, 144)),
    "small-aligned": Config(channels=64, blocks=4, start="kaiming", trained=(144, 144), first_guess="aligned"),
    "tiny": Config(channels=16, blocks=2, start="kaiming"),
}


class FeedForward(nn.Module):
    """Two 3x3 convolutions, the first with dilation 2."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=2, dilation=2),
            nn.LeakyReLU(0.2),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.LeakyReLU(0.2),
        )

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        return self.conv(x)


class TransformerBlock(nn.Module):
    """x += attention(x); x += feed_forward(x)."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.attention = MultiPatchAttention(config.channels, config.parts, config.silent)
        self.feed_forward = FeedForward(config.channels)

    def forward(
        self, maps: Float[Tensor, "b t c h w"], masks: Float[Tensor, "b t 1 h w"] | None, sharpness: float
    ) -> Float[Tensor, "b t c h w"]:
        maps = maps + self.attention(maps, masks, sharpness)
        flat = rearrange(maps, "b t c h w -> (b t) c h w")
        return maps + rearrange(frame_by_frame(self.feed_forward, flat), "(b t) c h w -> b t c h w", b=len(maps))


class Upsample(nn.Module):
    """Bilinear to twice the size with corners on corners, then a 3x3 convolution."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(before, after, 3, padding=1)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d h2 w2"]:
        return self.conv(functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True))


class STTNGenerator(nn.Module):
    """All frames of a window in, all frames out. At 256 channels and 8 blocks: 112 tensors, 16,556,163 parameters."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        full, half, quarter = config.channels, config.channels // 2, config.channels // 4
        self.transformer = nn.ModuleList(TransformerBlock(config) for _ in range(config.blocks))
        self.encoder = nn.Sequential(
            nn.Conv2d(4 if config.aligned else 3, quarter, 3, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(quarter, quarter, 3, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(quarter, half, 3, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(half, full, 3, padding=1),
            nn.LeakyReLU(0.2),
        )
        self.decoder = nn.Sequential(
            Upsample(full, half),
            nn.LeakyReLU(0.2),
            nn.Conv2d(half, quarter, 3, padding=1),
            nn.LeakyReLU(0.2),
            Upsample(quarter, quarter),
            nn.LeakyReLU(0.2),
            nn.Conv2d(quarter, 3, 3, padding=1),
        )
        initialise(self)

    def forward(
        self,
        frames: Float[Tensor, "b t 3 h w"],
        masks: Float[Tensor, "b t 1 h w"],
        trust: Float[Tensor, "b t 1 h w"] | None = None,
    ) -> Float[Tensor, "b t 3 h w"]:
        """Frames in [0, 1] and masks in, raw frames in [0, 1] out, not composited.

        With a first guess the frames hold it in their holes, and `trust` belongs to it. Without, holes are blanked
        here. Raises UserError unless height and width divide by 48.
        """
        return self.picture(self.paint(self.shown(frames, masks, trust), masks), frames)

    def shown(
        self,
        frames: Float[Tensor, "*n 3 h w"],
        masks: Float[Tensor, "*n 1 h w"],
        trust: Float[Tensor, "*n 1 h w"] | None = None,
    ) -> Float[Tensor, "*n c h w"]:
        """What the encoder sees: frames in [-1, 1] with 0 in their holes; with a first guess these hold the guess, and
        its trust (in [0, 1]) is a fourth channel. Raises ValueError where that trust is missing."""
        # The paper's frames are in [-1, 1], so a hole is middle grey.
        if not self.config.aligned:
            return (frames * 2 - 1) * (1 - masks)
        if trust is None:
            raise ValueError("with a first guess STTN needs the trust of its pixels")
        return torch.cat([frames * 2 - 1, trust], dim=-3)

    def picture(
        self, painted: Float[Tensor, "*n 3 h w"], frames: Float[Tensor, "*n 3 h w"]
    ) -> Float[Tensor, "*n 3 h w"]:
        """What was decoded, in [0, 1]; a residual is added to the `frames`, and may leave that range."""
        return frames + painted / 2 if self.config.aligned else painted / 2 + 0.5

    def paint(self, shown: Float[Tensor, "b t c h w"], masks: Float[Tensor, "b t 1 h w"]) -> Float[Tensor, "b t 3 h w"]:
        """The released forward: frames in [-1, 1] with zeros in their holes in, frames in [-1, 1] out."""
        features = self.encode(rearrange(shown, "b t c h w -> (b t) c h w"))
        features = self.transform(rearrange(features, "(b t) c h w -> b t c h w", b=len(shown)), masks)
        painted = self.decode(rearrange(features, "b t c h w -> (b t) c h w"))
        return rearrange(painted, "(b t) c h w -> b t c h w", b=len(shown))

    def encode(self, shown: Float[Tensor, "n i h w"]) -> Float[Tensor, "n c hf wf"]:
        """What `shown` gives -> features at 1/4. Raises UserError as `forward`."""
        height, width = shown.shape[-2:]
        if height % MULTIPLE or width % MULTIPLE or not height or not width:
            best = [max(MULTIPLE, round(side / MULTIPLE) * MULTIPLE) for side in (width, height)]
            raise UserError(
                f"STTN cannot take frames of {width}x{height}: its patches need sides that divide by {MULTIPLE}; the "
                f"smallest size is {MULTIPLE}x{MULTIPLE}, the nearest {best[0]}x{best[1]}"
            )
        return self.encoder(shown)

    def transform(
        self, features: Float[Tensor, "b t c hf wf"], masks: Float[Tensor, "b t 1 h w"], blocks: int | None = None
    ) -> Float[Tensor, "b t c hf wf"]:
        """Run the blocks (for figures only the first `blocks` of them); `masks` are at the frames' size."""
        seen, sharpness = self.key_masks(masks), self.sharpness(features.shape[-2], features.shape[-1])
        for block in list(self.transformer)[:blocks]:
            features = block(features, seen, sharpness)
        return features

    def key_masks(self, masks: Float[Tensor, "b t 1 h w"]) -> Float[Tensor, "b t 1 hf wf"] | None:
        """The masks at the features' size, every fourth pixel of them [code]; None where keys in holes count too."""
        return None if self.config.as_released else masks[..., ::4, ::4]

    def sharpness(self, height: int, width: int) -> float:
        """The factor on scores of features of that size; 1 unless `trained` is set."""
        trained = self.config.trained
        return 1.0 if trained is None else sqrt(trained[0] * trained[1] / (16 * height * width))

    def decode(self, features: Float[Tensor, "n c hf wf"]) -> Float[Tensor, "n 3 h w"]:
        """Features -> frames in [-1, 1], float32; with a first guess a residual, which has no limits."""
        painted = self.decoder(features).float()
        return painted if self.config.aligned else torch.tanh(painted)

    def attention_row(
        self,
        frames: Float[Tensor, "b t 3 h w"],
        masks: Float[Tensor, "b t 1 h w"],
        *,
        trust: Float[Tensor, "b t 1 h w"] | None = None,
        block: int,
        head: int,
        query: tuple[int, int, int],
    ) -> Float[Tensor, "b t p p"]:
        """Where the patch at (frame, row, column) of that head's grid takes its content in that block.

        Weights over all patches of all frames, sum 1. Frames in [0, 1], masks and trust as for `forward`; head 0 has
        one patch a frame, head 3 has 12 x 12.
        """
        shown = self.shown(frames, masks, trust)
        features = self.encode(rearrange(shown, "b t c h w -> (b t) c h w"))
        features = rearrange(features, "(b t) c h w -> b t c h w", b=len(frames))
        features = self.transform(features, masks, blocks=block)
        sharpness = self.sharpness(features.shape[-2], features.shape[-1])
        layer = self.transformer[block].attention
        assert isinstance(layer, MultiPatchAttention)
        return layer.attention_row(features, self.key_masks(masks), head, query, sharpness)


def initialise(net: STTNGenerator) -> None:
    """Biases zero, weights as `Config.start` says."""
    for name, part in net.named_modules():
        if not isinstance(part, nn.Conv2d):
            continue
        assert part.bias is not None
        nn.init.zeros_(part.bias)
        if net.config.start == "normal":
            nn.init.normal_(part.weight, std=0.02)
        else:
            nn.init.kaiming_normal_(part.weight, a=0.2, nonlinearity="leaky_relu")
            # The part that a block adds starts small. So does the picture: it starts as grey, not as noise.
            if name.endswith(("output_linear.0", "feed_forward.conv.2", "decoder.6")):
                part.weight.data.mul_(0.1)
        # The residual starts as nothing: the untrained network gives the first guess.
        if net.config.aligned and name == "decoder.6":
            nn.init.zeros_(part.weight)
