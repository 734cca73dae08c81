"""OpenOOD's numbers against scikit-learn as OpenOOD calls it, and against the house's own."""

from itertools import pairwise

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given
from hypothesis import strategies as st

from analysis.metrics.ood import aupr_in, aupr_out, auroc, fpr_at_tpr
from analysis.metrics.openood import openood_aupr_in, openood_aupr_out, openood_fpr

tied_scores = st.lists(st.integers(-3, 3), min_size=1)


@pytest.fixture(params=[0, 1, 12], ids=["few values", "many ties", "no ties"])
def sets(request):
    """10,000 ID scores, 7,000 OOD scores, and both as scikit-learn takes them, OOD = 1."""
    generator = np.random.default_rng(0)
    id_scores = generator.normal(0.5, 1, size=10_000).round(request.param)
    ood_scores = generator.normal(size=7_000).round(request.param)
    is_ood = np.repeat([0, 1], [10_000, 7_000])
    return id_scores, ood_scores, is_ood, np.concatenate([id_scores, ood_scores])


def test_areas_are_those_under_scikit_learns_precision_recall_curve(sets):
    id_scores, ood_scores, is_ood, both = sets
    for measured, positive, scores in [
        (openood_aupr_in, 1 - is_ood, both),
        (openood_aupr_out, is_ood, -both),
    ]:
        precision, recall, _ = sklearn.metrics.precision_recall_curve(positive, scores)
        expected = sklearn.metrics.auc(recall, precision)
        assert measured(id_scores, ood_scores) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("tpr", [0.1, 0.5, 0.95, 1.0])
def test_fpr_is_that_of_the_first_point_of_scikit_learns_curve_to_reach_the_tpr(sets, tpr):
    id_scores, ood_scores, is_ood, both = sets
    fprs, tprs, _ = sklearn.metrics.roc_curve(is_ood, -both, drop_intermediate=False)
    assert openood_fpr(id_scores, ood_scores, tpr) == fprs[np.argmax(tprs >= tpr)]


@given(tied_scores, tied_scores)
def test_fpr_is_the_lowest_of_all_thresholds_that_reject_enough(ids, oods):
    rates = [
        sum(i <= threshold for i in ids) / len(ids)
        for threshold in {*ids, *oods}
        if 20 * sum(o <= threshold for o in oods) >= 19 * len(oods)
    ]
    assert openood_fpr(ids, oods) == min(rates)


@given(tied_scores, tied_scores)
def test_area_is_the_sum_of_trapezoids_between_all_thresholds(ids, oods):
    points = [(0.0, 1.0)]
    for threshold in sorted({*ids, *oods}, reverse=True):
        hits = sum(i >= threshold for i in ids)
        accepted = hits + sum(o >= threshold for o in oods)
        points.append((hits / len(ids), hits / accepted))
    expected = sum((r1 - r0) * (p0 + p1) / 2 for (r0, p0), (r1, p1) in pairwise(points))
    assert openood_aupr_in(ids, oods) == pytest.approx(expected, abs=1e-12)


@given(tied_scores, tied_scores)
def test_one_convention_is_the_other_with_the_sets_exchanged(ids, oods):
    negated = [-o for o in oods], [-i for i in ids]
    assert openood_fpr(ids, oods) == fpr_at_tpr(*negated)
    assert openood_aupr_out(ids, oods) == openood_aupr_in(*negated)
    assert auroc(ids, oods) == pytest.approx(auroc(*negated))


def test_the_two_conventions_are_not_the_same_number():
    # 4 of 10 OOD inputs pass for the most certain, and 1 of 20 ID inputs for the least
    ids, oods = [5] * 19 + [0], [9] * 4 + [1] * 6
    assert (fpr_at_tpr(ids, oods), openood_fpr(ids, oods)) == (0.4, 1.0)
    assert (fpr_at_tpr(oods, ids), openood_fpr(oods, ids)) == (0.95, 0.6)


def test_equal_scores_flatter_the_trapezoids():
    ids, oods = [0.5] * 3, [0.5] * 5
    assert (openood_aupr_in(ids, oods), aupr_in(ids, oods)) == ((1 + 3 / 8) / 2, 3 / 8)
    assert (openood_aupr_out(ids, oods), aupr_out(ids, oods)) == ((1 + 5 / 8) / 2, 5 / 8)
    assert openood_fpr(ids, oods) == 1.0


def test_of_many_scores_without_ties_the_areas_nearly_agree():
    generator = np.random.default_rng(0)
    ids, oods = generator.normal(1, 1, 5000), generator.normal(size=5000)
    assert openood_aupr_in(ids, oods) == pytest.approx(aupr_in(ids, oods), abs=1e-4)
    assert openood_aupr_out(ids, oods) == pytest.approx(aupr_out(ids, oods), abs=1e-4)


def test_sets_that_are_apart_are_told_apart():
    assert openood_fpr([0.8, 0.9], [0.1]) == 0.0
    assert openood_aupr_in([0.8, 0.9], [0.1]) == openood_aupr_out([0.8, 0.9], [0.1]) == 1.0
    assert openood_fpr([0.1, 0.2], [0.8]) == 1.0
