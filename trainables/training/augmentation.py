"""Augmentation of a mini-batch in a few tensor operations, where the batch lies.

Every image is cropped at a place of its own out of the padded image, and mirrored with even odds,
as RandomCrop and RandomHorizontalFlip do one image at a time. Labels of pixels go with their image.
The random numbers are drawn on the CPU: the same ones on every device, which is not waited for.
"""

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from trainables.config.trial import Augmentation
from trainables.tasks import NO_CLASS


def augmented(
    inputs: Tensor, labels: Tensor, settings: Augmentation, random: Generator
) -> tuple[Tensor, Tensor]:
    """The batch, augmented: a crop's padding is 0, the mean of normalised pixels, and has no class.

    inputs: (n, channels, height, width); labels: (n,) or (n, height, width).
    """
    per_pixel = labels.ndim == 3
    if settings.crop:
        corners = torch.randint(2 * settings.crop + 1, (2, len(inputs)), generator=random)
        inputs = _cropped(inputs, settings.crop, corners, 0)
        if per_pixel:
            labels = _cropped(labels[:, None], settings.crop, corners, NO_CLASS)[:, 0]
    if settings.flip:
        mirrored = torch.rand(len(inputs), generator=random) < 0.5
        mirrored = mirrored.to(inputs.device, non_blocking=True)
        inputs = torch.where(mirrored[:, None, None, None], inputs.flip(-1), inputs)
        if per_pixel:
            labels = torch.where(mirrored[:, None, None], labels.flip(-1), labels)
    return inputs, labels


def _cropped(images: Tensor, padding: int, corners: Tensor, fill: int) -> Tensor:
    """Windows of the padded images, (n, channels, height, width); corners (2 as y and x, n)."""
    n, channels, height, width = images.shape
    padded = F.pad(images, (padding,) * 4, value=fill)
    corners = corners.to(images.device, non_blocking=True)
    y = corners[0, :, None] + torch.arange(height, device=images.device)  # (n, height)
    x = corners[1, :, None] + torch.arange(width, device=images.device)  # (n, width)
    image = torch.arange(n, device=images.device)[:, None, None, None]
    channel = torch.arange(channels, device=images.device)[:, None, None]
    return padded[image, channel, y[:, None, :, None], x[:, None, None, :]]
