"""The gradients that a network starts its task with (Cheon & Paik, Supp. Fig. 18).

Over the mini-batches of the task's first epoch, in the order in which it takes them and in training
mode, without a step between them: how large each layer's gradient is, and how much it varies from
one mini-batch to the next. Images are as they are before augmentation.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice

import torch
from torch import Tensor, nn

from trainables.probes.subject import Arrays, Subject
from trainables.seeds import generator, global_state
from trainables.training.loop import shuffled
from trainables.training.losses import loss_of

MOST_BATCHES = 32


def gradients(subject: Subject) -> Arrays:
    """Norm and variance of each layer's weight gradient, of those layers that are trained.

    Returns:
        for each layer `{layer}/norms` (b,): ‖∇_W loss‖ in each mini-batch; `{layer}/variance` ():
        mean over the layer's weights of the variance (ddof 1) over the mini-batches, NaN where
        there is only one. Float32 on the CPU.
    """
    layers = {name: each for name, each in subject.layers.items() if each.weight.requires_grad}
    weights = [layer.weight for layer in layers.values()]
    squares: list[list[Tensor]] = [[] for _ in weights]  # ‖g‖² in each mini-batch
    sums = [torch.zeros_like(weight, dtype=torch.float64) for weight in weights]
    for found in _gradients(subject, weights):
        for gradient, of_layer, total in zip(found, squares, sums, strict=True):
            of_layer.append(gradient.double().square().sum())
            total += gradient
    arrays: Arrays = {}
    for name, of_layer, total in zip(layers, squares, sums, strict=True):
        each = torch.stack(of_layer)  # (b,)
        arrays |= {
            f"{name}/norms": each.sqrt().float().cpu(),
            f"{name}/variance": _variance(each, total).float().cpu(),
        }
    return arrays


def _gradients(subject: Subject, weights: list[Tensor]) -> Iterator[tuple[Tensor, ...]]:
    """∇ loss for each weight, mini-batch by mini-batch."""
    network, train = subject.network, subject.data.train
    batches = shuffled(train, subject.batch, generator(subject.seed, "order"))
    with (
        _buffers_kept(network),
        global_state(subject.seed, "gradients", train.labels.device),  # for dropout
    ):
        network.train()
        for inputs, labels in islice(batches, MOST_BATCHES):
            loss = loss_of(network(inputs), labels, subject.loss)
            yield torch.autograd.grad(loss, weights, materialize_grads=True)


def _variance(squares: Tensor, total: Tensor) -> Tensor:
    """Mean over the weights of (Σ g² − (Σ g)² / b) / (b − 1).

    squares: (b,), ‖g‖² in each mini-batch; total: Σ g, shaped as the weights.
    """
    batches = len(squares)
    if batches == 1:
        return total.new_tensor(torch.nan)
    spread = squares.sum() - total.square().sum() / batches
    return spread.clamp_min(0.0) / (batches - 1) / total.numel()


@contextmanager
def _buffers_kept(network: nn.Module) -> Iterator[None]:
    """Batch normalisation's statistics move in training mode; afterwards they are as before."""
    before = {name: buffer.clone() for name, buffer in network.named_buffers()}
    try:
        yield
    finally:
        for name, buffer in network.named_buffers():
            buffer.copy_(before[name])
