"""Align-and-Attend's homography estimator (sec. 3.1.1): masked cosine correlation, softmax, six parameters.

Paper    One encoder for target and reference; cosines between all visible cells of both; a softmax over the cells of
         the reference for each cell of the target; a network that reads six affine parameters from the softmax. It is
         trained alone on synthetic pairs (`estimator_losses.py`), then frozen. Its layers are not in the note.
Shared   Encoder, robust fit and second look come from TGF-Net's aligner (`alignment/learned.py`), in a smaller size and
         with other weights. Its rule for a visible cell holds here too: at least half of the cell's pixels are known.
Theta    maps target positions to reference positions, in corner coordinates (`alignment/affine.py`).
"""

from einops import einsum, rearrange
from jaxtyping import Float
from torch import Tensor, nn

from vinpaint_lib.alignment import affine
from vinpaint_lib.alignment.learned import LearnedAffine
from vinpaint_lib.alignment.matching import NEVER, Matches, unit

HEADS = ("fit", "regress")


def masked_cosine(
    one: Float[Tensor, "b c h w"],
    other: Float[Tensor, "b c h w"],
    seen: Float[Tensor, "b i"],
    other_seen: Float[Tensor, "b j"],
) -> Float[Tensor, "b i j"]:
    """Cosine of each cell of `one` with each cell of `other`, cells row by row; 0 where either is not seen.

    First the mean of its visible cells is subtracted from each side (ours): a part that all cells share distinguishes
    none of them.
    """
    cosine = einsum(unit(one, seen), unit(other, other_seen), "b i c, b j c -> b i j")
    both = einsum((seen > 0).to(cosine), (other_seen > 0).to(cosine), "b i, b j -> b i j")
    return cosine * both


def softmax_over_reference(logits: Float[Tensor, "b i j"], other_seen: Float[Tensor, "b j"]) -> Float[Tensor, "b i j"]:
    """For each target cell the share of each visible reference cell: rows sum to 1, or to 0 where none is visible."""
    hidden = rearrange(other_seen <= 0, "b j -> b 1 j")
    return logits.float().masked_fill(hidden, NEVER).softmax(dim=-1).masked_fill(hidden, 0.0)


class AffineCorrelation(LearnedAffine):
    """Gives theta (b n 2 3), one map for each reference, as `LearnedAffine.forward` does.

    head      "regress": convolutions read the six parameters from the softmax, as in the paper; "fit": each cell's best
              match and how sure it is, and a robust least-squares fit, which needs far less training
    looks     number of second looks at 1/4, on the warped reference; the paper has none
    channels  of the encoder at 1/2, 1/4, 1/8; size: (height, width) to work at, multiples of 8
    """

    def __init__(
        self,
        *,
        size: tuple[int, int] = (96, 160),
        channels: tuple[int, int, int] = (16, 32, 64),
        looks: int = 2,
        head: str = "fit",
    ) -> None:
        super().__init__(size=size, channels=channels, looks=looks)
        if head not in HEADS:
            raise ValueError(f"head is {head!r}; it must be one of {', '.join(HEADS)}")
        self.head = head
        self.gate.data.fill_(1.0)  # the gate is there for training together with a network, which never happens here
        if head == "regress":
            self.regressor = Regressor(size[0] // 8, size[1] // 8)

    def cosine(
        self,
        coarse: Float[Tensor, "b c h w"],
        other: Float[Tensor, "b c h w"],
        seen: Float[Tensor, "b i"],
        other_seen: Float[Tensor, "b j"],
    ) -> Float[Tensor, "b i j"]:
        """`masked_cosine`."""
        return masked_cosine(coarse, other, seen, other_seen)

    def only_identity(self) -> bool:
        """Whether every map of the first look is the identity: a regressor that was never trained."""
        return self.head == "regress" and not any(p.any() for p in self.regressor.last.parameters())

    def fit(self, matches: Matches, first: bool) -> Float[Tensor, "b 2 3"]:
        """The affine map, in edge coordinates, that fits the matches; second looks always use least squares."""
        if not first or self.head == "fit":
            return super().fit(matches, first)
        # Hidden reference cells have no share: their logits are NEVER.
        shares = softmax_over_reference(matches.logits, (matches.logits[:, 0] > NEVER).float())
        return self.regressor(shares * rearrange((matches.visible > 0).to(shares), "b i -> b i 1"))


class Regressor(nn.Module):
    """Six parameters from the softmax of a rows x cols grid against itself: three convolutions, one linear layer.

    The last layer starts at 0, so that training starts from the identity.
    """

    def __init__(self, rows: int, cols: int, width: int = 64) -> None:
        super().__init__()
        self.rows = rows
        act = nn.LeakyReLU(0.1)
        self.convs = nn.Sequential(
            nn.Conv2d(rows * cols, 2 * width, 3, padding=1), act,
            nn.Conv2d(2 * width, width, 3, stride=2, padding=1), act,
            nn.Conv2d(width, width, 3, stride=2, padding=1), act,
        )  # fmt: skip
        self.last = nn.Linear(width * -(-rows // 4) * -(-cols // 4), 6)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, shares: Float[Tensor, "b i j"]) -> Float[Tensor, "b 2 3"]:
        maps = rearrange(shares, "b (h w) j -> b j h w", h=self.rows)
        delta = self.last(rearrange(self.convs(maps), "b c h w -> b (c h w)")).float()
        return affine.identity(len(shares), shares) + rearrange(delta, "b (i j) -> b i j", i=2)
