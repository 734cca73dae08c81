"""Whether a network gives probabilities where logits are due: the loss takes a softmax of its own.

Training then goes on, slowly, and every confidence is one of a softmax of probabilities.
"""

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from trainables.models.own import NetworkError

ROUNDING = 1e-3  # of sums of probabilities
_SPREADS = (0.1, 1.0, 10.0)  # of weights that are drawn to see what outputs there can be


def refuse_probabilities(
    network: nn.Module, logits: Tensor, again: Callable[[nn.Module], Tensor]
) -> None:
    """Say what kind of probabilities the outputs are, if they are.

    A softmax is known by its sums, a log-softmax by those of its exponentials. Independent numbers
    between 0 and 1 may be small logits: a sigmoid gives them whatever its network's weights are.

    Args:
        network: in eval mode; it is left as it was.
        logits: (n, classes, *targets), what it gives for some inputs.
        again: a copy of the network gives those that it has for the same inputs.

    Raises:
        NetworkError: they are.
    """
    found = None
    if _in_unit_interval(logits) and _ones(logits.sum(dim=1)):
        found = "a softmax"
    elif logits.max() <= 0 and _ones(logits.exp().sum(dim=1)):
        found = "a log-softmax"
    elif _in_unit_interval(logits) and _stays_there(network, again):
        found = "numbers between 0 and 1, as of a sigmoid"
    if found is not None:
        raise NetworkError(
            f"model: its outputs are {found}, and the loss takes a softmax of them once more; let "
            "it return the logits, as they are before that"
        )


def _in_unit_interval(values: Tensor) -> bool:
    return bool(values.min() >= 0 and values.max() <= 1)


def _ones(sums: Tensor) -> bool:
    return bool(((sums - 1).abs() <= ROUNDING).all())


def _stays_there(network: nn.Module, again: Callable[[nn.Module], Tensor]) -> bool:
    """Whether other weights, at random, give numbers between 0 and 1 as well. Where these leave
    the outputs at nothing but 0, they say nothing."""
    try:
        other = copy.deepcopy(network)
    except Exception:  # of what a user's module may hold, anything
        return False
    random, seen = torch.Generator().manual_seed(0), False
    for spread in _SPREADS:
        for parameter in other.parameters():
            drawn = torch.randn(parameter.shape, generator=random) * spread
            parameter.data.copy_(drawn)
        with torch.no_grad():
            outputs = again(other)
        if bool(outputs.isfinite().all()):
            if not _in_unit_interval(outputs):
                return False
            seen |= bool((outputs > 0).any())
    return seen
