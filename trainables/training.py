"""The one training loop, which warm-up and task share, and the measuring after each epoch.

A phase says only what differs: its optimizer, and where a mini-batch comes from. Training is
counted in examples; measuring is always in eval mode, so that batch normalisation uses its running
statistics (Cheon & Paik, Methods).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from analysis.metrics.calibration import expected_calibration_error
from analysis.metrics.classification import (
    accuracy,
    confidence_and_correct,
    negative_log_likelihood,
)
from trainables.preparation import Split
from trainables.trial import Optimizer

EVALUATION_BATCH = 1000

Batches = Iterator[tuple[Tensor, Tensor]]
Tick = Callable[[int], None]


class Diverged(ArithmeticError):
    """The network's outputs are no longer finite."""


@dataclass(frozen=True)
class Outputs:
    """What a network says of some examples, on the CPU."""

    logits: Tensor  # float32 (n, classes)
    labels: Tensor  # int64 (n,)


def make_optimizer(network: nn.Module, settings: Optimizer) -> torch.optim.Optimizer:
    """A new optimizer, without any state carried over. `fused` does a step in one pass."""
    return torch.optim.Adam(
        network.parameters(), lr=settings.lr, weight_decay=settings.weight_decay, fused=True
    )


def train_epoch(
    network: nn.Module, optimizer: torch.optim.Optimizer, batches: Batches, tick: Tick
) -> Outputs:
    """One step for each mini-batch.

    Returns:
        the outputs of every step, before its update and in training mode.
    """
    network.train()
    logits_of_steps, labels_of_steps = [], []
    for inputs, labels in batches:
        optimizer.zero_grad()
        logits = network(inputs)
        F.cross_entropy(logits, labels).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        logits_of_steps.append(logits.detach())
        labels_of_steps.append(labels)
        tick(len(labels))
    return _outputs(logits_of_steps, labels_of_steps)


def shuffled(split: Split, batch: int, order: torch.Generator) -> Batches:
    """The split's mini-batches in a new random order; a last one of a single example is dropped,
    since batch normalisation cannot train on it."""
    indices = torch.randperm(len(split.labels), generator=order).to(split.labels.device)
    for chosen in torch.split(indices, batch):
        if len(chosen) > 1:
            yield split.inputs[chosen], split.labels[chosen]


@torch.inference_mode()
def evaluate(network: nn.Module, split: Split) -> Outputs:
    """The network's logits for a split, in eval mode."""
    network.eval()
    return _outputs(
        [network(inputs) for inputs in torch.split(split.inputs, EVALUATION_BATCH)], [split.labels]
    )


def measure(outputs: Outputs) -> dict[str, float]:
    """Loss, accuracy, mean confidence and ECE (10 bins) of a network's outputs.

    Raises:
        Diverged: an output is not finite.
    """
    logits, labels = finite(outputs).logits.numpy(), outputs.labels.numpy()
    confidence, correct = confidence_and_correct(logits, labels)
    return {
        "loss": negative_log_likelihood(logits, labels),
        "accuracy": accuracy(logits, labels),
        "confidence": float(confidence.mean()),
        "ece": expected_calibration_error(confidence, correct),
    }


def finite(outputs: Outputs) -> Outputs:
    """The outputs, where all are finite; else `Diverged` is raised."""
    if not bool(torch.isfinite(outputs.logits).all()):
        raise Diverged("the network's outputs are no longer finite")
    return outputs


def _outputs(logits: list[Tensor], labels: list[Tensor]) -> Outputs:
    return Outputs(torch.cat(logits).cpu(), torch.cat(labels).cpu())
