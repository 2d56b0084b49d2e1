"""Discriminators (critics) over single frames and over space and time, and the hinge losses of adversarial training.

`TemporalPatchDiscriminator` is STTN's T-PatchGAN. `ImageAndVideo` holds the two critics of Align-and-Attend.
"""

from itertools import pairwise

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import spectral_norm

from vinpaint_lib.errors import UserError


class TemporalPatchDiscriminator(nn.Module):
    """STTN's T-PatchGAN: six 3x5x5 convolutions over a clip; each output number judges a patch of space and time.

    Its tensors have the names of the released file (`netD`). That is why it uses the older one of torch's two spectral
    norms.

    strung  True: as released, all clips of the batch form one long video, so kernels reach across the borders between
            clips; False: every clip is judged alone
    """

    def __init__(self, width: int = 64, strung: bool = False) -> None:
        super().__init__()
        self.strung = strung
        channels = (3, width, 2 * width, 4 * width, 4 * width, 4 * width)
        layers: list[nn.Module] = []
        for n, (before, after) in enumerate(pairwise(channels)):
            padding = 1 if n == 0 else (1, 2, 2)
            conv = nn.Conv3d(before, after, (3, 5, 5), stride=(1, 2, 2), padding=padding, bias=False)
            layers += [spectral_norm(conv), nn.LeakyReLU(0.2)]
        layers.append(nn.Conv3d(4 * width, 4 * width, (3, 5, 5), stride=(1, 2, 2), padding=(1, 2, 2)))
        self.conv = nn.Sequential(*layers)

    def forward(self, frames: Float[Tensor, "b t 3 h w"]) -> Float[Tensor, "b2 t2 c hs ws"]:
        """Scores for frames in [0, 1]; a score above zero means "real". Axes: (b t ...), or (1 b*t ...) when strung.

        Raises UserError for frames smaller than 3x3.
        """
        if min(frames.shape[-2:]) < 3:
            raise UserError(
                f"the discriminator cannot judge frames of {frames.shape[-1]}x{frames.shape[-2]}: 3x3 is the smallest"
            )
        pattern = "b t c h w -> 1 c (b t) h w" if self.strung else "b t c h w -> b c t h w"
        return rearrange(self.conv(rearrange(frames * 2 - 1, pattern)).float(), "b c t h w -> b t c h w")


class ImagePatchDiscriminator(nn.Module):
    """Align-and-Attend's image GAN, which judges single frames; each output number judges a patch.

    The note does not give its layers. Here they are four 4x4 convolutions with stride 2, then a 3x3 one with stride 1.
    """

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in pairwise((3, width, 2 * width, 4 * width, 4 * width)):
            layers += [spectral_norm(nn.Conv2d(before, after, 4, stride=2, padding=1)), nn.LeakyReLU(0.2)]
        layers.append(spectral_norm(nn.Conv2d(4 * width, 1, 3, padding=1)))
        self.conv = nn.Sequential(*layers)

    def forward(self, frames: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 1 hs ws"]:
        """Scores for frames in [0, 1]; a score above zero means "real".

        Raises UserError for frames smaller than 16x16.
        """
        if min(frames.shape[-2:]) < 16:
            raise UserError(
                f"the image discriminator cannot judge frames of {frames.shape[-1]}x{frames.shape[-2]}: 16x16 is the "
                "smallest"
            )
        return self.conv(frames * 2 - 1).float()


class ImageAndVideo(nn.Module):
    """Align-and-Attend's two critics: one judges single frames, the other all frames of a clip."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.image, self.video = ImagePatchDiscriminator(width), TemporalPatchDiscriminator(width)

    def judge(self, frames: Float[Tensor, "b t 3 h w"]) -> tuple[Tensor, Tensor]:
        """The scores of both critics for frames in [0, 1]: image critic, video critic."""
        return self.image(rearrange(frames, "b t c h w -> (b t) c h w")), self.video(frames)

    def forward(self, frames: Float[Tensor, "b t 3 h w"]) -> Float[Tensor, ""]:
        """The sum of the mean scores of both critics. Its negative is the sum of their L_adv (`generator_hinge`)."""
        of_image, of_video = self.judge(frames)
        return of_image.mean() + of_video.mean()


def critic_hinge(of_truth: Float[Tensor, "*shape"], of_output: Float[Tensor, "*shape"]) -> Float[Tensor, ""]:
    """L_D = 1/2 (E[max(0, 1 - D(Y))] + E[max(0, 1 + D(Y_comp))])."""
    return (functional.relu(1 - of_truth).mean() + functional.relu(1 + of_output).mean()) / 2


def generator_hinge(of_output: Float[Tensor, "*shape"]) -> Float[Tensor, ""]:
    """L_adv = -E[D(Y_comp)]."""
    return -torch.mean(of_output)
