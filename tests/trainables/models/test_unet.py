"""The U-Net against its formula, written out in plain tensor operations."""

import pytest
import torch
import torch.nn.functional as F
from support import refused
from torch import Tensor, nn

from trainables.models.unet import unet


def images(channels: int = 3, height: int = 16, width: int = 16, n: int = 2) -> Tensor:
    random = torch.Generator().manual_seed(1)
    return torch.randn(n, channels, height, width, generator=random)


@pytest.mark.parametrize(
    ("depth", "height", "width"), [(1, 7, 5), (2, 6, 10), (3, 16, 16), (3, 4, 12), (5, 16, 32)]
)
def test_every_pixel_gets_a_logit_for_every_class(depth, height, width):
    made = unet((3, height, width), 5, 4, depth)
    assert made(images(3, height, width)).shape == (2, 5, height, width)


def test_images_may_be_of_another_size_than_stated():
    made = unet((3, 16, 16), 5, 4, 3)
    assert made(images(3, 8, 20)).shape == (2, 5, 8, 20)


def test_each_resolution_has_twice_the_channels_of_the_one_above():
    made = unet((3, 16, 16), 5, 6, 3)
    norms = [layer.num_features for layer in made.modules() if isinstance(layer, nn.BatchNorm2d)]
    assert sorted(norms) == [6] * 4 + [12] * 4 + [24] * 2  # two on either way, two at the bottom


@pytest.mark.parametrize("training", [True, False])
def test_a_forward_pass_is_the_formula(training):
    made = unet((3, 16, 16), 5, 4, 3).train(training)
    layers = [layer for layer in made.modules() if isinstance(layer, nn.Conv2d)]
    big = iter([layer for layer in layers if layer.kernel_size == (3, 3)])
    first, second, lowest = ([next(big), next(big)] for _ in range(3))
    up_to_first, up_to_second = ([next(big), next(big)] for _ in range(2))
    to_first, to_second, head = (layer for layer in layers if layer.kernel_size == (1, 1))

    def block(hidden: Tensor, convolutions: list[nn.Conv2d]) -> Tensor:
        for convolution in convolutions:
            hidden = F.conv2d(hidden, convolution.weight, padding=1)
            if training:
                mean = hidden.mean(dim=(0, 2, 3), keepdim=True)
                hidden = hidden - mean
                hidden = hidden / (hidden.square().mean(dim=(0, 2, 3), keepdim=True) + 1e-5).sqrt()
            else:
                hidden = hidden / (1 + 1e-5) ** 0.5  # running statistics as they start
            hidden = hidden.clamp(min=0)
        return hidden

    def pooled(hidden: Tensor) -> Tensor:
        return hidden.unflatten(3, (-1, 2)).unflatten(2, (-1, 2)).amax(dim=(3, 5))

    def narrow(hidden: Tensor, layer: nn.Conv2d) -> Tensor:
        weight, bias = layer.weight[:, :, 0, 0], layer.bias.view(-1, 1, 1)
        return torch.einsum("nihw,oi->nohw", hidden, weight) + bias

    def doubled(hidden: Tensor) -> Tensor:
        return hidden.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)

    at_first = block(images(), first)
    at_second = block(pooled(at_first), second)
    hidden = block(pooled(at_second), lowest)
    hidden = block(torch.cat([at_second, narrow(doubled(hidden), to_second)], 1), up_to_second)
    hidden = block(torch.cat([at_first, narrow(doubled(hidden), to_first)], 1), up_to_first)
    torch.testing.assert_close(made(images()), narrow(hidden, head), atol=1e-4, rtol=1e-4)


def test_every_parameter_learns():
    made = unet((3, 16, 16), 5, 4, 3)
    made(images()).square().mean().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in made.parameters())


def test_it_learns_to_tell_bright_pixels_from_dark_ones():
    made = unet((1, 8, 8), 2, 4, 2)
    inputs, fresh = images(1, 8, 8, n=192).split(128)
    labels = (inputs[:, 0] > 0).long()
    optimizer = torch.optim.Adam(made.parameters(), lr=0.03)
    for _ in range(100):
        optimizer.zero_grad()
        F.cross_entropy(made(inputs), labels).backward()
        optimizer.step()
    correct = made.eval()(fresh).argmax(dim=1) == (fresh[:, 0] > 0)
    assert correct.float().mean() > 0.9


@pytest.mark.parametrize(
    ("depth", "sides", "divisor", "possible"),
    [(3, (30, 30), 4, 2), (2, (8, 7), 2, 1), (5, (24, 32), 16, 4), (4, (12, 40), 8, 3)],
)
def test_sides_that_cannot_be_halved_are_refused(depth, sides, divisor, possible):
    text = (
        f"model.depth: {depth} resolutions need images whose sides {divisor} divides, not "
        f"{sides[0]}×{sides[1]}; give a depth of at most {possible}, or images of another size"
    )
    with refused(ValueError, text):
        unet((3, *sides), 5, 4, depth)
    unet((3, *sides), 5, 4, possible)
