"""Optimizers and the learning rate of each epoch."""

import math
from collections.abc import Iterable

import torch
from torch import Tensor

from trainables.config.trial import Optimizer, Task


def make_optimizer(parameters: Iterable[Tensor], settings: Optimizer) -> torch.optim.Optimizer:
    """A new optimizer, without any state carried over. `fused` does a step in one pass."""
    lr, decay = settings.lr, settings.weight_decay
    match settings.name:
        case "adam":
            return torch.optim.Adam(parameters, lr=lr, weight_decay=decay, fused=True)
        case "adamw":
            return torch.optim.AdamW(parameters, lr=lr, weight_decay=decay, fused=True)
        case "sgd":
            momentum = settings.momentum or 0.0
            return torch.optim.SGD(
                parameters, lr=lr, momentum=momentum, weight_decay=decay, fused=True
            )


def learning_rate(task: Task, epoch: int) -> float:
    """Of an epoch, counted from 1. Cosine (Loshchilov & Hutter 2017, without restarts), as
    PyTorch's CosineAnnealingLR over all epochs: lr · (1 + cos(π (epoch − 1) / epochs)) / 2."""
    if task.schedule is None:
        return task.optimizer.lr
    return task.optimizer.lr * (1 + math.cos(math.pi * (epoch - 1) / task.epochs)) / 2
