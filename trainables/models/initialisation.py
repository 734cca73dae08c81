"""How a network's weights are drawn, whatever the network.

| method     | law of a weight matrix                                                       |
|------------|------------------------------------------------------------------------------|
| he         | N(0, 2 / fan_in), He et al. 2015; the paper's                                |
| xavier     | N(0, 2 / (fan_in + fan_out)), Glorot & Bengio 2010                           |
| orthogonal | a random matrix of orthonormal rows or columns, Saxe et al. 2014             |
| pytorch    | whatever PyTorch and torchvision draw by themselves; nothing is drawn anew   |

fan_in is how many values one output value sums; fan_out is counted as PyTorch does, which leaves
a stride out of account.
"""

import math

import torch
from torch import Tensor, nn

from trainables.config.base import Initialisation

_NORMALISATIONS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.GroupNorm, nn.LayerNorm)


@torch.no_grad()
def initialise(network: nn.Module, method: Initialisation, weights: torch.Generator) -> None:
    """Draw every weight matrix anew, layer by layer in the order of `network.modules()`.

    Biases become 0, and normalisation layers the identity with fresh running statistics.
    Embeddings, class tokens and positions stay as they are. `pytorch` leaves everything as it is.

    Args:
        weights: the CPU generator that all is drawn from.
    """
    if method == "pytorch":
        return
    for layer in network.modules():
        match layer:
            case nn.Linear():
                _draw(layer.weight, layer.in_features, layer.out_features, method, weights)
                _zero(layer.bias)
            case nn.Conv2d():  # weight: (out, in, height, width)
                outputs, inputs, *kernel = layer.weight.shape
                area = math.prod(kernel)
                _draw(layer.weight, inputs * area, outputs * area, method, weights)
                _zero(layer.bias)
            case nn.ConvTranspose2d():  # weight: (in, out, height, width)
                inputs, outputs, *kernel = layer.weight.shape
                area = math.prod(kernel)
                # a stride of s spreads the kernel: an output value meets 1 / s² of it
                fan_in = inputs * area / math.prod(layer.stride)
                _draw(layer.weight, fan_in, outputs * area, method, weights)
                _zero(layer.bias)
            case nn.MultiheadAttention():  # its out_proj is an nn.Linear, and comes by itself
                width = layer.embed_dim
                for matrix in layer.in_proj_weight.chunk(3):  # query, key, value: (width, width)
                    _draw(matrix, width, width, method, weights)
                _zero(layer.in_proj_bias)
            case _ if isinstance(layer, _NORMALISATIONS):
                layer.reset_parameters()


def _draw(
    matrix: Tensor, fan_in: float, fan_out: float, method: Initialisation, weights: torch.Generator
) -> None:
    if method == "orthogonal":
        nn.init.orthogonal_(matrix, generator=weights)
    else:
        fans = fan_in if method == "he" else fan_in + fan_out
        matrix.normal_(0.0, math.sqrt(2.0 / fans), generator=weights)


def _zero(bias: Tensor | None) -> None:
    if bias is not None:
        bias.zero_()
