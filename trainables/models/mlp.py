"""The paper's multilayer perceptron (Methods; Figs 1, 2d–f, 3, 4 and 5).

`depth` linear layers of widths [width]·(depth − 1) + [classes]; a hidden block is
Linear → ReLU → BatchNorm1d, the last layer Linear alone. Parameters for 32×32×3 inputs, width 256
and 10 classes: depth 2 789,770; 3 856,074; 4 922,378; 5 988,682; 6 1,054,986.

The toy network of Fig. 3a–d, 2-10-10-2, is `mlp((2,), 2, depth=3, width=10)`.
"""

import math
from itertools import pairwise

from torch import nn

from trainables.models.feedback import FeedbackLinear


def mlp(
    shape: tuple[int, ...], classes: int, depth: int, width: int, feedback_alignment: bool = False
) -> nn.Sequential:
    """(n, *shape) → logits (n, classes); inputs are flattened.

    Args:
        feedback_alignment: every linear layer is trained by it, see `feedback.py`.
    """
    linear = FeedbackLinear if feedback_alignment else nn.Linear
    widths = [math.prod(shape), *[width] * (depth - 1)]
    layers: list[nn.Module] = [nn.Flatten()]
    for fan_in, fan_out in pairwise(widths):
        layers += [linear(fan_in, fan_out), nn.ReLU(), nn.BatchNorm1d(fan_out)]
    return nn.Sequential(*layers, linear(widths[-1], classes))
