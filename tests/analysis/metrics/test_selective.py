"""Selective answers against all orders of ties, closed forms and fd-shifts' published values."""

import doctest
from itertools import pairwise, permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from analysis.metrics import selective
from analysis.metrics.calibration import aurc, risk_coverage_curve
from analysis.metrics.selective import augrc, coverage_at_risk, excess_aurc, risk_at_coverage

ALTERNATING = np.arange(100) % 2

predictions = st.lists(
    st.tuples(st.floats(0, 1) | st.sampled_from([0.2, 0.5, 0.7]), st.booleans()), min_size=1
)
tied = st.lists(
    st.tuples(st.sampled_from([0.0, 0.5, 1.0]), st.booleans()), min_size=1, max_size=5
)  # fmt: skip


def orders(pairs):
    """The wrong answers, most confident first, in each order that ties allow, equally often."""
    for order in permutations(pairs):
        yield [not hit for _, hit in sorted(order, key=lambda pair: -pair[0])]


def undetected_area(wrong):
    """Trapezoids under the share of answers that are given and wrong."""
    shares = [sum(wrong[:k]) / len(wrong) for k in range(len(wrong) + 1)]
    return sum((a + b) / 2 for a, b in pairwise(shares)) / len(wrong)


class TestAugrc:
    # the values that fd-shifts' own tests expect of a hundred predictions, of which every other
    # is right, at its commit 56b11fc
    @pytest.mark.parametrize(
        ("confidence", "expected"),
        [
            (np.full(100, 0.3), 0.25),
            (ALTERNATING, 0.125),
            (1 - ALTERNATING, 0.375),
            (np.linspace(0, 1, 100), 0.2475),
            (np.repeat([0.2, 0.4, 0.6, 0.8], 25), 0.2475),
        ],
    )
    def test_agrees_with_fd_shifts(self, confidence, expected):
        assert augrc(confidence, ALTERNATING) == pytest.approx(expected, abs=1e-15)
        assert augrc(confidence, np.ones(100)) == 0
        assert augrc(confidence, np.zeros(100)) == pytest.approx(0.5)

    @given(predictions)
    def test_is_the_closed_form_in_auroc_and_accuracy(self, pairs):
        confidence, correct = zip(*pairs, strict=True)
        a = np.mean(correct)
        ranking = roc_auc_score(correct, confidence) if 0 < a < 1 else 0.5
        expected = (1 - ranking) * a * (1 - a) + (1 - a) ** 2 / 2
        assert augrc(confidence, correct) == pytest.approx(expected, abs=1e-12)

    @given(tied)
    def test_is_the_mean_over_all_orders_of_the_ties(self, pairs):
        areas = [undetected_area(wrong) for wrong in orders(pairs)]
        assert augrc(*zip(*pairs, strict=True)) == pytest.approx(np.mean(areas))


class TestExcess:
    @given(tied)
    def test_is_what_the_best_of_all_rankings_would_save(self, pairs):
        confidence, correct = zip(*pairs, strict=True)
        n = len(correct)
        best = min(
            sum(sum(wrong[:k]) / k for k in range(1, n + 1)) / n
            for wrong in permutations([not hit for hit in correct])
        )
        excess = aurc(confidence, correct) - best
        assert excess_aurc(confidence, correct) == pytest.approx(excess, abs=1e-12)

    @given(predictions)
    def test_is_not_negative_and_at_most_what_is_left_of_one(self, pairs):
        examples = tuple(zip(*pairs, strict=True))
        assert 0 <= excess_aurc(*examples) <= aurc(*examples)

    @pytest.mark.parametrize("wrong", [0, 1, 37, 100])
    def test_the_best_ranking_has_none(self, wrong):
        assert excess_aurc(np.linspace(1, 0, 100), np.arange(100) < 100 - wrong) == 0

    def test_tends_to_geifman_s_with_more_examples(self):
        for n in (100, 100_000):
            generator = np.random.default_rng(0)
            confidence, correct = generator.random(n), generator.random(n) < 0.7
            r = 1 - correct.mean()
            theirs = aurc(confidence, correct) - (r + (1 - r) * np.log(1 - r))
            assert 0 <= theirs - excess_aurc(confidence, correct) <= r / n

    def test_fd_shifts_value_without_ranking(self):
        # eaurc of a hundred equal confidences, every other one right: .3465735902799724
        found = excess_aurc(np.full(100, 0.3), ALTERNATING)
        assert found == pytest.approx(0.3465735902799724, abs=0.5 / 100)


class TestPoints:
    @given(predictions, st.floats(0.01, 1))
    def test_risk_is_read_where_the_curve_first_covers_enough(self, pairs, wanted):
        examples = tuple(zip(*pairs, strict=True))
        curve = zip(*risk_coverage_curve(*examples), strict=True)
        expected = next(risk for coverage, risk in curve if coverage >= wanted)
        assert risk_at_coverage(*examples, wanted) == expected

    @given(tied, st.sampled_from([0.2, 0.25, 0.5, 0.75, 1.0]))
    def test_risk_is_the_mean_over_all_orders_of_the_ties(self, pairs, wanted):
        k = -int(-wanted * len(pairs) // 1)
        risks = [sum(wrong[:k]) / k for wrong in orders(pairs)]
        assert risk_at_coverage(*zip(*pairs, strict=True), wanted) == pytest.approx(np.mean(risks))

    @given(predictions, st.floats(0, 1))
    def test_no_larger_coverage_has_the_risk(self, pairs, wanted):
        examples = tuple(zip(*pairs, strict=True))
        coverage, risk = risk_coverage_curve(*examples)
        found = coverage_at_risk(*examples, wanted)
        assert (risk[coverage > found] > wanted).all()
        if found:
            assert risk_at_coverage(*examples, found) <= wanted + 1e-12
            assert risk_at_coverage(*examples, found) == risk[coverage == found][0]

    def test_agrees_with_fd_shifts_at_95_percent(self):
        # its tests expect .4947368 of an ascending confidence, 47 wrong of the upper 95
        found = risk_at_coverage(np.linspace(0, 1, 100), ALTERNATING, 0.95)
        assert found == pytest.approx(47 / 95)

    def test_by_hand(self):
        confidence, correct = [0.9, 0.8, 0.7, 0.6, 0.5], [True, True, False, True, False]
        assert [risk_at_coverage(confidence, correct, c) for c in (0.2, 0.4, 0.6, 1.0)] == [
            pytest.approx(risk) for risk in (0, 0, 1 / 3, 2 / 5)
        ]
        assert coverage_at_risk(confidence, correct, 0.0) == 0.4
        assert coverage_at_risk(confidence, correct, 0.25) == 0.8
        assert coverage_at_risk(confidence, correct, 0.4) == 1.0
        assert coverage_at_risk([0.9, 0.1], [False, True], 0.4) == 0.0

    def test_a_risk_that_rounds_to_what_is_asked_for_is_reached(self):
        # a tenth of three tied thirds is .1 but for rounding
        confidence, correct = [0.5] * 30, [True] * 27 + [False] * 3
        assert coverage_at_risk(confidence, correct, 0.1) == 1.0


def test_order_and_scale_do_not_matter():
    generator = np.random.default_rng(0)
    confidence, correct = generator.random(300).round(2), generator.random(300) < 0.7
    rows = generator.permutation(300)
    for measure in (augrc, excess_aurc):
        assert measure(confidence, correct) == pytest.approx(
            measure(confidence[rows] ** 2, correct[rows]), abs=1e-14
        )


def test_the_examples_in_the_docstrings_are_true():
    outcome = doctest.testmod(selective)
    assert outcome.attempted > 0
    assert outcome.failed == 0
