"""Detection measures against the counting of pairs, scikit-learn and what holds at the edges."""

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given
from hypothesis import strategies as st

from analysis.metrics.ood import aupr_in, aupr_out, auroc, fpr_at_tpr, roc_curve

MEASURES = [auroc, aupr_in, aupr_out, fpr_at_tpr]

# few distinct values, so that ties are common
scores = st.lists(st.integers(0, 6).map(lambda i: i / 6) | st.floats(0, 1), min_size=1)
tied_scores = st.lists(st.integers(-3, 3), min_size=1)


@pytest.fixture(params=[1, 12], ids=["many ties", "no ties"])
def overlapping(request):
    """10,000 ID scores, 7,000 OOD scores, and both as scikit-learn takes them."""
    generator = np.random.default_rng(0)
    id_scores = generator.normal(0.5, 1, size=10_000).round(request.param)
    ood_scores = generator.normal(size=7_000).round(request.param)
    return id_scores, ood_scores, np.repeat([1, 0], [10_000, 7_000])


@given(scores, scores)
def test_auroc_is_the_fraction_of_pairs_won_with_ties_a_half(id_scores, ood_scores):
    wins = sum((i > o) + (i == o) / 2 for i in id_scores for o in ood_scores)
    expected = wins / (len(id_scores) * len(ood_scores))
    assert auroc(id_scores, ood_scores) == pytest.approx(expected, abs=1e-12)


def test_areas_agree_with_scikit_learn(overlapping):
    id_scores, ood_scores, is_id = overlapping
    both = np.concatenate([id_scores, ood_scores])
    expected = (
        sklearn.metrics.roc_auc_score(is_id, both),
        sklearn.metrics.average_precision_score(is_id, both),
        sklearn.metrics.average_precision_score(1 - is_id, -both),
    )
    measured = tuple(area(id_scores, ood_scores) for area in (auroc, aupr_in, aupr_out))
    assert measured == pytest.approx(expected, rel=0, abs=1e-12)


@pytest.fixture
def curve(overlapping):
    """(false, true positive rates) at every threshold, by scikit-learn."""
    id_scores, ood_scores, is_id = overlapping
    both = np.concatenate([id_scores, ood_scores])
    fprs, tprs, _ = sklearn.metrics.roc_curve(is_id, both, drop_intermediate=False)
    return fprs, tprs


@pytest.mark.parametrize("tpr", [0.1, 0.5, 0.95, 1.0])
def test_fpr_is_that_of_the_first_point_of_scikit_learns_curve_to_reach_the_tpr(
    overlapping, curve, tpr
):
    fprs, tprs = curve
    assert fpr_at_tpr(*overlapping[:2], tpr) == fprs[tprs >= tpr][0]


def test_curve_passes_through_scikit_learns_with_corners_alone(overlapping, curve):
    along, up = roc_curve(*overlapping[:2])
    assert {*zip(along, up, strict=True)} <= {*zip(*curve, strict=True)}
    area = pytest.approx(auroc(*overlapping[:2]), abs=1e-12)
    assert sklearn.metrics.auc(along, up) == area


def test_curve_keeps_the_ends_and_each_turn():
    along, up = roc_curve([4, 3, 1], [2, 1, 0, 0])  # up, up, along, slanted, along
    assert along.tolist() == [0, 0, 0.25, 0.5, 1]
    assert up == pytest.approx([0, 2 / 3, 2 / 3, 1, 1])


@given(tied_scores, tied_scores)
def test_average_precision_is_the_precision_at_every_threshold_weighted_by_recall(ids, oods):
    expected, recall_above = 0.0, 0.0
    for threshold in sorted({*ids, *oods}, reverse=True):
        hits = sum(i >= threshold for i in ids)
        accepted = hits + sum(o >= threshold for o in oods)
        expected += (hits / len(ids) - recall_above) * hits / accepted
        recall_above = hits / len(ids)
    assert aupr_in(ids, oods) == pytest.approx(expected, abs=1e-12)


@given(tied_scores, tied_scores)
def test_fpr_is_the_lowest_of_all_thresholds_that_accept_enough(ids, oods):
    rates = [
        sum(o >= threshold for o in oods) / len(oods)
        for threshold in {*ids, *oods}
        if 20 * sum(i >= threshold for i in ids) >= 19 * len(ids)
    ]
    assert fpr_at_tpr(ids, oods) == min(rates)


@pytest.mark.parametrize("n", [20, 100, 180, 1000, 10_000])
def test_just_95_percent_is_enough_whatever_the_rounding(n):
    ranks = np.arange(n)
    rejected = n // 20
    assert fpr_at_tpr(ranks, [rejected, rejected - 0.5]) == 0.5


def test_inputs_that_tie_with_the_threshold_are_all_accepted():
    # 95 % of these 20 would be reached within the fives
    assert fpr_at_tpr([9] * 18 + [5] * 2, [5, 5, 4, 1]) == 0.5
    assert fpr_at_tpr([9] * 19 + [5], [5, 5, 4, 1]) == 0.0


def test_higher_score_means_in_distribution():
    assert auroc([0.8, 0.9], [0.1, 0.2, 0.3]) == 1.0
    assert auroc([0.1, 0.2], [0.8]) == 0.0
    assert auroc([0.5], [0.5, 0.5]) == 0.5
    assert aupr_in([0.8, 0.9], [0.1]) == aupr_out([0.8, 0.9], [0.1]) == 1.0
    assert fpr_at_tpr([0.8, 0.9], [0.1]) == 0.0
    assert fpr_at_tpr([0.1, 0.2], [0.8]) == 1.0


def test_equal_scores_are_worth_no_more_than_chance():
    id_scores, ood_scores = [0.5] * 3, [0.5] * 5
    assert auroc(id_scores, ood_scores) == 0.5
    assert aupr_in(id_scores, ood_scores) == 3 / 8
    assert aupr_out(id_scores, ood_scores) == 5 / 8
    assert fpr_at_tpr(id_scores, ood_scores) == 1.0
    assert np.array_equal(roc_curve(id_scores, ood_scores), [[0, 1], [0, 1]])


@given(scores, scores)
def test_exchanging_the_sets_mirrors_auroc(id_scores, ood_scores):
    assert auroc(id_scores, ood_scores) + auroc(ood_scores, id_scores) == pytest.approx(1.0)


@given(tied_scores, tied_scores)
def test_aupr_out_is_aupr_in_seen_from_the_other_side(ids, oods):
    assert aupr_out(ids, oods) == aupr_in([-o for o in oods], [-i for i in ids])


@pytest.mark.parametrize("measure", MEASURES)
@given(ids=tied_scores, oods=tied_scores, random=st.randoms(use_true_random=False))
def test_only_the_order_of_the_scores_counts_not_that_of_the_inputs(measure, ids, oods, random):
    warped_ids, warped_oods = (
        [np.exp(s) + 7 * s for s in random.sample(given, len(given))] for given in (ids, oods)
    )
    assert measure(warped_ids, warped_oods) == measure(ids, oods)
