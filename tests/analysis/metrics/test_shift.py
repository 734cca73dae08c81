"""Calibration under shift, against the metrics of one corruption at one severity."""

import numpy as np
import pytest

from analysis.metrics.calibration import expected_calibration_error
from analysis.metrics.classification import accuracy, confidence_and_correct
from analysis.metrics.shift import (
    CORRUPTIONS,
    SEVERITIES,
    WORST,
    calibration_under_shift,
)

N, CLASSES = 60, 4
RNG = np.random.default_rng(0)
CLEAN = RNG.normal(size=(N, CLASSES))
SHIFTED = RNG.normal(size=(len(CORRUPTIONS), len(SEVERITIES), N, CLASSES))
LABELS = RNG.integers(0, CLASSES, N)


@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_every_number_is_that_of_its_corruption_and_severity(temperature):
    found = calibration_under_shift(CLEAN, SHIFTED, LABELS, temperature)
    assert list(found) == ["ece", "accuracy", "confidence"]
    for corruption in range(len(CORRUPTIONS)):
        for severity in (0, *SEVERITIES):
            logits = SHIFTED[corruption, severity - 1] if severity else CLEAN
            sure, right = confidence_and_correct(logits / temperature, LABELS)
            at = corruption, severity
            assert found["ece"][at] == expected_calibration_error(sure, right)
            assert found["accuracy"][at] == accuracy(logits, LABELS)
            assert found["confidence"][at] == pytest.approx(sure.mean())


def test_severities_are_counted_from_clean():
    assert (SEVERITIES, WORST) == ((1, 2, 3, 4, 5), 5)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"clean": CLEAN[:-1]}, "shifted must be"),
        ({"shifted": SHIFTED[:-1]}, "shifted must be"),
        ({"shifted": SHIFTED[:, 1:]}, "shifted must be"),
        ({"shifted": SHIFTED[..., 1:]}, "shifted must be"),
        ({"labels": LABELS[1:]}, "labels must be"),
        ({"shifted": np.full_like(SHIFTED, np.nan)}, "shifted contains NaN"),
        ({"temperature": 0.0}, "temperature must be positive"),
    ],
)
def test_logits_of_something_else_are_refused(changes, says):
    with pytest.raises(ValueError, match=says):
        calibration_under_shift(**{"clean": CLEAN, "shifted": SHIFTED, "labels": LABELS} | changes)


def test_text_has_one_corruption_and_images_ten():
    text = calibration_under_shift(CLEAN, SHIFTED[:1], LABELS)
    assert text["ece"].shape == (1, 1 + len(SEVERITIES))
    whole = calibration_under_shift(CLEAN, SHIFTED, LABELS)
    np.testing.assert_array_equal(text["ece"][0], whole["ece"][0])
