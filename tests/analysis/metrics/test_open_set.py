"""The open-set classification rate against the counting of pairs and of thresholds."""

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given
from hypothesis import strategies as st

from analysis.metrics.ood import auroc
from analysis.metrics.open_set import oscr, oscr_curve

tied_scores = st.lists(st.integers(-3, 3), min_size=1)
known_inputs = st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=1)


@given(known_inputs, tied_scores)
def test_area_is_the_share_of_pairs_whose_known_input_is_correct_and_the_higher(known, oods):
    ids, correct = zip(*known, strict=True)
    wins = sum(((i > o) + (i == o) / 2) * right for i, right in known for o in oods)
    assert oscr(ids, correct, oods) == pytest.approx(wins / (len(ids) * len(oods)), abs=1e-12)


@given(known_inputs, tied_scores)
def test_curve_passes_through_every_threshold_s_rates_and_has_the_area_under_it(known, oods):
    ids, correct = zip(*known, strict=True)
    alarms, found = oscr_curve(ids, correct, oods)
    for threshold in range(-3, 5):
        rate = np.mean(np.array(oods) >= threshold)
        correct_rate = np.mean([right and i >= threshold for i, right in known])
        along, up = np.diff(alarms), np.diff(found)
        right, above = rate - alarms[:-1], correct_rate - found[:-1]
        on_line = np.isclose(right * up, above * along, rtol=0, atol=1e-12)
        between = (right >= -1e-12) & (right <= along + 1e-12)
        assert (on_line & between & (above >= -1e-12) & (above <= up + 1e-12)).any()
    assert (alarms[0], found[0], alarms[-1]) == (0, 0, 1)
    assert found[-1] == pytest.approx(np.mean(correct))
    assert sklearn.metrics.auc(alarms, found) == pytest.approx(oscr(ids, correct, oods))


@given(known_inputs, tied_scores)
def test_it_exceeds_neither_the_accuracy_nor_the_auroc(known, oods):
    ids, correct = zip(*known, strict=True)
    area = oscr(ids, correct, oods)
    assert -1e-12 <= area <= np.mean(correct) + 1e-12
    assert area <= auroc(ids, oods) + 1e-12
    wrong = [not right for right in correct]
    assert area + oscr(ids, wrong, oods) == pytest.approx(auroc(ids, oods))


def test_where_all_are_correct_it_is_the_auroc_and_where_none_is_nothing():
    generator = np.random.default_rng(0)
    ids, oods = generator.normal(1, 1, 300), generator.normal(size=200)
    assert oscr(ids, np.ones(300), oods) == auroc(ids, oods)
    assert oscr(ids, np.zeros(300), oods) == 0
    assert [ends.tolist() for ends in oscr_curve(ids, np.zeros(300), oods)] == [[0, 1], [0, 0]]


def test_an_unsure_mistake_costs_less_than_a_correct_answer_kept_back():
    ids, oods = [0.9, 0.8, 0.3], [0.5, 0.5]
    assert oscr(ids, [1, 1, 0], oods) == pytest.approx(2 / 3)
    assert oscr(ids, [0, 1, 1], oods) == pytest.approx(1 / 3)


def test_only_the_order_of_the_scores_counts():
    generator = np.random.default_rng(1)
    ids, oods, correct = generator.random(50), generator.random(40), generator.random(50) < 0.7
    assert oscr(np.exp(9 * ids), correct, np.exp(9 * oods)) == oscr(ids, correct, oods)
