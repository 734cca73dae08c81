"""Declining to answer: areas and points of risk and coverage, arm by arm."""

import numpy as np
from exhibited import EveryExhibit, assert_compared, assert_legible, heights, panels, table
from probabilities import calibrated
from studies import make_pairs

from analysis.exhibits import EXHIBITS
from analysis.metrics.classification import confidence_and_correct
from analysis.results.study_results import pairs

REPLICATES = 6
build = EXHIBITS["selective"]


def fields(replicate, warm):
    """With warm-up half as sure, which changes no ranking; without it noise upon the logits."""
    logits, labels = calibrated(400, seed=replicate)
    noise = np.random.default_rng(100 + replicate).normal(0, 2, logits.shape)
    logits = (0.5 * logits if warm else logits + noise).astype(np.float32)
    return {"logits": {"test": logits}, "labels": {"test": labels}}


def study():
    return make_pairs(fields, REPLICATES, ood=None)


class TestSelective(EveryExhibit):
    def test_nothing_overlaps(self, exhibit):
        assert_legible(exhibit)


def sorted_hits(results, arm):
    """(networks, examples): right or wrong, the surest first."""
    found = []
    for pair in pairs(results, "gaussian"):
        record = pair[arm].record
        confidence, correct = confidence_and_correct(record.logits["test"], record.labels["test"])
        found.append(correct[np.argsort(-confidence, kind="stable")])
    return np.array(found)


def test_the_tables_have_what_plain_counting_gives(results, exhibit):
    areas = table(exhibit, "selective-areas").values.set_index("metric")
    points = table(exhibit, "selective-points").values.set_index("metric")
    counted = {"aurc": [], "risk": [], "coverage": []}
    for arm in (0, 1):
        hits = sorted_hits(results, arm)
        answered = np.arange(1, 401)
        risks = (~hits).cumsum(axis=1) / answered
        counted["aurc"].append(risks.mean(axis=1))
        counted["risk"].append(risks[:, 199])
        allowed = [answered[row <= 0.2].max(initial=0) / 400 for row in risks]
        counted["coverage"].append(np.array(allowed))
    assert_compared(areas.loc["aurc"], *counted["aurc"])
    assert_compared(points.loc["risk"], *counted["risk"])
    assert_compared(points.loc["coverage"], *counted["coverage"])
    assert areas.loc["excess_aurc", "difference"] < 0
    assert areas.loc["augrc", "interval_high"] < 0


def test_a_change_that_is_clear_of_zero_is_bold_and_the_curve_ends_at_the_error_rate(
    results, exhibit
):
    shown = table(exhibit, "selective-areas").shown
    assert type(shown["AUGRC", "Δ"][0]).__name__ == "Bold"
    (axes,) = panels(exhibit.figures[0].figure)
    for arm, curve in enumerate(heights(axes)):
        assert np.isclose(curve[-1], 1 - sorted_hits(results, arm).mean())
