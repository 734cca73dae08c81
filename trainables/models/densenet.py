"""Densely connected networks (Huang et al. 2017; DenseNet-BC, compression 0.5), torchvision's.

| stem     | first convolution | max-pooling   | first block sees 32×32 images at |
|----------|-------------------|---------------|----------------------------------|
| cifar    | 3×3, stride 1     | none          | 32×32; the paper's               |
| imagenet | 7×7, stride 2     | 3×3, stride 2 | 8×8                              |

Normalisation and ReLU follow either stem. Parameters for 3 channels and 10 classes with the CIFAR
stem: DenseNet-121 6,956,426; -169 12,493,450; -201 18,104,458 (growth 32); -161 26,482,570
(growth 48). With the ImageNet stem and 3 channels, names and shapes of the weights are
torchvision's, so those trained on ImageNet fit.
"""

from typing import Literal

from torch import nn

# growth, and layers in each of four blocks
_BLOCKS = {
    121: (32, (6, 12, 24, 16)),
    161: (48, (6, 12, 36, 24)),
    169: (32, (6, 12, 32, 32)),
    201: (32, (6, 12, 48, 32)),
}
_SMALLEST = {"cifar": 8, "imagenet": 29}  # pixels a side that leave one after the last transition


def densenet(
    shape: tuple[int, ...], classes: int, layers: int, stem: Literal["cifar", "imagenet"]
) -> nn.Module:
    """(n, channels, height, width) → logits (n, classes).

    Args:
        shape: of one image, (channels, height, width).
        layers: 121, 161, 169 or 201.

    Raises:
        ValueError: the images are too small.
    """
    if min(shape[-2:]) < _SMALLEST[stem]:
        raise ValueError(
            f"model.stem: {stem} takes images of {_SMALLEST[stem]} pixels a side or more, "
            f"and an input's shape is {shape}; use data.resize or a ResNet"
        )
    from torchvision.models import DenseNet  # late: takes a second to import, and 160 MB

    growth, blocks = _BLOCKS[layers]
    width = 2 * growth  # of the first convolution
    network: nn.Module = DenseNet(growth, blocks, width, num_classes=classes)
    features = network.get_submodule("features")
    kernel, stride = (3, 1) if stem == "cifar" else (7, 2)
    features.conv0 = nn.Conv2d(shape[0], width, kernel, stride, kernel // 2, bias=False)
    if stem == "cifar":
        features.pool0 = nn.Identity()
    return network
