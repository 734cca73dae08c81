"""The loss of a step of the task, see `trainables.config.loss`; what is measured is cross-entropy.

Of a target without a class (`NO_CLASS`) it is 0, and a mean is that of the others.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from trainables.config.loss import Loss
from trainables.tasks import NO_CLASS


def loss_of(
    logits: Tensor, labels: Tensor, settings: Loss | None = None, reduction: str = "mean"
) -> Tensor:
    """The loss of the targets: their `mean` or `sum`, (), or with `none` each one's, (n, *targets).

    Args:
        logits: (n, classes, *targets); labels: (n, *targets).
        settings: None is cross-entropy.
    """
    if settings is None:
        return F.cross_entropy(logits, labels, reduction=reduction)
    if settings.amount is not None:
        return F.cross_entropy(logits, labels, reduction=reduction, label_smoothing=settings.amount)
    assert settings.gamma is not None
    each = _focal(logits, labels, settings.gamma)
    match reduction:
        case "mean":
            return each.sum() / (labels != NO_CLASS).sum()
        case "sum":
            return each.sum()
    return each


def _focal(logits: Tensor, labels: Tensor, gamma: float) -> Tensor:
    """−(1 − p)^γ · log p of each target, (n, *targets)."""
    surprise = F.cross_entropy(logits, labels, reduction="none")  # −log p
    # at p = 1 the power's slope would be infinite where γ < 1, and infinity times 0 no number
    doubt = (-torch.expm1(-surprise)).clamp_min(torch.finfo(logits.dtype).tiny)
    return doubt**gamma * surprise
