"""Calibration errors and AURC against torchmetrics, plain loops, and what happens at the edges."""

import doctest
from fractions import Fraction
from functools import partial
from itertools import pairwise, permutations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchmetrics.classification import MulticlassCalibrationError

from analysis.metrics import calibration, ood, probabilistic
from analysis.metrics.calibration import (
    aurc,
    bin_of,
    calibration_gap,
    equal_mass_calibration_error,
    expected_calibration_error,
    maximum_calibration_error,
    reliability_diagram,
    risk_coverage_curve,
)
from analysis.metrics.classification import confidence_and_correct

EDGES = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]  # as decimals are read

near = partial(pytest.approx, abs=1e-12)
# confidences anywhere, and often on an edge, with whether each was right
predictions = st.lists(
    st.tuples(st.floats(0, 1) | st.sampled_from(EDGES), st.booleans()), min_size=1
).map(lambda pairs: tuple(zip(*pairs, strict=True)))


def ece_by_loop(confidence, correct, bins):
    """The definition, one example and one bin at a time."""
    edges, total = [i / bins for i in range(bins + 1)], 0.0
    for i in range(bins):
        members = [
            j
            for j, c in enumerate(confidence)
            if edges[i] <= c < edges[i + 1] or (i == bins - 1 and c == 1.0)
        ]
        if members:
            hit = sum(bool(correct[j]) for j in members) / len(members)
            said = sum(confidence[j] for j in members) / len(members)
            total += len(members) / len(confidence) * abs(hit - said)
    return total


def midpoint_ece_by_loop(confidence, correct):
    """The authors' definition: ten half-open bins, each represented by its middle."""
    total, counted = 0.0, 0
    for i in range(10):
        members = [j for j, c in enumerate(confidence) if i / 10 <= c < (i + 1) / 10]
        if members:
            hit = sum(bool(correct[j]) for j in members) / len(members)
            total += len(members) * abs(hit - (0.1 * i + 0.05))
            counted += len(members)
    return total / counted


midpoint_ece = partial(expected_calibration_error, representative="midpoint")


def shared_correctness(confidence, correct):
    """Of each example, the accuracy of all examples with its confidence."""
    pairs = list(zip(confidence, correct, strict=True))
    return [
        sum(hit for other, hit in pairs if other == c) / confidence.count(c) for c in confidence
    ]


def equal_mass_ece_by_loop(confidence, correct, bins):
    """Sorted, cut at ⌊i·n/bins⌋, one run at a time."""
    n = len(confidence)
    examples = sorted(zip(confidence, shared_correctness(confidence, correct), strict=True))
    cuts, total = [i * n // min(bins, n) for i in range(min(bins, n) + 1)], 0.0
    for lo, hi in pairwise(cuts):
        run = examples[lo:hi]
        said, hit = (sum(column) / len(run) for column in zip(*run, strict=True))
        total += len(run) / n * abs(hit - said)
    return total


@pytest.mark.parametrize(
    ("metric", "norm"), [(expected_calibration_error, "l1"), (maximum_calibration_error, "max")]
)
@pytest.mark.parametrize("bins", [10, 15])
@pytest.mark.parametrize("sharpness", [0.3, 1.0, 3.0])
def test_agrees_with_torchmetrics_away_from_one(sharpness, bins, metric, norm):
    generator = np.random.default_rng(0)
    logits = sharpness * generator.normal(size=(3000, 10))
    labels = np.where(
        generator.random(3000) < 0.5, logits.argmax(axis=1), generator.integers(10, size=3000)
    )
    reference = MulticlassCalibrationError(num_classes=10, n_bins=bins, norm=norm)
    expected = reference(torch.from_numpy(logits).softmax(-1), torch.from_numpy(labels))
    measured = metric(*confidence_and_correct(logits, labels), bins)
    assert measured > 0.01
    assert measured == pytest.approx(expected.item(), abs=1e-6)


@given(predictions, st.integers(1, 20))
def test_agrees_with_a_plain_loop(examples, bins):
    assert expected_calibration_error(*examples, bins) == near(ece_by_loop(*examples, bins))


@pytest.mark.parametrize(
    "metric",
    [
        expected_calibration_error,
        maximum_calibration_error,
        equal_mass_calibration_error,
        calibration_gap,
        aurc,
    ],
)
@given(examples=predictions, random=st.randoms(use_true_random=False))
def test_order_of_the_examples_does_not_matter(metric, examples, random):
    pairs = list(zip(*examples, strict=True))
    shuffled = zip(*random.sample(pairs, len(pairs)), strict=True)
    assert metric(*examples) == near(metric(*shuffled))


@given(predictions)
def test_every_example_counts_once_and_the_gap_bounds_the_error_from_below(examples):
    assert reliability_diagram(*examples).count.sum() == len(examples[0])
    ece = expected_calibration_error(*examples)
    assert abs(calibration_gap(*examples)) - 1e-12 <= ece <= 1


def test_confidence_of_one_counts_in_the_last_bin():
    # torchmetrics 1.9 gives 1.0 a bin of its own, and so .525
    assert expected_calibration_error([0.95, 1.0], [True, False]) == pytest.approx(0.475)
    assert reliability_diagram([1.0], [True]).count.tolist() == [0] * 9 + [1]


def test_confidence_of_zero_counts_in_the_first_bin():
    assert reliability_diagram([0.0], [False]).count.tolist() == [1] + [0] * 9
    assert expected_calibration_error([0.0, 0.05], [True, False]) == pytest.approx(0.475)


def test_three_six_and_seven_tenths_count_in_the_bins_that_start_there():
    confidence, correct = [0.5, 0.5, 0.5, 0.6, 0.5, 0.6, 0.6, 0.6, 0.6], [0, 1, 0, 1, 0, 1, 1, 1, 0]
    assert reliability_diagram([0.3, 0.6, 0.7], [1, 1, 1]).count.tolist() == [
        *(0, 0, 0, 1, 0, 0, 1, 1, 0, 0)
    ]
    # .5: one of four is right; .6: four of five: 4/9 · .25 + 5/9 · .2
    assert expected_calibration_error(confidence, correct) == pytest.approx(2 / 9, abs=1e-15)
    assert maximum_calibration_error(confidence, correct) == pytest.approx(0.25)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
def test_every_edge_is_the_fraction_it_stands_for(dtype):
    for bins in range(1, 101):
        # the numbers nearest to k/bins, those just above and those just below
        edges = [Fraction(k, bins) for k in range(bins + 1)]
        nearest = np.array([float(edge) for edge in edges], dtype=dtype)
        beside = np.nextafter(nearest, dtype(0)), np.nextafter(nearest, dtype(1))
        confidence = np.concatenate([nearest, *beside])
        # what is nearest in float64 is taken for the edge itself; all else by exact comparison
        exact = [Fraction(float(edge)) for edge in edges[1:-1]]
        expected = [sum(edge <= Fraction(float(c)) for edge in exact) for c in confidence]
        assert bin_of(confidence, bins).tolist() == expected
        diagram = reliability_diagram(confidence, np.ones(confidence.size), bins)
        assert diagram.count.tolist() == np.bincount(expected, minlength=bins).tolist()
        assert diagram.edges.tolist() == [float(edge) for edge in edges]


def test_a_float32_confidence_counts_by_its_exact_value():
    confidence = np.random.default_rng(1).random(1000, dtype=np.float32)
    correct = confidence > 0.5
    exact = expected_calibration_error(confidence.astype(np.float64), correct)
    assert expected_calibration_error(confidence, correct) == exact


def test_perfectly_calibrated_bins_have_no_error():
    # in each bin, 20 predictions at its mid-point, of which just that fraction is right
    hits = np.arange(1, 20, 2)
    confidence = np.repeat(hits / 20, 20)
    correct = np.concatenate([np.arange(20) < h for h in hits])
    for error in (expected_calibration_error, equal_mass_calibration_error):
        assert error(confidence, correct) == near(0)
    assert expected_calibration_error(confidence, ~correct) == pytest.approx(0.5)


def test_a_bin_is_represented_by_its_mean_confidence_not_its_middle():
    diagram = reliability_diagram([0.91, 0.93, 0.31], [True, False, False])
    np.testing.assert_allclose(diagram.edges, EDGES)
    assert diagram.count.tolist() == [0, 0, 0, 1, 0, 0, 0, 0, 0, 2]
    assert diagram.confidence[[3, 9]] == pytest.approx([0.31, 0.92])
    assert diagram.accuracy[[3, 9]] == pytest.approx([0.0, 0.5])
    empty = diagram.count == 0
    assert np.isnan(diagram.confidence[empty]).all()
    assert np.isnan(diagram.accuracy[empty]).all()


def test_gap_is_positive_where_the_network_is_overconfident():
    assert calibration_gap([0.9, 0.7], [True, False]) == pytest.approx(0.3)
    assert calibration_gap([0.2, 0.4], [True, False]) == pytest.approx(-0.2)


class TestMidpoint:
    @given(predictions.filter(lambda examples: min(examples[0]) < 1))
    def test_agrees_with_a_plain_loop_over_the_authors_bins(self, examples):
        assert midpoint_ece(*examples) == near(midpoint_ece_by_loop(*examples))

    def test_confidence_of_one_counts_nowhere(self):
        # |1 - .95| of the one example left; with 1.0 in the last bin it were |.5 - .95|
        assert midpoint_ece([0.95, 1.0], [True, False]) == pytest.approx(0.05)

    def test_confidence_of_zero_counts_in_the_first_bin(self):
        assert midpoint_ece([0.0], [False]) == pytest.approx(0.05)

    def test_is_the_default_where_confidences_lie_in_the_middle(self):
        confidence = np.random.default_rng(0).choice(np.arange(0.05, 1, 0.1), 1000)
        examples = confidence, np.random.default_rng(1).random(1000) < 0.5
        assert midpoint_ece(*examples) == pytest.approx(expected_calibration_error(*examples))

    def test_nothing_but_ones_has_no_error(self):
        with pytest.raises(ValueError, match=r"every confidence is 1\.0"):
            midpoint_ece([1.0, 1.0], [True, False])

    def test_refuses_another_representative(self):
        with pytest.raises(ValueError, match="mean or midpoint, not 'median'"):
            expected_calibration_error([0.5], [True], representative="median")


class TestMaximum:
    def test_is_the_gap_of_the_worst_bin_however_few_examples_it_holds(self):
        confidence, correct = [0.95] * 99 + [0.35], [True] * 99 + [True]
        assert maximum_calibration_error(confidence, correct) == pytest.approx(0.65)

    @given(predictions, st.integers(1, 20))
    def test_is_never_below_the_expected_error(self, examples, bins):
        maximum = maximum_calibration_error(*examples, bins)
        assert expected_calibration_error(*examples, bins) - 1e-12 <= maximum <= 1

    def test_confidence_of_one_counts_in_the_last_bin(self):
        assert maximum_calibration_error([0.95, 1.0], [True, False]) == pytest.approx(0.475)


class TestEqualMass:
    @given(predictions, st.integers(1, 20))
    def test_agrees_with_a_plain_loop(self, examples, bins):
        expected = equal_mass_ece_by_loop(*examples, bins)
        assert equal_mass_calibration_error(*examples, bins) == near(expected)

    @given(predictions)
    def test_one_bin_has_the_gap(self, examples):
        gap = abs(calibration_gap(*examples))
        assert equal_mass_calibration_error(*examples, bins=1) == near(gap)

    @given(st.floats(0, 1), st.lists(st.booleans(), min_size=1), st.integers(1, 20))
    def test_equal_confidences_have_the_gap_in_any_number_of_bins(self, level, correct, bins):
        examples = [level] * len(correct), correct
        gap = abs(calibration_gap(*examples))
        assert equal_mass_calibration_error(*examples, bins) == near(gap)

    def test_a_bin_for_each_example_has_the_mean_distance(self):
        examples = [0.1, 0.6, 0.8, 1.0], [True, False, True, True]
        distance = pytest.approx((0.9 + 0.6 + 0.2 + 0.0) / 4)
        for bins in (4, 10):
            assert equal_mass_calibration_error(*examples, bins) == distance

    def test_resolves_what_one_wide_bin_averages_away(self):
        # all confidences in [.9, 1): the lower half too high, the upper half too low
        confidence, correct = np.repeat([0.92, 0.98], 50), np.repeat([False, True], 50)
        assert expected_calibration_error(confidence, correct) == pytest.approx(0.45)
        assert equal_mass_calibration_error(confidence, correct) == pytest.approx(0.47)


class TestRiskAndCoverage:
    @given(
        st.lists(st.tuples(st.sampled_from([0.0, 0.5, 1.0]), st.booleans()), min_size=1, max_size=5)
    )
    def test_is_the_mean_over_all_orders_of_the_ties(self, pairs):
        areas = []
        for order in permutations(pairs):
            # sorted() keeps the order of equals: each order of a tie comes up equally often
            ranked = sorted(order, key=lambda pair: -pair[0])
            wrong = [sum(not hit for _, hit in ranked[:k]) / k for k in range(1, len(pairs) + 1)]
            areas.append(sum(wrong) / len(wrong))
        assert aurc(*zip(*pairs, strict=True)) == pytest.approx(sum(areas) / len(areas))

    def test_the_curve_by_hand(self):
        coverage, risk = risk_coverage_curve([0.4, 1.0, 0.6, 0.0], [False, True, False, True])
        np.testing.assert_allclose(coverage, [0.25, 0.5, 0.75, 1.0])
        np.testing.assert_allclose(risk, [0, 1 / 2, 2 / 3, 2 / 4])

    @pytest.mark.parametrize("wrong", [0, 1, 30, 100])
    def test_the_best_and_the_worst_ranking_have_their_closed_forms(self, wrong):
        n = 100
        confidence, best = np.linspace(1, 0, n), np.arange(n) < n - wrong
        # k > n - wrong answers hold k - (n - wrong) errors; at worst, k answers hold min(k, wrong)
        lowest = sum(1 - (n - wrong) / k for k in range(n - wrong + 1, n + 1)) / n
        highest = (wrong + sum(wrong / k for k in range(wrong + 1, n + 1))) / n
        assert aurc(confidence, best) == pytest.approx(lowest)
        assert aurc(confidence, best[::-1]) == pytest.approx(highest)

    @given(predictions)
    def test_full_coverage_has_the_error_rate(self, examples):
        confidence, correct = examples
        coverage, risk = risk_coverage_curve(confidence, correct)
        assert coverage[-1] == 1
        assert risk[-1] == near(1 - sum(correct) / len(correct))
        assert aurc([0.5] * len(correct), correct) == near(risk[-1])

    def test_is_blind_to_the_scale_of_confidence(self):
        generator = np.random.default_rng(2)
        confidence, correct = generator.random(500), generator.random(500) < 0.7
        assert aurc(confidence**3, correct) == aurc(confidence, correct)


@pytest.mark.parametrize("module", [calibration, ood, probabilistic])
def test_the_examples_in_the_docstrings_are_true(module):
    outcome = doctest.testmod(module)
    assert outcome.attempted > 0
    assert outcome.failed == 0
