"""The tests against the paper's printed values, SciPy and hand-worked examples."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analysis.stats import bootstrap_interval, holm, paired_test, unpaired_test


def differences_with_w(n, w):
    """n differences without ties, most of them negative, whose positive ranks sum to w."""
    magnitudes, positive = np.arange(1.0, n + 1), np.zeros(n, dtype=bool)
    for i in reversed(range(n)):
        if magnitudes[i] <= w:
            positive[i], w = True, w - magnitudes[i]
    assert w == 0
    return np.where(positive, magnitudes, -magnitudes)


class TestPaired:
    @pytest.mark.parametrize(
        ("n", "w", "p_value", "effect_size"),
        [(30, 0, 1.73e-6, 0.873), (10, 0, 5.06e-3, 0.886), (20, 64, 0.126, 0.342)],
    )
    def test_gives_the_values_printed_in_the_paper(self, n, w, p_value, effect_size):
        result = paired_test(np.zeros(n), differences_with_w(n, w))
        assert result.statistic == w
        assert float(f"{result.p_value:.2e}") == p_value
        assert round(result.effect_size, 3) == effect_size
        assert (result.n, result.note) == (n, "")

    @pytest.mark.parametrize("levels", [2, 5, 1000], ids=lambda k: f"{k} levels")
    def test_agrees_with_scipy_with_ties_and_zeros(self, levels):
        generator = np.random.default_rng(levels)
        without = np.zeros(40)
        with_ = generator.integers(-levels, levels, size=40, endpoint=True).astype(float)
        result = paired_test(without, with_)
        reference = stats.wilcoxon(
            without, with_, correction=False, zero_method="wilcox", method="approx"
        )
        assert result.statistic == reference.statistic
        assert abs(result.z) == pytest.approx(abs(reference.zstatistic), rel=1e-12)
        assert result.p_value == pytest.approx(reference.pvalue, rel=1e-12)
        assert result.p_value == pytest.approx(2 * stats.norm.sf(abs(result.z)), rel=1e-9)

    def test_ties_narrow_the_spread_of_the_statistic(self):
        # |d| = 1 six times: ranks 3.5, W+ = 17.5, mean 10.5, variance (546 - 210/2)/24 = 18.375
        result = paired_test(np.zeros(6), [1, 1, 1, 1, 1, -1])
        assert (result.statistic, result.z) == (3.5, pytest.approx(7 / 18.375**0.5))

    def test_pairs_without_a_difference_count_in_n_alone(self):
        changed = differences_with_w(10, 7)
        result = paired_test(np.zeros(15), np.concatenate([changed, np.zeros(5)]))
        alone = paired_test(np.zeros(10), changed)
        assert (result.statistic, result.z, result.p_value, result.rank_biserial) == (
            alone.statistic,
            alone.z,
            alone.p_value,
            alone.rank_biserial,
        )
        assert (result.n, alone.n) == (15, 10)
        assert result.effect_size == pytest.approx(abs(result.z) / 15**0.5)

    def test_negative_where_warm_up_lowers_the_value(self):
        generator = np.random.default_rng(0)
        without = generator.random(12)
        lowered = paired_test(without, without - 0.1 - generator.random(12))
        assert lowered.z < 0
        assert lowered.rank_biserial == -1
        raised = paired_test(without, without + 0.1 + generator.random(12))
        assert raised.z > 0
        assert raised.rank_biserial == 1

    def test_rank_biserial_is_the_share_of_ranks_up_minus_down(self):
        # ranks 1..6, positive 1, 2 and 6: (9 - 12) / 21
        assert paired_test(np.zeros(6), [1, 2, -3, -4, -5, 6]).rank_biserial == pytest.approx(
            -1 / 7
        )

    @given(st.lists(st.integers(-9, 9), min_size=1, max_size=40))
    def test_exchanging_the_arms_turns_the_signs_alone(self, differences):
        zeros = np.zeros(len(differences))
        there, back = paired_test(zeros, differences), paired_test(differences, zeros)
        assert (there.z, there.rank_biserial) == (-back.z, -back.rank_biserial)
        assert (there.p_value, there.statistic) == (back.p_value, back.statistic)
        assert 0 <= there.effect_size <= 1 + 1e-12

    @pytest.mark.parametrize("n", range(1, 6))
    def test_fewer_than_six_pairs_give_no_p(self, n):
        result = paired_test(np.zeros(n), -np.arange(1.0, n + 1))
        assert result.p_value is None
        assert result.note == "fewer than 6 pairs: P cannot be small"
        mean, variance = n * (n + 1) / 4, n * (n + 1) * (2 * n + 1) / 24
        assert result.effect_size == pytest.approx(mean / variance**0.5 / n**0.5)

    def test_six_pairs_give_a_p(self):
        assert paired_test(np.zeros(6), -np.arange(1.0, 7)).p_value == pytest.approx(0.02770785)

    def test_fewer_than_six_pairs_that_differ_give_no_p(self):
        result = paired_test(np.zeros(20), [-1, -2, -3, -4, -5] + [0] * 15)
        assert result.p_value is None
        assert result.note == "fewer than 6 pairs differ: P cannot be small"

    def test_no_difference_anywhere_is_no_effect(self):
        result = paired_test(np.ones(8), np.ones(8))
        assert (result.statistic, result.z, result.p_value, result.effect_size) == (0, 0, 1, 0)
        assert (result.rank_biserial, result.n, result.note) == (0, 8, "no pair differs")
        assert paired_test([1.0], [1.0]).p_value is None

    def test_an_underflowing_p_is_the_smallest_number_and_z_stays_right(self):
        n = 200_000
        result = paired_test(np.zeros(n), -np.arange(1.0, n + 1))
        assert result.p_value == np.nextafter(0, 1) > 0
        assert result.z == pytest.approx(-((3 * n / 4) ** 0.5), rel=1e-4)
        assert result.effect_size == pytest.approx(0.75**0.5, rel=1e-4)

    def test_millions_of_tied_pairs_do_not_overflow(self):
        # n equal differences: z = -√n; here n³ is beyond a 64-bit integer
        n = 2_100_000
        result = paired_test(np.zeros(n), -np.ones(n))
        assert result.z == pytest.approx(-(n**0.5))
        assert result.effect_size == pytest.approx(1.0)

    @pytest.mark.parametrize(
        ("without", "with_", "problem"),
        [
            ([1, 2], [1], "pair up, not 2 and 1"),
            ([], [], "without must be a non-empty vector"),
            ([[1.0]], [[1.0]], "without must be a non-empty vector"),
            ([1, np.nan], [1, 2], "without contains NaN"),
            ([1, 2], [1, np.inf], "with_ contains NaN or infinity"),
        ],
    )
    def test_input_without_a_truthful_answer_is_refused(self, without, with_, problem):
        with pytest.raises(ValueError, match=problem):
            paired_test(without, with_)


class TestUnpaired:
    @pytest.mark.parametrize("decimals", [0, 1, 12])
    def test_agrees_with_scipy_with_ties(self, decimals):
        generator = np.random.default_rng(decimals)
        a = generator.normal(size=25).round(decimals)
        b = generator.normal(0.5, size=30).round(decimals)
        result = unpaired_test(a, b)
        reference = stats.mannwhitneyu(a, b, alternative="two-sided", method="asymptotic")
        uncorrected = stats.mannwhitneyu(a, b, method="asymptotic", use_continuity=False)
        assert result.statistic == reference.statistic
        assert result.p_value == pytest.approx(reference.pvalue, rel=1e-12)
        assert 2 * stats.norm.sf(abs(result.z)) == pytest.approx(uncorrected.pvalue, rel=1e-9)
        assert result.effect_size == pytest.approx(abs(result.z) / 55**0.5)

    def test_complete_separation_by_hand(self):
        # U = 0: z = (450 - 0) / sqrt(900 · 61 / 12)
        result = unpaired_test(np.arange(30.0), np.arange(30.0) + 100)
        assert (result.statistic, result.rank_biserial, result.n) == (0, 1, 60)
        assert result.z == pytest.approx(450 / 4575**0.5)

    def test_negative_where_the_second_sample_is_lower(self):
        result = unpaired_test([5, 6, 7, 8], [1, 2, 3, 5.5])
        assert result.z < 0
        assert result.rank_biserial == pytest.approx((1 - 15) / 16)

    def test_equal_values_are_no_effect(self):
        result = unpaired_test(np.ones(5), np.ones(4))
        assert (result.statistic, result.z, result.p_value, result.effect_size) == (10, 0, 1, 0)
        assert (result.rank_biserial, result.n, result.note) == (0, 9, "all values are equal")

    def test_an_underflowing_p_is_the_smallest_number(self):
        result = unpaired_test(np.arange(5e4), np.arange(5e4) + 1e6)
        assert result.p_value == np.nextafter(0, 1) > 0
        assert result.effect_size == pytest.approx(0.75**0.5, rel=1e-4)

    @pytest.mark.parametrize(
        ("first", "second", "problem"),
        [
            ([], [1.0], "first must be a non-empty vector"),
            ([1.0], [np.nan], "second contains NaN"),
            ([-np.inf], [1.0], "first contains NaN or infinity"),
        ],
    )
    def test_input_without_a_truthful_answer_is_refused(self, first, second, problem):
        with pytest.raises(ValueError, match=problem):
            unpaired_test(first, second)


class TestHolm:
    def test_a_hand_worked_family(self):
        # sorted .005 .01 .03 .04, times 4 3 2 1: .02 .03 .06 .04, and the last may not fall: .06
        np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])

    def test_never_exceeds_one(self):
        np.testing.assert_allclose(holm([0.6, 0.5, 0.9]), [1.0, 1.0, 1.0])

    def test_a_missing_p_stays_missing_and_leaves_the_family(self):
        adjusted = holm([0.01, None, 0.04, np.nan])
        np.testing.assert_allclose(adjusted, [0.02, np.nan, 0.04, np.nan])
        assert holm([]).shape == (0,)
        assert np.isnan(holm([None])).all()

    @given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.floats(0.001, 0.999))
    def test_rejects_what_the_step_down_procedure_rejects(self, p_values, level):
        ordered = sorted(p_values)
        rejected = 0
        while rejected < len(ordered) and ordered[rejected] * (len(ordered) - rejected) <= level:
            rejected += 1
        assert (holm(p_values) <= level).sum() == rejected

    @given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
    def test_keeps_the_order_and_never_lowers_a_p(self, p_values):
        adjusted = holm(p_values)
        assert (adjusted >= p_values).all()
        by_size = adjusted[np.argsort(p_values, kind="stable")]
        assert all(a <= b for a, b in pairwise(by_size))

    @pytest.mark.parametrize("p_value", [-0.1, 1.1, np.inf])
    def test_refuses_what_is_no_probability(self, p_value):
        with pytest.raises(ValueError, match=r"p_values must lie in \[0, 1\]"):
            holm([0.5, p_value])

    def test_refuses_a_table(self):
        with pytest.raises(ValueError, match=r"must be a vector, not \(1, 2\)"):
            holm(np.array([[0.1, 0.2]]))


class TestBootstrap:
    def test_covers_the_true_mean_about_as_often_as_it_says(self):
        generator = np.random.default_rng(0)
        intervals = [
            bootstrap_interval(generator.normal(2.0, size=30), resamples=500) for _ in range(400)
        ]
        coverage = np.mean([low <= 2.0 <= high for low, high in intervals])
        assert 0.90 <= coverage <= 0.98

    def test_is_near_the_t_interval_for_normal_differences(self):
        sample = np.random.default_rng(1).normal(0.3, size=200)
        expected = stats.t.interval(0.95, 199, sample.mean(), stats.sem(sample))
        assert bootstrap_interval(sample) == pytest.approx(expected, abs=0.02)

    def test_leans_to_the_long_tail(self):
        sample = np.random.default_rng(2).exponential(size=40)
        low, high = bootstrap_interval(sample)
        percentile = stats.bootstrap(
            (sample,), np.mean, method="percentile", random_state=np.random.default_rng(0)
        ).confidence_interval
        assert low > percentile.low
        assert high > percentile.high

    def test_the_same_seed_gives_the_same_interval(self):
        sample = np.random.default_rng(3).normal(size=20)
        assert bootstrap_interval(sample) == bootstrap_interval(sample, seed=0)
        assert bootstrap_interval(sample) != bootstrap_interval(sample, seed=1)

    @pytest.mark.parametrize("pairs", [6, 30, 526])
    def test_asked_again_it_is_what_scipy_computes_to_the_bit(self, pairs):
        sample = np.random.default_rng(pairs).normal(0.1, size=pairs)
        direct = stats.bootstrap(
            (sample,), np.mean, n_resamples=10_000, random_state=np.random.default_rng(0)
        ).confidence_interval
        first = bootstrap_interval(sample)
        assert first == (direct.low, direct.high)
        assert bootstrap_interval(sample.tolist()) == first
        sample += 1
        assert bootstrap_interval(sample) != first

    def test_exchanging_the_arms_mirrors_the_interval(self):
        sample = np.random.default_rng(4).exponential(size=20)
        low, high = bootstrap_interval(sample)
        assert bootstrap_interval(-sample) == pytest.approx((-high, -low), rel=1e-9)

    def test_more_confidence_is_wider_and_another_statistic_is_used(self):
        sample = np.random.default_rng(5).normal(size=30)
        sample[0] = 100.0
        narrow, wide = bootstrap_interval(sample, confidence=0.8), bootstrap_interval(sample)
        assert wide[0] < narrow[0] < narrow[1] < wide[1]
        assert bootstrap_interval(sample, np.median)[1] < 2 < wide[1]

    @pytest.mark.filterwarnings("error")
    def test_equal_differences_have_an_interval_of_no_width(self):
        assert bootstrap_interval([-0.25] * 10) == (-0.25, -0.25)

    def test_one_pair_has_no_interval(self):
        assert np.isnan(bootstrap_interval([0.5])).all()

    @pytest.mark.parametrize("differences", [[], [0.1, np.nan], [0.1, np.inf], [[0.1, 0.2]]])
    def test_input_without_a_truthful_answer_is_refused(self, differences):
        with pytest.raises(ValueError, match="differences"):
            bootstrap_interval(differences)
