"""What a task says of itself; warm-up, training and measuring are one code for all of them.

| kind           | an example's input               | its targets                       |
|----------------|----------------------------------|-----------------------------------|
| classification | (channels, height, width) or any | one class: ()                     |
| segmentation   | (channels, height, width)        | a class a pixel: (height, width)  |
| language       | tokens: (context,)               | the next tokens: (context,)       |

A network gives logits (n, classes, *targets), as PyTorch's cross-entropy takes them; a target of
`NO_CLASS` counts for nothing. A warm-up draws every target uniformly, whatever the input.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:  # `trainables.warm_up` needs PyTorch alone
    from trainables.config.base import Kind

Shape = tuple[int, ...]

NO_CLASS = -100  # F.cross_entropy's own sign for a target that is left out


def target_shape(kind: Kind, shape: Shape) -> Shape:
    """Shape of one example's targets, from that of its input."""
    return {"classification": (), "segmentation": shape[-2:], "language": shape}[kind]


def from_noise(kind: Kind, noise: Tensor, classes: int) -> Tensor:
    """Noise as the network takes its inputs.

    A value x becomes the token ⌊classes · Φ(x)⌋, Φ being the standard normal's distribution
    function: Gaussian noise of mean 0 and std 1 gives uniformly random tokens, the recipe for text,
    and any other noise tokens as far from uniform as it is from Gaussian.
    """
    if kind != "language":
        return noise
    uniform = torch.erf(noise / math.sqrt(2)).add_(1).mul_(classes / 2)
    return uniform.long().clamp_(0, classes - 1)
