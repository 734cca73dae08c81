"""Whether a network fits its task, tried on two examples before anything is trained."""

import torch
from torch import Tensor, nn

from trainables.models.own import NetworkError, in_a_line
from trainables.sections import Kind
from trainables.tasks import Shape, target_shape

_EXAMPLES = 2


def fits(network: nn.Module, kind: Kind, shape: Shape, classes: int) -> None:
    """Pass two random examples through the network, in eval mode; it is left as it was.

    Raises:
        NetworkError: it raises, or gives anything but finite logits (2, classes, *targets).
    """
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        with torch.inference_mode():
            logits = network(_inputs(kind, shape, classes))
    except Exception as error:
        raise NetworkError(
            f"model: it raises {in_a_line(error)} on {_EXAMPLES} examples of {shape}; "
            "its inputs are a batch of these"
        ) from error
    finally:
        for module, training in modes:
            module.training = training
    _check(logits, (_EXAMPLES, classes, *target_shape(kind, shape)))


def _inputs(kind: Kind, shape: Shape, classes: int) -> Tensor:
    random = torch.Generator().manual_seed(0)
    if kind == "language":
        return torch.randint(classes, (_EXAMPLES, *shape), generator=random)
    return torch.randn((_EXAMPLES, *shape), generator=random)


def _check(logits: object, expected: Shape) -> None:
    if not isinstance(logits, Tensor):
        raise NetworkError(
            f"model: its output is {type(logits).__name__}; let it return the logits, one tensor"
        )
    if tuple(logits.shape) != expected:
        raise NetworkError(
            f"model: its output for {_EXAMPLES} examples is {tuple(logits.shape)}; "
            f"{expected[1]} classes need {expected}"
        )
    if not logits.is_floating_point():
        raise NetworkError(f"model: its output is {logits.dtype}; let it return float logits")
    if not logits.isfinite().all():
        raise NetworkError(
            "model: its output for standard normal inputs or random tokens is not finite; "
            "look for a division by zero or a logarithm"
        )
