"""The head: the layer that makes a network's logits, which a new task draws anew or trains alone.

It is the last of the linear and convolutional layers that a network registers, unless it is marked:
of a user's network it is found by running it, for some register it first.
"""

import torch
from torch import Tensor, nn

from trainables.models.own import NetworkError

Layer = nn.Linear | nn.Conv2d

_MARK = "_makes_the_logits"


def head(network: nn.Module) -> Layer:
    """The layer that makes the logits.

    Raises:
        NetworkError: it has none.
    """
    return named_head(network)[1]


def named_head(network: nn.Module) -> tuple[str, Layer]:
    """Its name in the network, and the layer."""
    layers = _layers(network)
    if not layers:
        raise NetworkError(
            f"model.weights: {type(network).__name__} has no Linear or Conv2d layer to be its "
            "head; leave the weights out"
        )
    marked = [(name, layer) for name, layer in layers if hasattr(layer, _MARK)]
    return (marked or layers)[-1]


def mark_head(network: nn.Module, name: str) -> None:
    setattr(network.get_submodule(name), _MARK, True)


def new_head(network: nn.Module, random: torch.Generator) -> None:
    """Draw the head anew: weights N(0, 2 / fan_out), the paper's for fine-tuning, and biases 0."""
    layer = head(network)
    nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu", generator=random)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


@torch.no_grad()
def found_head(network: nn.Module, inputs: Tensor, classes: int) -> str | None:
    """The name of the layer whose outputs are the logits of a batch, in whatever order; else the
    one that comes last of those with as many outputs, or with as many channels, as there are
    classes, for what follows may scale or average them. None: there is none.

    The network runs in the mode in which it is.
    """
    outputs: list[tuple[str, Layer, Tensor]] = []

    def keeping(name: str, layer: Layer) -> torch.utils.hooks.RemovableHandle:
        return layer.register_forward_hook(
            lambda module, given, made: outputs.append((name, layer, made.detach().clone()))
        )

    hooks = [keeping(name, layer) for name, layer in _layers(network)]
    try:
        logits: Tensor = network(inputs)
    finally:
        for hook in hooks:
            hook.remove()
    values = _in_order(logits)
    fitting = [
        (torch.equal(_in_order(made), values), made.numel() == logits.numel(), name)
        for name, layer, made in outputs
        if made.numel() == logits.numel() or len(layer.weight) == classes
    ]
    for sign in (0, 1):
        chosen = [found[2] for found in fitting if found[sign]]
        if chosen:
            return chosen[-1]
    return fitting[-1][2] if fitting else None


def _layers(network: nn.Module) -> list[tuple[str, Layer]]:
    return [(name, module) for name, module in network.named_modules() if isinstance(module, Layer)]


def _in_order(values: Tensor) -> Tensor:
    return values.float().flatten().sort().values
