"""Calibration error in mean square, with what chance adds to it taken off.

A binned error of a finite sample is too large: accuracy strays from confidence in every bin by
chance alone, and each stray counts. Of a squared error the expected stray is known, the variance
of the bin's accuracy, and is taken off. What is left is nearly unbiased, whatever the number of
examples, so that networks measured on different numbers of them can be compared.

The functions take `confidence` (n,), in [0, 1], and `correct` (n,), boolean or 0/1, and raise
`ValueError` as those of `analysis.metrics.calibration` do.
"""

import math

import numpy as np
from numpy.typing import ArrayLike

from analysis.metrics import checks


def debiased_squared_error(confidence: ArrayLike, correct: ArrayLike, bins: int = 15) -> float:
    """Mean squared distance of confidence from accuracy over the bins, less its bias; below 1.

        Σ_B |B|/n · [(confidence(B) − accuracy(B))² − accuracy(B)(1 − accuracy(B)) / (|B| − 1)]

    (Kumar, Liang & Ma, "Verified uncertainty calibration", NeurIPS 2019, the debiased estimator
    of section 4). Bins are of equally many examples, fifteen as theirs: the examples, sorted by
    confidence, are cut into runs whose lengths differ by one at most, the longer ones first, and a
    cut that would part equal confidences moves above them. A bin of one example has no variance to
    be known and counts as 0.

    It may be negative, and is for about half of all calibrated networks: keep the sign where values
    are averaged over networks. Confidences that spread within a bin make it smaller by a bin's
    variance of them over |B|, and what bins hide stays hidden: a lower bound of the true error.
    """
    predicted = checks.confidences(confidence, "confidence")
    observed = checks.hits(correct, "correct", predicted.size)
    checks.whole(bins, "bins")
    order = np.argsort(predicted, kind="stable")
    said, hit = predicted[order], observed[order]
    runs = min(bins, said.size)
    last = np.cumsum(said.size // runs + (np.arange(runs) < said.size % runs)) - 1  # of each run
    # a bin begins at the first example above all those that end the bin below
    starts = np.searchsorted(said, said[last[:-1]], side="right")
    starts = np.unique(np.concatenate([[0], starts[starts < said.size]]))
    count = np.diff(np.append(starts, said.size))
    accuracy = np.add.reduceat(hit, starts) / count
    distance = np.add.reduceat(said, starts) / count - accuracy
    variance = accuracy * (1 - accuracy) / np.maximum(count - 1, 1)
    return float((count * (distance**2 - variance))[count > 1].sum() / said.size)


def debiased_l2_error(confidence: ArrayLike, correct: ArrayLike, bins: int = 15) -> float:
    """Root of `debiased_squared_error`, in [0, 1], and 0 where that is negative; 0 is best.

    On the scale of the ECE, which weighs large and small distances alike where this weighs large
    ones more. The cut at 0 biases it again, for a calibrated network upwards.
    """
    return math.sqrt(max(debiased_squared_error(confidence, correct, bins), 0.0))
