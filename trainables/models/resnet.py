"""Residual networks (He et al. 2016), torchvision's, for small images as well as ImageNet's.

| stem     | first convolution       | max-pooling   | first block sees 32×32 images at |
|----------|-------------------------|---------------|----------------------------------|
| cifar    | 3×3, stride 1, 64 wide  | none          | 32×32; the paper's               |
| imagenet | 7×7, stride 2, 64 wide  | 3×3, stride 2 | 8×8                              |

Parameters for 3 channels and 10 classes with the CIFAR stem: ResNet-18 11,173,962; -34 21,282,122;
-50 23,520,842; -101 42,512,970; -152 58,156,618. With the ImageNet stem and 3 channels, names and
shapes of the weights are torchvision's, so those trained on ImageNet fit.
"""

from typing import Literal

from torch import nn

# residual blocks at each of four resolutions
_BLOCKS = {
    18: [2, 2, 2, 2],
    34: [3, 4, 6, 3],
    50: [3, 4, 6, 3],
    101: [3, 4, 23, 3],
    152: [3, 8, 36, 3],
}


def resnet(
    shape: tuple[int, ...], classes: int, layers: int, stem: Literal["cifar", "imagenet"]
) -> nn.Module:
    """(n, channels, height, width) → logits (n, classes); images of any size.

    Args:
        shape: of one image, (channels, height, width).
        layers: 18, 34, 50, 101 or 152.
    """
    # late: takes a second to import, and 160 MB
    from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet

    block = BasicBlock if layers < 50 else Bottleneck
    network: nn.Module = ResNet(block, _BLOCKS[layers], num_classes=classes)
    kernel, stride = (3, 1) if stem == "cifar" else (7, 2)
    network.conv1 = nn.Conv2d(shape[0], 64, kernel, stride, kernel // 2, bias=False)
    if stem == "cifar":
        network.maxpool = nn.Identity()
    return network
