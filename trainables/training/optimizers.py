"""Optimizers and the learning rate of each epoch."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal, Protocol

import torch
from torch import Tensor, optim

if TYPE_CHECKING:  # `trainables.warm_up` needs PyTorch alone
    from trainables.config.trial import Task

_no_grad = torch.no_grad()


class OptimizerSettings(Protocol):
    """What an optimizer is made of: a trial's section, or that of `trainables.warm_up`."""

    @property
    def name(self) -> Literal["adam", "adamw", "sgd"]: ...
    @property
    def lr(self) -> float: ...
    @property
    def weight_decay(self) -> float: ...
    @property
    def momentum(self) -> float | None: ...


class _NotCompiled(optim.Optimizer):
    """PyTorch's methods import its compiler, seconds in every process, only to tell it that they
    are not to be compiled. These are the same without that."""

    add_param_group = inspect.unwrap(optim.Optimizer.add_param_group)
    load_state_dict = inspect.unwrap(optim.Optimizer.load_state_dict)
    state_dict = inspect.unwrap(optim.Optimizer.state_dict)
    zero_grad = inspect.unwrap(optim.Optimizer.zero_grad)


class _Adam(_NotCompiled, optim.Adam):
    step = _no_grad(inspect.unwrap(optim.Adam.step))


class _AdamW(_NotCompiled, optim.AdamW):
    step = _no_grad(inspect.unwrap(optim.AdamW.step))


class _SGD(_NotCompiled, optim.SGD):
    step = _no_grad(inspect.unwrap(optim.SGD.step))


def make_optimizer(parameters: Iterable[Tensor], settings: OptimizerSettings) -> optim.Optimizer:
    """A new optimizer, without any state carried over. `fused` does a step in one pass."""
    lr, decay = settings.lr, settings.weight_decay
    match settings.name:
        case "adam":
            return _Adam(parameters, lr=lr, weight_decay=decay, fused=True)
        case "adamw":
            return _AdamW(parameters, lr=lr, weight_decay=decay, fused=True)
        case "sgd":
            momentum = settings.momentum or 0.0
            return _SGD(parameters, lr=lr, momentum=momentum, weight_decay=decay, fused=True)


def learning_rate(task: Task, epoch: int) -> float:
    """Of an epoch, counted from 1. Cosine (Loshchilov & Hutter 2017, without restarts), as
    PyTorch's CosineAnnealingLR over all epochs: lr · (1 + cos(π (epoch − 1) / epochs)) / 2."""
    if task.schedule is None:
        return task.optimizer.lr
    return task.optimizer.lr * (1 + math.cos(math.pi * (epoch - 1) / task.epochs)) / 2
