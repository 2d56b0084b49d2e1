"""What tests of figures draw: a clip of noise, a hole, and weights of groups as TGF-Net gives them."""

import torch

from vinpaint_lib.systems.tgfnet.groups import EARLIER


def clip(length=5, height=24, width=40):
    return torch.rand(length, 3, height, width)


def hole(height=24, width=40):
    mask = torch.zeros(1, height, width)
    mask[:, 8:16, 12:28] = 1
    return mask


def groups(n=9, height=24, width=40):
    """Weights, trust and age of n groups as the network gives them; a strip that no frame shows, and the guess last."""
    trust = 0.2 + 0.8 * torch.rand(n, 1, height, width)
    trust[:-1, :, :, 20:24] = 0
    trust[-1] = 0.05
    trust[-1, :, :, 22:24] = EARLIER
    weights = (torch.randn(n, 1, height, width) + trust.log()).softmax(dim=0) * (trust > 0)
    age = torch.randint(1, 9, (n, 1, height, width)).float() * (trust > 0)
    return weights, trust, age
