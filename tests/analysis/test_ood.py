"""AUROC against the counting of pairs and against scikit-learn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from analysis.metrics.ood import auroc

# few distinct values, so that ties are common
scores = st.lists(st.integers(0, 6).map(lambda i: i / 6) | st.floats(0, 1), min_size=1)


@given(scores, scores)
def test_is_the_fraction_of_pairs_won_with_ties_a_half(id_scores, ood_scores):
    wins = sum((i > o) + (i == o) / 2 for i in id_scores for o in ood_scores)
    expected = wins / (len(id_scores) * len(ood_scores))
    assert auroc(id_scores, ood_scores) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("decimals", [1, 12], ids=["many ties", "no ties"])
def test_agrees_with_scikit_learn(decimals):
    generator = np.random.default_rng(0)
    id_scores = generator.normal(0.5, 1, size=10_000).round(decimals)
    ood_scores = generator.normal(size=7_000).round(decimals)
    expected = roc_auc_score(
        np.repeat([1, 0], [10_000, 7_000]), np.concatenate([id_scores, ood_scores])
    )
    assert auroc(id_scores, ood_scores) == pytest.approx(expected, abs=1e-12)


def test_higher_score_means_in_distribution():
    assert auroc([0.8, 0.9], [0.1, 0.2, 0.3]) == 1.0
    assert auroc([0.1, 0.2], [0.8]) == 0.0
    assert auroc([0.5], [0.5, 0.5]) == 0.5


@given(scores, scores)
def test_exchanging_the_sets_mirrors_it(id_scores, ood_scores):
    assert auroc(id_scores, ood_scores) + auroc(ood_scores, id_scores) == pytest.approx(1.0)


def test_infinite_scores_are_ranked():
    assert auroc([np.inf, 0.0], [-np.inf, 0.0]) == 0.875


@pytest.mark.parametrize(
    ("id_scores", "ood_scores", "problem"),
    [
        ([], [0.5], "id_scores must be a non-empty vector"),
        ([0.5], [], "ood_scores must be a non-empty vector"),
        ([[0.5]], [0.5], "id_scores must be a non-empty vector"),
        ([0.5], [np.nan], "ood_scores contains NaN"),
    ],
)
def test_input_without_a_truthful_answer_is_refused(id_scores, ood_scores, problem):
    with pytest.raises(ValueError, match=problem):
        auroc(id_scores, ood_scores)
