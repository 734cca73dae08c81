"""What a perfectly calibrated network would show: the calibration error of chance alone.

A calibration error of finitely many examples is never 0. Of a network whose confidences are just
the probabilities of being right, the hits are still drawn, and accuracy strays from confidence in
every bin. An error below what chance shows says nothing against a network; one above its 95th
percentile does. `confidence` (n,) is that of `analysis.metrics.calibration`, in [0, 1].

Nothing is approximated but the percentile, by its draws: the hits in a bin are a sum of independent
Bernoulli variables with the confidences as their probabilities, whose distribution (Poisson's
binomial) is computed whole, by convolution. All of it takes 0.1 s for 10,000 confidences.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.metrics import checks
from analysis.metrics.calibration import bin_of

_CONVOLVED = 64  # hits; sums of more by Fourier transform


@dataclass(frozen=True)
class ChanceError:
    """The ECE that calibrated hits would have: its mean and its 95th percentile, in [0, 1]."""

    mean: float
    percentile_95: float


def chance_calibration_error(
    confidence: ArrayLike, bins: int = 10, draws: int = 10_000, seed: int = 0
) -> ChanceError:
    """ECE, as `expected_calibration_error` has it, of hits that are Bernoulli(confidence).

    In bin B the hits K_B have the exact distribution of a sum of Bernoulli variables of
    probabilities c_i, i ∈ B. The mean is exact, from the distributions,

        (1/n) Σ_B E|K_B − Σ_{i∈B} c_i|

    and so has no error of drawing. The percentile is that of `draws` sets of hits, K_B drawn from
    its distribution in each bin; the same seed gives the same draws. Bins of exact confidences, 0
    or 1, have no error. The mean falls as 1/√n: of confidences spread evenly over [0, 1] it is
    .069, .031 and .010 for 200, 1,000 and 10,000 examples.

    As in Bröcker & Smith, Weather Forecast. 22, 651–661 (2007), who draw such hits for a
    reliability diagram; here for its error.
    """
    predicted = checks.confidences(confidence, "confidence")
    checks.whole(draws, "draws")
    generator = np.random.default_rng(checks.whole(seed, "seed", least=0))
    index = bin_of(predicted, bins)
    mean, drawn = 0.0, np.zeros(draws)
    for each in np.unique(index):
        members = predicted[index == each]
        chances = _hits_distribution(members)
        miss = np.abs(np.arange(chances.size) - members.sum())  # |hits − expected|, examples
        mean += float(chances @ miss)
        cumulative = np.cumsum(chances)
        # the last entry may round below 1, and a draw then beyond it: clip
        hits = np.searchsorted(cumulative, generator.random(draws) * cumulative[-1], side="right")
        drawn += miss[np.minimum(hits, members.size)]
    n = predicted.size
    return ChanceError(mean / n, float(np.quantile(drawn, 0.95)) / n)


def _hits_distribution(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """P(k of these events happen), (n + 1,) for k = 0..n: by halves, whose sums convolve."""
    n = probabilities.size
    # a row for each event, padded with events that never happen to a power of two
    rows = np.zeros((1 << (n - 1).bit_length(), 2))
    rows[:, 0] = 1
    rows[:n, 0] -= probabilities
    rows[:n, 1] = probabilities
    while len(rows) > 1:
        first, second = rows[::2], rows[1::2]
        width = rows.shape[1]
        if width <= _CONVOLVED:
            paired = np.zeros((len(first), 2 * width - 1))
            for k in range(width):
                paired[:, k : k + width] += first[:, k, np.newaxis] * second
        else:
            size = 2 * width  # no wrapping: the sum has 2·width − 1 entries
            spectrum = np.fft.rfft(first, size) * np.fft.rfft(second, size)
            paired = np.fft.irfft(spectrum, size)[:, : 2 * width - 1]
        rows = paired
    return np.clip(rows[0, : n + 1], 0, None)  # the transform is off by 1e-16
