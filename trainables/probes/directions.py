"""Random directions through a network's weights, each filter as long as the network's own.

Li et al., NeurIPS 2018 (arXiv 1712.09913): a network with batch normalisation does the same at any
scale of its weights, so a step of one length means little in a network of large weights and much in
one of small ones. In a Gaussian direction each filter, a row of a weight tensor's first dimension,
is therefore rescaled to the norm of the network's filter. Biases and batch normalisation, which
have one dimension, stay where they are.

The draws follow from the trial's seed alone: both members of a pair go the same ways.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from trainables.probes.subject import Subject
from trainables.seeds import generator

Direction = Mapping[str, Tensor]  # by the parameter's name, and of its shape


def random_directions(subject: Subject, count: int) -> list[Direction]:
    """So many directions from the network's weights as they are."""
    random = generator(subject.seed, "directions")
    weights = {name: value.detach() for name, value in subject.network.named_parameters()}
    return [
        {name: _filter_normalised(weight, random) for name, weight in weights.items()}
        for _ in range(count)
    ]


def _filter_normalised(weight: Tensor, random: torch.Generator) -> Tensor:
    if weight.ndim < 2:
        return torch.zeros_like(weight)
    drawn = torch.randn(weight.shape, generator=random).to(weight)
    scale = weight.flatten(1).norm(dim=1) / drawn.flatten(1).norm(dim=1)  # of each filter
    direction: Tensor = drawn * scale.view(-1, *[1] * (weight.ndim - 1))
    return direction
