"""The painter alone, frame by frame: what a network for single pictures makes of a clip.

The notes name such networks as baselines. It knows nothing of other frames, so what it paints flickers.
"""

from collections.abc import Iterator
from typing import Any

from einops import rearrange

from vinpaint_lib.interface import Inpainter, ModelCard, Output, Step, Window
from vinpaint_lib.painting.network import MULTIPLE, Config, Painter
from vinpaint_lib.systems.painter.network import CONFIGS

CARD = ModelCard(
    name="painter",
    title="Painter",
    paper="ours: a network for single pictures, as DFVI, CPNet and Align-and-Attend are compared with",
    choices=(
        "encoder to 1/8, residual blocks with dilation and with a convolution of the spectrum, decoder with shortcuts",
        "trained on photographs and frames with L1, features, their Gram matrices, and a critic of patches",
        "TGF-Net's guess group takes it where no frame shows anything",
    ),
)

__all__ = ["CARD", "CONFIGS", "Config", "PainterModel"]


class PainterModel(Inpainter):
    """Fills each frame alone."""

    card = CARD
    multiple = MULTIPLE
    feedback = False

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.net = Painter(config)
        self.put_channels_last()

    def plan(self, length: int) -> Iterator[Step]:
        for target in range(length):
            yield Step((target,), ())

    def forward(self, window: Window, step: Step, state: dict[str, Any]) -> Output:
        """Paint the hole of one frame. No maps."""
        (target,) = step.targets
        frame, mask, _ = window.at(window.indices.index(target))
        device = next(self.parameters()).device
        painted = self.net.paint(frame.to(device), mask.to(device)).to(frame)
        return Output(rearrange(painted, "c h w -> 1 c h w"), {})
