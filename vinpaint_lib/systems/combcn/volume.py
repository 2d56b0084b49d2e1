"""3DCN: the network that completes a small video as one volume (Wang et al., AAAI 2019, temporal structure).

No code of the paper is public; the table follows a known re-implementation, which agrees with all that the note
states: 12 layers, dilations 2, 4, 8, strides instead of pooling, skips, no normalisation behind the last layer.
"""

from jaxtyping import Float
from torch import Tensor

from vinpaint_lib.systems.combcn.layer_table import LayerRow, TableNet, check_length, check_size

# The note counts four strided convolutions. Two transposed ones can only undo two, so layers 2 and 4 stride.
TABLE = (
    LayerRow(1, kernel=5),
    LayerRow(2, stride=2),
    LayerRow(4),
    LayerRow(8, stride=2),
    LayerRow(16, dilation=2),
    LayerRow(16, dilation=4),
    LayerRow(16, dilation=8),
    LayerRow(8),
    LayerRow(4, kernel=4, stride=2, up=True, skip=4),
    LayerRow(2, skip=3),
    LayerRow(1, kernel=4, stride=2, up=True, skip=2),
    LayerRow(0),
)
MULTIPLE = 4


class VolumeNet(TableNet):
    """The volume as a whole in, the completed volume out, before composition.

    Any number of frames; height and width must divide by 4. Layers stride and dilate in space only (whether the
    paper dilates time too is not known), so every layer keeps the number of frames.
    """

    def __init__(self, width: int = 16, norm: str = "batch", residual: bool = False) -> None:
        super().__init__(TABLE, width, 3, norm, residual=residual)

    def forward(self, volume: Float[Tensor, "b c t h w"]) -> Float[Tensor, "b 3 t h w"]:
        """RGB in [-1, 1] with 0 in holes, and the mask (1 = hole); RGB in the same range out. With `residual`: RGB with
        a first guess in holes, the mask, the trust; what is added to the guess out.

        Raises UserError for a size that does not divide by 4 and for a volume without frames.
        """
        check_length("3DCN", volume.shape[2])
        check_size("3DCN", volume.shape[3], volume.shape[4], MULTIPLE)
        return self.walk(volume)[-1].float()
