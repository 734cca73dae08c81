"""Whether a network's outputs are what its task needs, tried on a few examples."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from trainables.imported import in_a_line
from trainables.models.own import NetworkError
from trainables.models.probabilities import refuse_probabilities
from trainables.tasks import Shape, target_shape

if TYPE_CHECKING:  # `trainables.warm_up` needs PyTorch alone
    from trainables.config.base import Kind

_EXAMPLES = 2
_OF_ONE = ", and a last batch can be of one, whose dimension squeeze() would drop"
_FLOATS = (torch.float32, torch.float64)


class PassError(NetworkError):
    """The network itself raises; it might not in another memory format."""


def fits(
    network: nn.Module, kind: Kind, shape: Shape, classes: int, device: torch.device | str = "cpu"
) -> None:
    """Pass two random examples through the network, and one, in eval mode; it is left as it was.

    Raises:
        PassError: it raises.
        NetworkError: it gives anything but finite logits (2, classes, *targets), or gives
            probabilities, or changes its inputs.
    """
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        for examples in (_EXAMPLES, 1):  # a last batch can be of one
            inputs = random_inputs(kind, shape, classes, examples, device)
            logits = passed(network, inputs, kind, classes)
            if examples == _EXAMPLES:
                again = partial(_outputs, inputs=inputs)
                refuse_probabilities(network, logits, again)
    finally:
        for module, training in modes:
            module.training = training


def _outputs(network: nn.Module, inputs: Tensor) -> Tensor:
    logits: Tensor = network(inputs.clone())
    return logits


def random_inputs(
    kind: Kind,
    shape: Shape,
    classes: int,
    examples: int,
    device: torch.device | str = "cpu",
    seed: int = 0,
) -> Tensor:
    """Standard normal ones, or random tokens."""
    random = torch.Generator().manual_seed(seed)
    if kind == "language":
        return torch.randint(classes, (examples, *shape), generator=random).to(device)
    return torch.randn((examples, *shape), generator=random).to(device)


def passed(network: nn.Module, inputs: Tensor, kind: Kind, classes: int) -> Tensor:
    """The logits, without gradients, looked at in every way.

    Raises:
        NetworkError: as `fits`.
    """
    examples, shape = len(inputs), tuple(inputs.shape[1:])
    given = inputs.clone()
    try:
        with torch.no_grad():
            logits = network(given)
    except Exception as error:
        raise PassError(
            f"model: it raises {in_a_line(error)} on {_count(examples)} of {shape}; "
            "its inputs are a batch of these"
        ) from error
    check_untouched(given, inputs)
    return check_logits(logits, (examples, classes, *target_shape(kind, shape)))


def check_untouched(given: Tensor, wanted: Tensor) -> None:
    """That a pass has left its inputs as they were: they are the data themselves."""
    if given._version or not torch.equal(given, wanted):
        raise NetworkError(
            "model: it changes its inputs in place, which are the data; let it change a copy, as "
            "x = x * 2 in place of x *= 2, or inplace=False in its first layer"
        )


def check_logits(logits: object, expected: Shape, mode: str = "", finite: bool = True) -> Tensor:
    """The logits without gradients, if they are any.

    Args:
        expected: their shape, (examples, classes, *targets).
        mode: words for the mode in which the network was run, where it is training mode.
        finite: whether they have to be.
    """
    if not isinstance(logits, Tensor):
        raise NetworkError(
            f"model: its output{mode} is {type(logits).__name__}; let it return the logits, "
            "one tensor" + (", in either mode" if mode else "")
        )
    if tuple(logits.shape) != expected:
        raise NetworkError(
            f"model: its output{mode} for {_count(expected[0])} is {tuple(logits.shape)}; "
            f"{expected[1]} classes need {expected}" + (_OF_ONE if expected[0] == 1 else "")
        )
    if logits.dtype not in _FLOATS:
        raise NetworkError(
            f"model: its output{mode} is {logits.dtype}; let it return float32 logits"
        )
    if finite and not logits.isfinite().all():
        raise NetworkError(
            f"model: its output{mode} for standard normal inputs or random tokens is not finite; "
            "look for a division by zero or a logarithm"
        )
    return logits.detach()


def _count(examples: int) -> str:
    return f"{examples} example{'s' if examples > 1 else ''}"
