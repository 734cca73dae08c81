"""What a network answers when its test images drift: logits under corruptions that grow.

As Ovadia et al., NeurIPS 2019, ask it. The images are corrupted as pixels in [0, 1], at the size
that the network takes them at, and then normalised as the trial normalises its own.
"""

from dataclasses import replace

import torch
from torch import Tensor, nn

from analysis.metrics.shift import CORRUPTIONS as NAMES
from analysis.metrics.shift import SEVERITIES
from trainables.data.splits import Constants, Split, per_channel
from trainables.probes.corruptions import CORRUPTIONS, generator_of
from trainables.probes.subject import Arrays, Subject
from trainables.training.loop import evaluation_batches, finite, outputs_of

EXAMPLES = 2000  # at most, and fewer where there are more than a hundred classes:
LOGITS = 200_000  # at most under one corruption, for a record holds fifty times that


def shift(subject: Subject) -> Arrays:
    """Logits of test images under each corruption at each severity.

    The images are the first of the test set in order, 2,000 at most (of more than a hundred classes
    200,000 / classes), so that all networks of a study see the same ones, corrupted alike;
    `test/logits` has them clean, as its first.

    Returns:
        `logits` (corruptions, severities, n, classes) float32, in the order of
        `analysis.metrics.shift`, and `labels` (n,), on the CPU. 4 MB for 10 classes, 40 at most.

    Raises:
        Diverged: a logit is not finite.
    """
    network, data = subject.network, subject.data
    network.eval()
    with torch.no_grad():
        classes = network(data.test.inputs[:1]).shape[-1]
    examples = min(EXAMPLES, max(1, LOGITS // classes))
    inputs, labels = (values[:examples] for values in (data.test.inputs, data.test.labels))
    first = replace(data.test, inputs=inputs, labels=labels)
    logits = [
        _logits(network, first, data.constants, name, severity)
        for name in NAMES
        for severity in SEVERITIES
    ]
    shape = len(NAMES), len(SEVERITIES), *logits[0].shape
    return {"logits": torch.stack(logits).view(shape), "labels": labels.cpu()}


@torch.no_grad()
def _logits(
    network: nn.Module, split: Split, constants: Constants, corruption: str, severity: int
) -> Tensor:
    """(n, classes) of the split under one corruption, on the CPU; one batch at a time."""
    corrupted, random = CORRUPTIONS[corruption], generator_of(corruption, severity)
    pairs = []
    for part in evaluation_batches(split):
        inputs, labels = split.taken(part)
        mean, std = per_channel(constants, inputs)
        pixels = (inputs * std + mean).clamp_(0.0, 1.0)
        pairs.append((network((corrupted(pixels, severity, random) - mean) / std), labels))
    return finite(outputs_of(pairs)).logits
