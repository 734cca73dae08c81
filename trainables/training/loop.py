"""The one training loop, which warm-up and task share, and the measuring after each epoch.

A phase says only what differs: its optimizer, and where a mini-batch comes from. Training is
counted in examples; measuring is always in eval mode, so that batch normalisation uses its running
statistics (Cheon & Paik, Methods). Where an example has many targets, pixels or tokens, some of
them are measured: each is one prediction.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain

import torch
from torch import Tensor, nn

from analysis.metrics.calibration import expected_calibration_error
from analysis.metrics.classification import (
    accuracy,
    confidence_and_correct,
    negative_log_likelihood,
    softmax,
)
from trainables.config.loss import Loss
from trainables.config.trial import Augmentation
from trainables.data.splits import Split
from trainables.tasks import NO_CLASS
from trainables.training.augmentation import augmented
from trainables.training.data_parallel import ALONE, Pairs, Workers, contiguous
from trainables.training.steps import middle, predictions, step

# at once: 250 images of 32×32, 5 of 224×224, and never more than 250 examples
EVALUATED_ELEMENTS = 250 * 3 * 32 * 32
EVALUATED_EXAMPLES = 250
TIMES_ON_GPU = 4

Batches = Iterator[tuple[Tensor, Tensor]]  # (inputs, labels)
Tick = Callable[[int], None]
Augment = tuple[Augmentation, torch.Generator] | None


class Diverged(ArithmeticError):
    """The network's outputs are no longer finite."""


@dataclass(frozen=True)
class Outputs:
    """A network's predictions, on the CPU; several of an example that has several targets."""

    logits: Tensor  # float32 (n, classes)
    labels: Tensor  # int64 (n,)


def train_epoch(
    network: nn.Module,
    optimizer: torch.optim.Optimizer | None,
    batches: Batches,
    tick: Tick,
    workers: Workers = ALONE,
    loss: Loss | None = None,
) -> Outputs:
    """One step for each mini-batch. Without an optimizer no weight is trained: the mini-batches
    only pass through, which moves the running statistics of batch normalisation.

    Args:
        network: as `workers.in_step` has it.
        batches: the same of every worker; each takes its share.

    Returns:
        the outputs of every step, before its update and in training mode: one of each example.
    """
    network.train()
    steps: Pairs = []
    for inputs, labels in batches:
        share = workers.share(network, inputs, labels)
        logits = step(network, optimizer, share.inputs, partial(share.loss, settings=loss))
        logits, said = logits[: share.examples], share.labels[: share.examples]
        steps.append(predictions(logits, said, middle(said)))
        tick(len(labels))
    return outputs_of(chain.from_iterable(zip(*workers.gathered(steps), strict=True)))


def shuffled(split: Split, batch: int, order: torch.Generator, augment: Augment = None) -> Batches:
    """The split's mini-batches in a new random order; a last one of a single example is dropped,
    since batch normalisation cannot train on it."""
    indices = torch.randperm(len(split), generator=order).to(split.labels.device)
    for chosen in torch.split(indices, batch):
        if len(chosen) > 1:
            inputs, labels = split.taken(chosen)
            yield augmented(inputs, labels, *augment) if augment else (inputs, labels)


@torch.no_grad()  # not in inference mode: a network may keep a tensor for its training
def evaluate(network: nn.Module, split: Split, workers: Workers = ALONE) -> Outputs:
    """The network's predictions for a split, in eval mode; each worker makes some, and has all."""
    network.eval()
    parts: Pairs = []
    batches = prediction_batches(split)
    for part in batches[contiguous(len(batches), workers.rank, workers.size)]:
        inputs, labels = split.taken(part)
        positions = None if split.positions is None else split.positions[part]
        parts.append(predictions(network(inputs).detach(), labels, positions))
    return outputs_of(chain.from_iterable(workers.gathered(parts)))


def evaluation_batches(split: Split, times: int = 1) -> list[slice]:
    """The split in parts that fit in memory at the network's size.

    times: as large as parts of which gradients are taken, too.
    """
    at_once = times * EVALUATED_ELEMENTS // math.prod(split.shape)
    at_once = min(max(at_once, 1), times * EVALUATED_EXAMPLES)
    return [slice(start, start + at_once) for start in range(0, len(split), at_once)]


def prediction_batches(split: Split) -> list[slice]:
    """The same for predictions alone: larger on a GPU, where it would wait for the next part."""
    return evaluation_batches(split, TIMES_ON_GPU if split.labels.is_cuda else 1)


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


def measure_unknown(outputs: Outputs) -> dict[str, float]:
    """Of out-of-distribution examples, whose labels may be of other classes than the network's:
    without a loss, and accuracy says only how often its class has the label's number.

    Raises:
        Diverged: an output is not finite.
    """
    logits = finite(outputs).logits.numpy()
    confidence = softmax(logits).max(axis=1)
    correct = logits.argmax(axis=1) == outputs.labels.numpy()
    return {
        "accuracy": float(correct.mean()),
        "confidence": float(confidence.mean()),
        "ece": expected_calibration_error(confidence, correct),
    }


def finite(outputs: Outputs) -> Outputs:
    """The outputs, where all are finite; else `Diverged` is raised."""
    if not bool(torch.isfinite(outputs.logits).all()):
        raise Diverged("the network's outputs are no longer finite")
    return outputs


def outputs_of(pairs: Iterable[tuple[Tensor, Tensor]]) -> Outputs:
    """Of all parts, those that have a class."""
    parts, wanted = zip(*pairs, strict=True)
    logits, labels = torch.cat(parts).cpu(), torch.cat(wanted).cpu()
    known = labels != NO_CLASS
    return Outputs(logits, labels) if known.all() else Outputs(logits[known], labels[known])
