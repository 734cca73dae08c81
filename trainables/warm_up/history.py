"""What a warm-up says of its way: of each epoch the loss, accuracy, mean confidence and expected
calibration error (10 bins) on its noise, before each step and in training mode. These are the
`noise_…` columns of a trial's history, computed without NumPy.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from trainables.training.steps import middle, predictions

History = list[dict[str, float]]  # of each epoch: epoch, examples so far, and the metrics

BINS = 10


class EpochMetrics:
    """Gathers the outputs of an epoch, where they are: nothing waits for a GPU on the way."""

    def __init__(self) -> None:
        self._losses: list[Tensor] = []
        self._confidences: list[Tensor] = []
        self._correct: list[Tensor] = []

    def add(self, logits: Tensor, labels: Tensor) -> None:
        """Of one step; of several targets of an example, such as tokens, the middle one.

        logits: (n, classes, *targets); labels: (n, *targets).
        """
        logits, labels = predictions(logits, labels, middle(labels))
        self._losses.append(F.cross_entropy(logits, labels, reduction="none"))
        confidence, chosen = logits.softmax(1).max(1)
        self._confidences.append(confidence)
        self._correct.append(chosen == labels)

    def values(self) -> dict[str, float]:
        """The metrics; a loss that is not finite says that the outputs are not."""
        loss = torch.cat(self._losses).cpu().double()
        confidence = torch.cat(self._confidences).cpu().double()
        correct = torch.cat(self._correct).cpu().double()
        return {
            "loss": float(loss.mean()),
            "accuracy": float(correct.mean()),
            "confidence": float(confidence.mean()),
            "ece": _calibration_error(confidence, correct),
        }


def _calibration_error(confidence: Tensor, correct: Tensor) -> float:
    """ECE = Σ_m |Σ_{i in B_m} (correct_i − confidence_i)| / n, bins [k/10, (k + 1)/10).

    confidence, correct: (n,), float64.
    """
    edges = torch.arange(1, BINS, dtype=torch.float64) / BINS
    where = torch.bucketize(confidence, edges, right=True)
    gaps = torch.zeros(BINS, dtype=torch.float64).index_add_(0, where, correct - confidence)
    return float(gaps.abs().sum() / len(confidence))
