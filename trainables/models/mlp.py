"""The paper's multilayer perceptron (Methods; Figs 1, 2d–f, 4 and 5).

`depth` linear layers of widths [width]·(depth − 1) + [classes]; a hidden block is
Linear → ReLU → BatchNorm1d, the last layer Linear alone. Parameters for 32×32×3 inputs, width 256
and 10 classes: depth 2 789,770; 3 856,074; 4 922,378; 5 988,682; 6 1,054,986.
"""

import math
from itertools import pairwise

import torch
from torch import nn


def mlp(
    shape: tuple[int, ...], classes: int, depth: int, width: int, weights: torch.Generator
) -> nn.Sequential:
    """An untrained network: weights N(0, 2 / fan_in) (He et al. 2015), biases 0.

    Args:
        shape: of one input, e.g. (3, 32, 32); inputs are flattened.
        weights: the CPU generator the weights are drawn from, layer by layer.
    """
    widths = [math.prod(shape), *[width] * (depth - 1)]
    layers: list[nn.Module] = [nn.Flatten()]
    for fan_in, fan_out in pairwise(widths):
        layers += [_linear(fan_in, fan_out, weights), nn.ReLU(), nn.BatchNorm1d(fan_out)]
    return nn.Sequential(*layers, _linear(widths[-1], classes, weights))


def _linear(fan_in: int, fan_out: int, weights: torch.Generator) -> nn.Linear:
    # skip_init: the global random state is neither read nor moved
    layer: nn.Linear = nn.utils.skip_init(nn.Linear, fan_in, fan_out)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        layer.weight.normal_(0.0, math.sqrt(2.0 / fan_in), generator=weights)
        layer.bias.zero_()
    return layer
