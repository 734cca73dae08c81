"""Conformal prediction against plain loops, exact arithmetic, and its guarantee by simulation."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from probabilities import network
from scipy.stats import binom, kstest

from analysis.metrics.classification import softmax
from analysis.metrics.conformal import (
    SCORES,
    aps_scores,
    conformal_quantile,
    coverage,
    lac_scores,
    mean_set_size,
    p_values,
    prediction_sets,
    raps_scores,
    size_stratified_violation,
)

ALPHAS = (0.05, 0.1, 0.2)

few_scores = st.lists(st.integers(0, 9), min_size=1, max_size=30)
decimal_alphas = st.integers(1, 99).map(lambda percent: percent / 100)


@pytest.fixture
def probabilities():
    return softmax(network(n=50)[0])


# Scores


def test_lac_is_one_less_the_probability(probabilities):
    np.testing.assert_array_equal(lac_scores(probabilities), 1 - probabilities)


@pytest.mark.parametrize(("penalty", "k_reg"), [(0.0, 1), (0.01, 5), (0.3, 1), (1.0, 0)])
def test_aps_and_raps_agree_with_a_plain_loop(probabilities, penalty, k_reg):
    u = np.random.default_rng(1).random(50)
    scores = raps_scores(probabilities, u, penalty, k_reg)
    for i, p in enumerate(probabilities):
        for y in range(10):
            above = [q for q in p if q > p[y]]
            rank = 1 + len(above)
            expected = sum(above) + u[i] * p[y] + penalty * max(0, rank - k_reg)
            assert scores[i, y] == pytest.approx(expected, abs=1e-12)
    if penalty == 0:
        np.testing.assert_array_equal(aps_scores(probabilities, u), scores)


def test_a_draw_of_one_leaves_the_randomness_out(probabilities):
    one, ones = aps_scores(probabilities, 1.0), aps_scores(probabilities, np.ones(50))
    np.testing.assert_array_equal(one, ones)
    assert aps_scores([[0.2, 0.5, 0.3]], 1.0)[0] == pytest.approx([1.0, 0.5, 0.8])
    assert aps_scores([[0.2, 0.5, 0.3]], 0.0)[0] == pytest.approx([0.8, 0.0, 0.5])


def test_equal_probabilities_are_ranked_by_class():
    assert aps_scores([[0.25] * 4], 1.0)[0].tolist() == [0.25, 0.5, 0.75, 1.0]


# Quantile, sets, p-values


@given(few_scores, st.integers(1, 99))
def test_quantile_is_the_ranked_score_by_exact_arithmetic(calibration, percent):
    alpha = Fraction(percent, 100)
    rank = math.ceil((len(calibration) + 1) * (1 - alpha))
    expected = sorted(calibration)[rank - 1] if rank <= len(calibration) else math.inf
    assert conformal_quantile(calibration, percent / 100) == expected


def test_a_rank_that_rounding_would_shift_is_exact():
    assert 0.29 * 100 < 29  # so that 100 − ⌊.29 · 100⌋ would be 72
    assert conformal_quantile(np.arange(1, 100), 0.29) == 71


@pytest.mark.parametrize(("n", "everything"), [(1, True), (8, True), (9, False), (10, False)])
def test_too_few_examples_to_promise_anything_give_every_class(n, everything):
    quantile = conformal_quantile(np.zeros(n), alpha=0.1)
    assert math.isinf(quantile) == everything
    assert prediction_sets([[0.5, 1e300, 1e9]], quantile).all() == everything


@given(few_scores, few_scores, decimal_alphas)
def test_a_set_holds_the_classes_whose_p_value_exceeds_alpha(calibration, scores, alpha):
    sets = prediction_sets([scores], conformal_quantile(calibration, alpha))
    np.testing.assert_array_equal(sets, p_values(calibration, [scores]) > alpha)


@given(few_scores, few_scores)
def test_p_values_count_the_calibration_scores_that_conform_no_better(calibration, scores):
    expected = [(1 + sum(c >= s for c in calibration)) / (len(calibration) + 1) for s in scores]
    np.testing.assert_allclose(p_values(calibration, scores), expected, rtol=1e-15)


@given(few_scores, few_scores, st.lists(decimal_alphas, min_size=2, max_size=2))
def test_sets_are_nested_over_alpha(calibration, scores, alphas):
    small, large = (
        prediction_sets([scores], conformal_quantile(calibration, alpha))
        for alpha in sorted(alphas, reverse=True)
    )
    assert (small <= large).all()


# What sets are worth


def test_coverage_size_and_violation_are_known_by_hand():
    sets = np.array(
        [
            [True, False, False, False],
            [False, False, False, False],
            [True, True, False, False],
            [True, True, True, False],
            [True, True, True, True],
        ]
    )
    labels = [0, 0, 1, 0, 3]
    assert coverage(sets, labels) == 0.8
    assert mean_set_size(sets) == 2.0
    # by size: 1 of 2 (0–1), 2 of 2 (2–3), 1 of 1 (4–10)
    assert size_stratified_violation(sets, labels, alpha=0.1) == pytest.approx(0.4)
    assert size_stratified_violation(sets[2:], labels[2:], alpha=0.1) == pytest.approx(0.1)


def test_violation_knows_the_strata_of_many_classes():
    sizes = np.array([1, 2, 3, 4, 10, 11, 100, 101, 200])
    sets = np.arange(200) < sizes[:, np.newaxis]
    # a label past the end of its set is missed: all of 2–3 and half of 101 and more, here
    missed = np.isin(sizes, [2, 3, 101])
    labels = np.where(missed, sizes % 200, 0)
    assert size_stratified_violation(sets, labels, alpha=0.1) == pytest.approx(0.9)
    assert size_stratified_violation(sets[3:], labels[3:], alpha=0.1) == pytest.approx(0.4)


# The guarantee

REPETITIONS = 4000


def simulated(score, n, alpha, sharpness=3.0):
    """How many of `REPETITIONS` sets of one new example, each calibrated on n others, hold it."""
    logits, labels = network(n=(n + 1) * REPETITIONS, seed=7, sharpness=sharpness)
    u = np.random.default_rng(8).random(labels.size)
    scores = SCORES[score](softmax(logits), u)
    true = scores[np.arange(labels.size), labels].reshape(REPETITIONS, n + 1)
    return sum(row[-1] <= conformal_quantile(row[:-1], alpha) for row in true)


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize(("n", "alpha"), [(19, 0.1), (25, 0.1), (40, 0.3)])
def test_coverage_is_what_is_promised_and_no_more_however_overconfident(score, n, alpha):
    covered = simulated(score, n, alpha)
    # at least 1 − α and, as no scores tie, exactly the rank over n + 1, within binomial error
    exact = math.ceil((n + 1) * (1 - Fraction(str(alpha)))) / (n + 1)
    assert exact >= 1 - alpha
    assert binom.ppf(1e-4, REPETITIONS, exact) <= covered <= binom.ppf(1 - 1e-4, REPETITIONS, exact)


def test_p_values_of_the_true_label_are_uniform_on_exchangeable_data():
    n = 99
    logits, labels = network(n=(n + 1) * REPETITIONS, seed=9, sharpness=3.0)
    u = np.random.default_rng(8).random(labels.size)
    true = aps_scores(softmax(logits), u)[np.arange(labels.size), labels]
    values = np.array([p_values(r[:-1], r[-1:])[0] for r in true.reshape(REPETITIONS, n + 1)])
    assert set(np.round(values * (n + 1))) == set(range(1, n + 2))
    # uniform on 1/100, …, 1: a uniform number below fills the gaps
    filled = values - np.random.default_rng(10).random(REPETITIONS) / (n + 1)
    assert kstest(filled, "uniform").pvalue > 0.001


def test_ties_only_ever_add_coverage():
    generator = np.random.default_rng(0)
    values = generator.integers(0, 4, size=(REPETITIONS, 20))
    covered = sum(row[-1] <= conformal_quantile(row[:-1], 0.1) for row in values)
    assert covered >= binom.ppf(1e-4, REPETITIONS, 0.9)
