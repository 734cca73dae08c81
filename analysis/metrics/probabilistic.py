"""How good the whole forecast is, not the predicted class alone: class-wise ECE and Brier score.

All functions take `probabilities` (n, classes), each row of which sums to 1, and `labels` (n,),
integer class ids; see `analysis.metrics.classification.softmax`. They raise `ValueError` where the
two do not fit or a row is no distribution.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.metrics import checks
from analysis.metrics.calibration import expected_calibration_error, reliability_diagram


@dataclass(frozen=True)
class BrierDecomposition:
    """Parts of a Brier score: score = reliability − resolution + uncertainty + within_bin."""

    reliability: float  # squared distance of confidence from frequency; 0: calibrated
    resolution: float  # how far the bins' frequencies spread; 0: all forecasts mean the same
    uncertainty: float  # of the labels alone: the score of always forecasting their frequencies
    within_bin: float  # what binning hides; 0 where each bin's forecasts are equal

    @property
    def score(self) -> float:
        return self.reliability - self.resolution + self.uncertainty + self.within_bin


def classwise_calibration_error(
    probabilities: ArrayLike, labels: ArrayLike, bins: int = 10
) -> float:
    """Mean over the classes k of the ECE of "the label is k", forecast with probability p_k.

        (1/K) Σ_k Σ_m |B_mk|/n · |frequency of k in B_mk − mean p_k in B_mk|,   in [0, 1]

    over equal-width bins of each p_k: the static calibration error of Nixon et al., CVPR workshops
    2019 (arXiv 1904.01685). Most p_k are near 0, so that it falls with the number of classes:
    compare only what has equally many.
    """
    forecasts, classes = _checked(probabilities, labels)
    return float(
        np.mean(
            [
                expected_calibration_error(forecast, classes == k, bins)
                for k, forecast in enumerate(forecasts.T)
            ]
        )
    )


def brier_score(probabilities: ArrayLike, labels: ArrayLike) -> float:
    """Mean squared distance from the truth, (1/n) Σ_i Σ_k (p_ik − [label_i = k])², in [0, 2].

    Brier, Mon. Weather Rev. 78, 1–3 (1950): the sum over all classes, which for two is twice the
    score of one of them.

    >>> brier_score([[0.5, 0.5], [1.0, 0.0]], [0, 0])
    0.25
    """
    forecasts, classes = _checked(probabilities, labels)
    truth = classes[:, np.newaxis] == np.arange(forecasts.shape[1])
    return float(((forecasts - truth) ** 2).sum(axis=1).mean())


def brier_decomposition(
    probabilities: ArrayLike, labels: ArrayLike, bins: int = 10
) -> BrierDecomposition:
    """The Brier score as reliability − resolution + uncertainty (+ what binning hides).

    With the equal-width bins B of each p_k, its mean p̄ and the frequency ō of class k in B, and
    the frequency ō_k among all labels,

        reliability = Σ_k Σ_B |B|/n · (p̄ − ō)²     resolution = Σ_k Σ_B |B|/n · (ō − ō_k)²
        uncertainty = Σ_k ō_k (1 − ō_k)

    (Murphy, J. Appl. Meteorol. 12, 595–600, 1973). Their sum is exactly the score of forecasts
    replaced by their bins' means. The given forecasts' score has besides, in each bin, the variance
    of the p_k less twice their covariance with the outcomes (Stephenson et al., Weather Forecast.
    23, 752–757, 2008): `within_bin`, summed alike, with which the identity is exact for any input.
    """
    forecasts, classes = _checked(probabilities, labels)
    reliability = resolution = uncertainty = 0.0
    for k, forecast in enumerate(forecasts.T):
        diagram = reliability_diagram(forecast, classes == k, bins)
        share = diagram.count / classes.size
        frequency = float((classes == k).mean())
        reliability += float(np.nansum(share * (diagram.confidence - diagram.accuracy) ** 2))
        resolution += float(np.nansum(share * (diagram.accuracy - frequency) ** 2))
        uncertainty += frequency * (1 - frequency)
    binned = reliability - resolution + uncertainty
    within_bin = brier_score(forecasts, classes) - binned
    return BrierDecomposition(reliability, resolution, uncertainty, within_bin)


def _checked(
    probabilities: ArrayLike, labels: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.integer[Any]]]:
    forecasts = checks.probabilities(probabilities)
    return forecasts, checks.labels(labels, *forecasts.shape)
