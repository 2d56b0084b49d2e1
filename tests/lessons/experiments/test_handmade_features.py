"""The stand-in for VGG-16: its filters as loops, its scale, and that it can take FeatureNet's place."""

import numpy as np
import pytest
import torch

from vinpaint_lib.lessons.experiments import handmade_features
from vinpaint_lib.losses.features import IMAGENET_MEAN, IMAGENET_STD
from vinpaint_lib.systems.tgfnet import losses
from vinpaint_lib.toy.clip import Shot, toy_clip


def slow_layer(x, kernels):
    """x (c h w), kernels (k 3 3): channel c with kernel k is channel c * k of the result; the edge repeats."""
    channels, height, width = x.shape
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1)), mode="edge")
    found = np.zeros((channels * len(kernels), height, width))
    for c in range(channels):
        for k, kernel in enumerate(kernels):
            for y in range(height):
                for x_ in range(width):
                    total = (padded[c, y : y + 3, x_ : x_ + 3] * kernel).sum()
                    found[c * len(kernels) + k, y, x_] = max(total, 0.0)
    return found


def test_the_layers_are_the_loops():
    net = handmade_features.HandmadeFeatures()
    image = torch.rand(1, 3, 8, 12)
    mean, std = np.array(IMAGENET_MEAN)[:, None, None], np.array(IMAGENET_STD)[:, None, None]
    x = np.einsum("oc,chw->ohw", np.array(handmade_features.COLOURS), (image[0].double().numpy() - mean) / std)
    smooth, slope, diagonal = (
        np.array(rows) / np.abs(rows).sum()
        for rows in (handmade_features.SMOOTH, handmade_features.SLOPE, handmade_features.DIAGONAL)
    )
    bank = [sign * each for each in (smooth, slope, slope.T, diagonal) for sign in (1, -1)]
    for gain, found in zip(handmade_features.GAINS, net(image), strict=True):
        x = slow_layer(x, [gain * each for each in bank])
        np.testing.assert_allclose(found[0].numpy(), x, rtol=1e-4, atol=1e-4)
        height, width = x.shape[1] // 2, x.shape[2] // 2
        x = x[:, : 2 * height, : 2 * width].reshape(len(x), height, 2, width, 2).mean((2, 4))
        bank = [smooth, slope, slope.T]


def test_it_has_the_face_of_a_feature_net():
    net = handmade_features.HandmadeFeatures()
    found = net(torch.rand(2, 3, 32, 48))
    assert len(found) == len(net.layers)
    assert [tuple(layer.shape) for layer in found] == [(2, 24, 32, 48), (2, 72, 16, 24), (2, 216, 8, 12)]
    assert not list(net.parameters())
    assert net.name == "handmade"


@pytest.mark.parametrize("photo", ["astronaut", "coffee", "chelsea"])
def test_photographs_give_activations_of_the_size_that_is_promised(photo):
    frame = toy_clip(photo, Shot(length=1, size=(96, 160), objects=0, camera="still")).clip.frames
    means = [layer.mean().item() for layer in handmade_features.HandmadeFeatures()(frame)]
    for mean, promised in zip(means, (0.5, 4, 4), strict=True):
        assert promised / 3 < mean < promised * 3


def test_losses_of_it_reach_the_picture():
    net = handmade_features.HandmadeFeatures()
    truth = torch.rand(1, 3, 16, 16)
    for loss in (losses.perceptual_loss, losses.style_loss):
        picture = (truth + 0.1 * torch.rand_like(truth)).requires_grad_()
        loss(net(picture), net(truth)).backward()
        assert picture.grad.abs().max() > 0
        assert loss(net(truth), net(truth)) == 0
