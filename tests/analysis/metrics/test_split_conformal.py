"""Split conformal prediction against the steps taken one by one, and its guarantee on samples."""

import math

import numpy as np
import pytest
from probabilities import network

from analysis.metrics.classification import confidence_and_correct, softmax
from analysis.metrics.conformal import SCORES, p_values
from analysis.metrics.conformal_classes import class_quantiles, clustered_quantiles, covgap
from analysis.metrics.ood import auroc
from analysis.metrics.split_conformal import KINDS, conformal_prediction
from analysis.metrics.worst_slice import worst_slice_coverage

ALPHAS = (0.05, 0.1, 0.2)


def test_prediction_keeps_its_promise_for_each_score_and_alpha():
    logits, labels = network(n=10_000, sharpness=3.0)
    results = conformal_prediction(logits, labels, None, ALPHAS, seed=0)
    assert results.keys() == {(kind, alpha) for kind in KINDS for alpha in ALPHAS}
    for (kind, alpha), result in results.items():
        # both halves, of 5,000, are a sample
        error = math.sqrt(2 * alpha * (1 - alpha) / 5000)
        of_ten = 10 / 500 if kind == "lac_by_class" else 0  # 1/(n + 1) above at most, in each class
        assert 1 - alpha - 4 * error < result.coverage < 1 - alpha + of_ten + 4 * error
        assert result.ood_auroc_set_size is None
        assert result.ood_auroc_p_value is None
    for score in SCORES:
        sizes = [results[score, alpha].mean_set_size for alpha in ALPHAS]
        assert sizes == sorted(sizes, reverse=True)
    # least ambiguous: lac is the score with the smallest sets on average
    assert results["lac", 0.1].mean_set_size < results["aps", 0.1].mean_set_size


def test_by_class_a_hard_class_is_covered_as_the_others_are():
    logits, labels = network(n=10_000)
    logits[labels == 0] = logits[labels == 0, ::-1]  # of class 0 the network knows nothing
    results = conformal_prediction(logits, labels, None, (0.1,), seed=0)
    plain, by_class = results["lac", 0.1], results["lac_by_class", 0.1]
    assert plain.covgap > 3 * plain.covgap_by_chance
    assert by_class.covgap < 2 * by_class.covgap_by_chance
    assert plain.worst_slice < plain.coverage - 0.05
    assert by_class.worst_slice > plain.worst_slice + 0.05


@pytest.mark.parametrize(("kind", "quantiles"), [
    ("lac_by_class", lambda scores, labels: class_quantiles(scores, labels, 10, 0.1)),
    ("lac_clustered", lambda scores, labels: clustered_quantiles(scores, labels, 10, 0.1, seed=5)),
])  # fmt: skip
def test_kinds_by_class_agree_with_the_steps_taken_one_by_one(kind, quantiles):
    logits, labels = network(n=801)
    unknown, _ = network(n=200, seed=1, sharpness=0.5)
    calibrating, reporting = np.split(np.random.default_rng(5).permutation(801), [400])
    scores = 1 - softmax(logits)
    own = scores[calibrating, labels[calibrating]]
    bound = quantiles(own, labels[calibrating])
    sets, ood_sets = scores[reporting] <= bound, 1 - softmax(unknown) <= bound
    result = conformal_prediction(logits, labels, unknown, (0.1,), seed=5)[kind, 0.1]
    held = sets[np.arange(401), labels[reporting]]
    assert result.coverage == held.mean()
    assert result.mean_set_size == sets.sum() / 401
    assert result.covgap == covgap(sets, labels[reporting], 0.1)
    assert result.ood_auroc_set_size == auroc(-sets.sum(axis=1), -ood_sets.sum(axis=1))
    assert result.ood_auroc_p_value is None
    slice_ = worst_slice_coverage(sets, labels[reporting], logits[reporting], seed=5)
    assert result.worst_slice == slice_


@pytest.mark.parametrize("n", [2, 3, 10, 79, 80, 398, 399])
def test_of_few_examples_only_what_they_can_tell_is_told(n):
    logits, labels = network(n)
    results = conformal_prediction(logits, labels, None, ALPHAS, seed=0)
    assert (("lac_clustered", 0.1) in results) == (n >= 80)
    assert (results["lac", 0.1].worst_slice is not None) == (n >= 399)
    assert results["lac_by_class", 0.05].coverage == 1 or n > 20  # nothing is promised: all classes


@pytest.mark.parametrize("score", SCORES)
def test_prediction_agrees_with_the_steps_taken_one_by_one(score):
    logits, labels = network(n=301)
    unknown, _ = network(n=200, seed=1, sharpness=0.5)
    generator = np.random.default_rng(5)
    calibrating, reporting = np.split(generator.permutation(301), [150])
    scores = SCORES[score](softmax(logits), generator.random(301))
    ood_scores = SCORES[score](softmax(unknown), generator.random(200))
    own = scores[calibrating, labels[calibrating]]
    quantile = sorted(own)[math.ceil(151 * 0.9) - 1]
    sets, ood_sets = scores[reporting] <= quantile, ood_scores <= quantile
    result = conformal_prediction(logits, labels, unknown, (0.1,), seed=5)[score, 0.1]
    held = sets[np.arange(151), labels[reporting]]
    assert result.coverage == held.mean()
    assert result.mean_set_size == sets.sum() / 151
    assert result.ood_auroc_set_size == auroc(-sets.sum(axis=1), -ood_sets.sum(axis=1))
    inside, outside = (p_values(own, x).max(axis=1) for x in (scores[reporting], ood_scores))
    assert result.ood_auroc_p_value == auroc(inside, outside)


def test_only_the_p_value_of_lac_orders_inputs_as_their_confidence_does():
    logits, labels = network(n=4000)
    unknown, _ = network(n=4000, seed=1, sharpness=0.5)
    results = conformal_prediction(logits, labels, unknown, (0.1,), seed=0)
    by_confidence = auroc(confidence_and_correct(logits, labels)[0], softmax(unknown).max(axis=1))
    assert by_confidence > 0.7
    assert results["lac", 0.1].ood_auroc_p_value == pytest.approx(by_confidence, abs=0.02)
    assert results["aps", 0.1].ood_auroc_p_value < 0.5
    for score in SCORES:
        assert results[score, 0.1].ood_auroc_set_size > 0.6


def test_halves_and_draws_are_the_seeds():
    logits, labels = network(n=200)
    first, again, other = (
        conformal_prediction(logits, labels, logits, (0.1,), seed) for seed in (1, 1, 2)
    )
    assert first == again
    assert all(first[key] != other[key] for key in first)


def test_one_example_is_refused():
    with pytest.raises(ValueError, match="cannot be split"):
        conformal_prediction(np.ones((1, 3)), [0], None, ALPHAS, 0)
