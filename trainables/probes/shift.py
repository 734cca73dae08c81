"""What a network answers when its test data drift: logits under corruptions that grow.

As Ovadia et al., NeurIPS 2019, ask it. Images are corrupted as pixels in [0, 1], at the size that
the network takes them at, and then normalised as the trial normalises its own; text is corrupted
as the network reads it.
"""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn

from analysis.metrics.shift import CORRUPTIONS as OF_IMAGES
from analysis.metrics.shift import OF_TEXT, SEVERITIES
from trainables.data.splits import Split, per_channel
from trainables.probes.corruptions import CORRUPTIONS, generator_of, random_bytes
from trainables.probes.subject import Arrays, Subject
from trainables.training.loop import (
    Outputs,
    evaluation_batches,
    finite,
    outputs_of,
)
from trainables.training.steps import predictions

EXAMPLES = 2000  # at most, and fewer where there are more than a hundred classes:
LOGITS = 200_000  # at most under one corruption, for a record holds as many for each severity

Corrupted = Callable[[Tensor], Tensor]  # inputs as the network takes them → the same, corrupted


def shift(subject: Subject) -> Arrays:
    """Logits of test examples under each corruption at each severity.

    The examples are the first of the test set in order, as many as have 2,000 predictions at most
    (of more than a hundred classes 200,000 / classes), so that all networks of a study see the same
    ones, corrupted alike; `test/logits` has them clean, as its first.

    Returns:
        `logits` (corruptions, severities, n, classes) float32, in the order of
        `analysis.metrics.shift`, ten of images and one of text, and `labels` (n,), on the CPU. 4 MB
        for images of 10 classes, 40 at most.

    Raises:
        Diverged: a logit is not finite.
    """
    network, test = subject.network, subject.data.test
    network.eval()
    with torch.no_grad():
        classes = network(test.taken(slice(0, 1))[0]).shape[1]
    targets = 1 if test.positions is None else test.positions.shape[1]
    examples = max(1, min(EXAMPLES, LOGITS // classes) // targets)
    positions = None if test.positions is None else test.positions[:examples]
    first = replace(
        test, inputs=test.inputs[:examples], labels=test.labels[:examples], positions=positions
    )
    text = not test.inputs.is_floating_point()
    outputs = [
        _outputs(
            network,
            first,
            _of_text(name, severity, classes) if text else _of_images(name, severity, subject),
        )
        for name in (OF_TEXT if text else OF_IMAGES)
        for severity in SEVERITIES
    ]
    logits = torch.stack([found.logits for found in outputs])
    return {
        "logits": logits.view(-1, len(SEVERITIES), *logits.shape[1:]),
        "labels": outputs[0].labels,
    }


@torch.no_grad()
def _outputs(network: nn.Module, split: Split, corrupted: Corrupted) -> Outputs:
    """The network's of the split under one corruption; one batch at a time."""
    pairs = []
    for part in evaluation_batches(split):
        inputs, labels = split.taken(part)
        positions = None if split.positions is None else split.positions[part]
        pairs.append(predictions(network(corrupted(inputs)), labels, positions))
    return finite(outputs_of(pairs))


def _of_images(corruption: str, severity: int, subject: Subject) -> Corrupted:
    corrupt, random = CORRUPTIONS[corruption], generator_of(corruption, severity)

    def corrupted(inputs: Tensor) -> Tensor:
        mean, std = per_channel(subject.data.constants, inputs)
        pixels = (inputs * std + mean).clamp_(0.0, 1.0)
        return (corrupt(pixels, severity, random) - mean) / std

    return corrupted


def _of_text(corruption: str, severity: int, classes: int) -> Corrupted:
    random = generator_of(corruption, severity)
    return lambda tokens: random_bytes(tokens, severity, classes, random)
