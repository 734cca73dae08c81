"""Calibration under shift: ECE, accuracy and confidence by corruption of the inputs and severity.

The question is that of Ovadia et al., "Can you trust your model's uncertainty? Evaluating
predictive uncertainty under dataset shift", NeurIPS 2019: does a network that is calibrated on data
like those it has learnt from know that it is more often wrong when these drift? The names and the
number of severities are said here, once, for who corrupts inputs and for who reads the logits.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.metrics import checks
from analysis.metrics.calibration import expected_calibration_error
from analysis.metrics.classification import confidence_and_correct

CORRUPTIONS = (
    "gaussian noise",
    "impulse noise",
    "gaussian blur",
    "pixelation",
    "JPEG",
    "brighter",
    "darker",
    "contrast",
    "posterisation",
    "rotation",
)
OF_TEXT = ("random bytes",)
SEVERITIES = (1, 2, 3, 4, 5)  # 0: clean
WORST = SEVERITIES[-1]


def calibration_under_shift(
    clean: ArrayLike, shifted: ArrayLike, labels: ArrayLike, temperature: float = 1.0
) -> Mapping[str, NDArray[np.float64]]:
    """Numbers of each corruption at each severity, the logits being divided by the temperature.

    clean: logits (n, classes); shifted: (corruptions, severities, n, classes), of the same examples
    in the same order, under all of `CORRUPTIONS` or of `OF_TEXT`; labels: (n,) integer class ids.

    Returns `ece` (10 bins), `accuracy` and `confidence`, its mean, each (corruptions, 1 +
    severities): in the first column the clean examples, which are the same for every corruption.
    ValueError where the logits are of other examples, corruptions or severities.
    """
    checks.positive(temperature, "temperature")
    inside, outside = checks.matrix(clean, "clean"), checks.numbers(shifted, "shifted")
    kinds = len(OF_TEXT) if outside.ndim and len(outside) == len(OF_TEXT) else len(CORRUPTIONS)
    wanted = (kinds, len(SEVERITIES), *inside.shape)
    if outside.shape != wanted:
        raise ValueError(f"shifted must be {wanted}, as clean has it, not {outside.shape}")
    at_0 = _numbers(inside / temperature, labels)
    rows = [
        [at_0, *(_numbers(logits / temperature, labels) for logits in at_each)]
        for at_each in outside
    ]
    by_measure = np.moveaxis(np.array(rows), -1, 0)
    return dict(zip(("ece", "accuracy", "confidence"), by_measure, strict=True))


def _numbers(logits: NDArray[np.float64], labels: ArrayLike) -> tuple[float, float, float]:
    """(ECE, accuracy, mean confidence)"""
    confidence, correct = confidence_and_correct(logits, labels)
    ece = expected_calibration_error(confidence, correct)
    return ece, float(correct.mean()), float(confidence.mean())
