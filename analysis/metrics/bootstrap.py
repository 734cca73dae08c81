"""How much a metric of one network would move with another sample of test examples."""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike


def bootstrap_metric_interval(
    metric: Callable[..., float],
    *arrays: ArrayLike,
    level: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile bootstrap interval (low, high) of metric(*arrays) over the examples.

    arrays: what the metric takes, such as (confidence, correct) or (logits, labels), whose first
    axis is the examples; row i of each is example i. Every resample draws n examples with
    replacement (Efron & Tibshirani 1993, chapter 13); the same seed gives the same interval.

    This is the spread over test examples, of one network: over training runs, see
    `analysis.stats.bootstrap_interval`. A calibration error is a sum of absolute values, which
    resampling can only inflate: of a nearly calibrated network the interval lies too high, and may
    lie above the error itself.

    ValueError where the arrays differ in length or are empty, or a setting has no meaning.
    """
    columns = [np.asarray(array) for array in arrays]
    lengths = [column.shape[:1] for column in columns]
    if len(set(lengths)) != 1 or lengths[0] in ((), (0,)):
        raise ValueError(f"the arrays must have one number of examples, not {lengths}")
    if not 0 < level < 1:
        raise ValueError(f"level must lie in (0, 1), not {level}")
    if resamples < 1:
        raise ValueError(f"resamples must be at least 1, not {resamples}")
    generator, n = np.random.default_rng(seed), lengths[0][0]
    values = np.empty(resamples)
    for i in range(resamples):  # all indices at once would take resamples × n of memory
        rows = generator.integers(n, size=n)
        values[i] = metric(*(column[rows] for column in columns))
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
