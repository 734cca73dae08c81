"""A small U-Net (Ronneberger, Fischer & Brox 2015), for segmentation.

`depth` resolutions of width · 2^level channels, each with two 3×3 [Conv → BatchNorm → ReLU]. On the
way down a 2×2 max-pool halves the sides. On the way up a 1×1 convolution halves the channels,
nearest up-sampling doubles the sides, and what the way down found at that resolution is
concatenated. A last 1×1 convolution gives the classes. Unlike the original, convolutions are padded
(logits are as large as the image) and batch-normalised.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def unet(shape: tuple[int, ...], classes: int, width: int = 16, depth: int = 3) -> nn.Module:
    """An untrained network (n, channels, h, w) → (n, classes, h, w).

    Args:
        shape: of one input, (channels, h, w).
        width: channels at the highest resolution.
        depth: resolutions.

    Raises:
        ValueError: the sides cannot be halved depth − 1 times.
    """
    channels, *sides = shape
    divisor, common = 2 ** (depth - 1), math.gcd(*sides)
    if common % divisor:
        possible = (common & -common).bit_length()  # 1 + how often 2 divides both sides
        raise ValueError(
            f"model.depth: {depth} resolutions need images whose sides {divisor} divides, "
            f"not {'×'.join(map(str, sides))}; give a depth of at most {possible}, "
            "or images of another size"
        )
    return _UNet(channels, classes, [width * 2**level for level in range(depth)])


class _UNet(nn.Module):
    def __init__(self, channels: int, classes: int, widths: list[int]) -> None:
        """`widths`: channels by resolution, the highest resolution first."""
        super().__init__()
        fan_ins = [channels, *widths[:-1]]
        self.down = nn.ModuleList(_block(*pair) for pair in zip(fan_ins, widths, strict=True))
        self.narrow = nn.ModuleList(nn.Conv2d(2 * width, width, 1) for width in widths[:-1])
        self.up = nn.ModuleList(_block(2 * width, width) for width in widths[:-1])
        self.head = nn.Conv2d(widths[0], classes, 1)

    def forward(self, images: Tensor) -> Tensor:
        hidden = self.down[0](images)  # (n, widths[0], h, w)
        skips = []
        for block in self.down[1:]:
            skips.append(hidden)
            hidden = block(F.max_pool2d(hidden, 2))  # (n, widths[level], h / 2^level, w / 2^level)
        for skip, narrow, block in reversed(list(zip(skips, self.narrow, self.up, strict=True))):
            # narrowed first: a 1×1 convolution and nearest up-sampling commute
            larger = F.interpolate(narrow(hidden), scale_factor=2.0, mode="nearest")
            hidden = block(torch.cat([skip, larger], dim=1))
        logits: Tensor = self.head(hidden)
        return logits


def _block(fan_in: int, fan_out: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (fan_in, fan_out):
        convolution = nn.Conv2d(channels, fan_out, 3, padding=1, bias=False)
        layers += [convolution, nn.BatchNorm2d(fan_out), nn.ReLU()]
    return nn.Sequential(*layers)
