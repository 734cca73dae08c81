"""Parts of scores and curves without bins, of networks whose probabilities are known."""

import numpy as np
import pytest
from exhibited import EveryExhibit, assert_compared, assert_legible, heights, panels, table
from probabilities import calibrated
from studies import make_pairs

from analysis.exhibits import EXHIBITS
from analysis.metrics.classification import confidence_and_correct
from analysis.metrics.corp import score_decomposition
from analysis.results.study_results import pairs

REPLICATES = 6
build = EXHIBITS["corp"]


def fields(replicate, warm):
    """Without warm-up three times too sure, with it calibrated."""
    logits, labels = calibrated(400, seed=replicate)
    logits = (logits if warm else 3 * logits).astype(np.float32)
    return {"logits": {"test": logits}, "labels": {"test": labels}}


def study():
    return make_pairs(fields, REPLICATES, ood=None)


def predictions(results, arm):
    records = [pair[arm].record for pair in pairs(results, "gaussian")]
    return [confidence_and_correct(r.logits["test"], r.labels["test"]) for r in records]


class TestCorp(EveryExhibit):
    def test_nothing_overlaps(self, exhibit):
        assert_legible(exhibit)


@pytest.mark.parametrize("score", ["brier", "log"])
def test_a_row_has_each_part_of_both_arms(results, exhibit, score):
    values = table(exhibit, f"corp-{score}").values.set_index("metric")
    parts = [[score_decomposition(*p, score) for p in predictions(results, arm)] for arm in (0, 1)]
    for part in ("miscalibration", "discrimination"):
        before, after = (np.array([getattr(found, part) for found in arm]) for arm in parts)
        assert_compared(values.loc[f"{score}/{part}"], before, after)
    accuracy = np.mean([found.uncertainty for found in parts[1]])
    assert values.loc[f"{score}/uncertainty", "with_mean"] == pytest.approx(accuracy)


def test_being_too_sure_is_miscalibration_and_nothing_else(exhibit):
    shown = table(exhibit, "corp-brier").values.set_index("metric")
    assert shown.loc["brier/miscalibration", "interval_high"] < 0
    assert abs(shown.loc["brier/uncertainty", "difference"]) < 1e-12  # the predictions are the same
    discrimination = shown.loc["brier/discrimination"]
    assert abs(discrimination["difference"]) < 0.02 < discrimination["with_mean"]


def test_a_certain_error_has_no_log_score_and_its_pair_does_not_count():
    def certain(replicate, warm):
        found = fields(replicate, warm)
        if replicate == 2 and not warm:
            logits = found["logits"]["test"]
            logits[0], found["labels"]["test"][0] = [1e4, 0, 0, 0, 0], 1
        return found

    exhibit = build(make_pairs(certain, 4, ood=None))
    log, brier = (
        table(exhibit, f"corp-{score}").values.set_index("metric") for score in ("log", "brier")
    )
    assert log.loc["log/miscalibration", "pairs"] == 3
    assert log.loc["log/discrimination", "pairs"] == 4
    assert brier.loc["brier/miscalibration", "pairs"] == 4


def test_the_calibrated_curve_lies_in_the_band_and_the_other_outside(exhibit):
    without, with_ = panels(exhibit.figures[0].figure)
    outside = []
    for axes in (without, with_):
        band = axes.collections[0].get_paths()[0].vertices
        (curve,) = heights(axes, linewidth=1.6)
        confidence = next(x for x in axes.lines if x.get_linewidth() == 1.6).get_xdata()
        low = np.array([band[band[:, 0] == x, 1].min() for x in confidence])
        high = np.array([band[band[:, 0] == x, 1].max() for x in confidence])
        outside.append(float(((curve < low) | (curve > high)).mean()))
    assert outside[0] > 0.6
    assert outside[1] < 0.25
