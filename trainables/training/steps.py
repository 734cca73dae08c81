"""A step of training, and what a warm-up is trained on: the service's trials and the warm-up that
is taken home (`trainables.warm_up`) share it, and with it their numbers. It needs PyTorch alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Protocol, TypeVar

import torch
from torch import Tensor

from trainables.noise import Shape, sample
from trainables.tasks import from_noise

if TYPE_CHECKING:
    from trainables.config.base import Kind

Inputs = TypeVar("Inputs")


class NoiseSettings(Protocol):
    """The law of a warm-up's inputs: a trial's section, or that of `trainables.warm_up`."""

    @property
    def distribution(self) -> str: ...
    @property
    def mean(self) -> float: ...
    @property
    def std(self) -> float: ...


def step(
    network: Callable[[Inputs], Tensor],
    optimizer: torch.optim.Optimizer | None,
    inputs: Inputs,
    loss: Callable[[Tensor], Tensor],
) -> Tensor:
    """One step on a mini-batch; the logits before it. Without an optimizer no weight is trained:
    the mini-batch only passes through."""
    if optimizer is None:
        with torch.no_grad():
            return network(inputs).detach()
    optimizer.zero_grad()
    logits = network(inputs)
    loss(logits).backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return logits.detach()


def noise_inputs(
    kind: Kind, shape: Shape, classes: int, noise: NoiseSettings, random: torch.Generator
) -> Tensor:
    """A mini-batch of noise as a network of that kind takes it; shape: (batch, *input shape)."""
    values = sample(noise.distribution, shape, random, noise.mean, noise.std)
    return from_noise(kind, values, classes)


def with_random_labels(
    draw: Callable[[], Inputs], steps: int, classes: int, targets: Shape, random: torch.Generator
) -> Iterator[tuple[Inputs, Tensor]]:
    """Mini-batches of fresh inputs with uniformly random labels (Cheon & Paik, Methods).

    Args:
        targets: shape of a mini-batch's labels, (batch, *targets).
        random: of the labels; what `draw` may draw from, too.
    """
    for _ in range(steps):
        inputs = draw()
        yield inputs, torch.randint(classes, targets, generator=random, device=random.device)


def predictions(logits: Tensor, labels: Tensor, positions: Tensor | None) -> tuple[Tensor, Tensor]:
    """(predictions, classes) and (predictions,): those at `positions` (n, k).

    Some of them may have no class: how many is not asked here, where a GPU would be waited for.

    logits: (n, classes, *targets); labels: (n, *targets). None: every example has one target.
    """
    if positions is None:
        return logits, labels
    classes = logits.shape[1]
    chosen = logits.flatten(2).gather(2, positions[:, None].expand(-1, classes, -1))
    marked = labels.flatten(1).gather(1, positions).flatten()
    return chosen.movedim(1, 2).reshape(-1, classes), marked


def middle(labels: Tensor) -> Tensor | None:
    """The position in the middle of each example's targets, (n, 1); None where there is one."""
    if labels.ndim == 1:
        return None
    middle = 0
    for side in labels.shape[1:]:
        middle = middle * side + side // 2
    return torch.full((len(labels), 1), middle, device=labels.device)
