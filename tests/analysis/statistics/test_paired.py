"""The tests against the paper's printed values, SciPy and hand-worked examples."""

from dataclasses import replace
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analysis.statistics.paired import (
    EXACT_PAIRS,
    MIN_PAIRS,
    benjamini_hochberg,
    holm,
    mean_interval,
    paired_test,
    ratio_interval,
    smallest_exact_p,
    smallest_p,
    unpaired_test,
)


def differences_with_w(n, w):
    """n differences without ties, most of them negative, whose positive ranks sum to w."""
    magnitudes, positive = np.arange(1.0, n + 1), np.zeros(n, dtype=bool)
    for i in reversed(range(n)):
        if magnitudes[i] <= w:
            positive[i], w = True, w - magnitudes[i]
    assert w == 0
    return np.where(positive, magnitudes, -magnitudes)


def changed_by(differences):
    """The test of pairs that differ by these, with − without."""
    return paired_test(np.zeros(len(differences)), differences)


class TestPaired:
    @pytest.mark.parametrize(
        ("n", "w", "p_value", "effect_size"),
        [(30, 0, 1.73e-6, 0.873), (10, 0, 5.06e-3, 0.886), (20, 64, 0.126, 0.342)],
    )
    def test_gives_the_values_printed_in_the_paper(self, n, w, p_value, effect_size):
        result = changed_by(differences_with_w(n, w))
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
        result = changed_by([1, 1, 1, 1, 1, -1])
        assert (result.statistic, result.z) == (3.5, pytest.approx(7 / 18.375**0.5))

    def test_pairs_without_a_difference_count_in_n_alone(self):
        changed = differences_with_w(10, 7)
        result = changed_by(np.concatenate([changed, np.zeros(5)]))
        alone = changed_by(changed)
        assert alone.p_exact < 0.05
        expected = replace(alone, n=15, effect_size=pytest.approx(abs(alone.z) / 15**0.5))
        assert (result, alone.n) == (expected, 10)

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
        assert changed_by([1, 2, -3, -4, -5, 6]).rank_biserial == pytest.approx(-1 / 7)

    @given(st.lists(st.integers(-9, 9), min_size=1, max_size=40))
    def test_exchanging_the_arms_turns_the_signs_alone(self, differences):
        zeros = np.zeros(len(differences))
        there, back = paired_test(zeros, differences), paired_test(differences, zeros)
        assert (there.z, there.rank_biserial) == (-back.z, -back.rank_biserial)
        assert (there.p_value, there.statistic) == (back.p_value, back.statistic)
        assert 0 <= there.effect_size <= 1 + 1e-12

    @pytest.mark.parametrize("n", range(1, 6))
    def test_fewer_than_six_pairs_give_no_p(self, n):
        result = changed_by(-np.arange(1.0, n + 1))
        assert result.p_value is None
        assert result.note == "fewer than 6 pairs: P cannot be small"
        mean, variance = n * (n + 1) / 4, n * (n + 1) * (2 * n + 1) / 24
        assert result.effect_size == pytest.approx(mean / variance**0.5 / n**0.5)

    def test_six_pairs_give_a_p(self):
        assert changed_by(-np.arange(1.0, 7)).p_value == pytest.approx(0.02770785)

    def test_fewer_than_six_pairs_that_differ_give_no_p(self):
        result = changed_by([-1, -2, -3, -4, -5] + [0] * 15)
        assert result.p_value is None
        assert result.note == "fewer than 6 pairs differ: P cannot be small"

    def test_no_difference_anywhere_is_no_effect(self):
        result = paired_test(np.ones(8), np.ones(8))
        assert (result.statistic, result.z, result.p_value, result.effect_size) == (0, 0, 1, 0)
        assert (result.rank_biserial, result.n, result.note) == (0, 8, "no pair differs")
        assert paired_test([1.0], [1.0]).p_value is None

    def test_an_underflowing_p_is_the_smallest_number_and_z_stays_right(self):
        n = 200_000
        result = changed_by(-np.arange(1.0, n + 1))
        assert result.p_value == np.nextafter(0, 1) > 0
        assert result.z == pytest.approx(-((3 * n / 4) ** 0.5), rel=1e-4)
        assert result.effect_size == pytest.approx(0.75**0.5, rel=1e-4)

    def test_millions_of_tied_pairs_do_not_overflow(self):
        # n equal differences: z = -√n; here n³ is beyond a 64-bit integer
        n = 2_100_000
        result = changed_by(-np.ones(n))
        assert result.z == pytest.approx(-(n**0.5))
        assert result.effect_size == pytest.approx(1.0)


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


class TestBenjaminiHochberg:
    def test_a_hand_worked_family(self):
        # sorted .005 .01 .03 .04, times 4 2 4/3 1: .02 .02 .04 .04
        adjusted = benjamini_hochberg([0.01, 0.04, 0.03, 0.005])
        np.testing.assert_allclose(adjusted, [0.02, 0.04, 0.04, 0.02])

    @pytest.mark.parametrize("size", [1, 2, 7, 500])
    @pytest.mark.parametrize("digits", [1, 16], ids=["ties", "no ties"])
    def test_agrees_with_scipy(self, size, digits):
        for seed in range(20):
            p_values = (np.random.default_rng(seed).random(size) ** 3).round(digits)
            np.testing.assert_allclose(
                benjamini_hochberg(p_values), stats.false_discovery_control(p_values), rtol=1e-13
            )

    def test_a_missing_p_stays_missing_and_leaves_the_family(self):
        adjusted = benjamini_hochberg([0.01, None, 0.04, np.nan])
        np.testing.assert_allclose(adjusted, [0.02, np.nan, 0.04, np.nan])
        assert benjamini_hochberg([]).shape == (0,)
        assert np.isnan(benjamini_hochberg([None])).all()

    @given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.floats(0.001, 0.999))
    def test_rejects_what_the_step_up_procedure_rejects(self, p_values, level):
        m, ordered = len(p_values), sorted(p_values)
        passing = [i for i in range(1, m + 1) if m / i * ordered[i - 1] <= level]
        assert (benjamini_hochberg(p_values) <= level).sum() == max(passing, default=0)

    @given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
    def test_lies_between_the_p_and_that_of_holm(self, p_values):
        adjusted = benjamini_hochberg(p_values)
        assert (adjusted >= p_values).all()
        assert (adjusted <= holm(p_values) * (1 + 1e-12)).all()

    def test_the_share_of_false_discoveries_is_no_larger_than_it_says(self):
        # 80 true hypotheses of 100: the false share found at .1 is .08 in the mean
        generator, shares = np.random.default_rng(0), []
        for _ in range(2000):
            z = generator.normal(size=100) + np.repeat([0, 3], [80, 20])
            rejected = benjamini_hochberg(2 * stats.norm.sf(np.abs(z))) <= 0.1
            shares.append(rejected[:80].sum() / max(rejected.sum(), 1))
        assert np.mean(shares) == pytest.approx(0.08, abs=0.006)

    @pytest.mark.parametrize("p_value", [-0.1, 1.1, np.inf])
    def test_refuses_what_is_no_probability(self, p_value):
        with pytest.raises(ValueError, match=r"p_values must lie in \[0, 1\]"):
            benjamini_hochberg([0.5, p_value])


class TestExact:
    @pytest.mark.parametrize("n", range(1, 9))
    @pytest.mark.parametrize("levels", [1, 3, 1000], ids=lambda k: f"{k} levels")
    def test_counts_the_sign_patterns_whose_statistic_is_as_small(self, n, levels):
        generator = np.random.default_rng(n)
        for _ in range(5):
            differences = generator.integers(-levels, levels, size=n, endpoint=True).astype(float)
            result = changed_by(differences)
            ranks = stats.rankdata(np.abs(differences[differences != 0]))
            patterns = [
                min(np.dot(ranks, signs), ranks.sum() - np.dot(ranks, signs))
                for signs in product((0, 1), repeat=ranks.size)
            ]
            expected = sum(w <= result.statistic for w in patterns) / len(patterns)
            assert result.p_exact == expected

    @pytest.mark.parametrize(("n", "w"), [(6, 0), (10, 8), (20, 64), (30, 100), (50, 500)])
    def test_agrees_with_scipy_where_nothing_ties(self, n, w):
        differences = differences_with_w(n, w)
        reference = stats.wilcoxon(differences, method="exact")
        assert changed_by(differences).p_exact == pytest.approx(reference.pvalue)

    def test_stands_beside_the_approximation_with_few_pairs(self):
        # five of six rose, the one that fell is the smallest: 2 · 2 of 64 patterns
        result = changed_by([-1, 2, 3, 4, 5, 6])
        assert (result.p_exact, round(result.p_value, 3)) == (0.0625, 0.046)
        assert changed_by([1, 2, 3]).p_exact == 0.25
        assert paired_test([0.0], [1.0]).p_exact == 1
        assert paired_test([0.0], [0.0]).p_exact == 1

    def test_of_many_pairs_is_near_the_approximation_and_beyond_them_is_that(self):
        for n in (EXACT_PAIRS, EXACT_PAIRS + 1):
            result = changed_by(np.random.default_rng(0).normal(0.1, size=n))
            assert 0.01 < result.p_value < 0.1
            assert result.p_exact == pytest.approx(result.p_value, rel=0.01)
            assert (result.p_exact == result.p_value) == (n > EXACT_PAIRS)

    def test_of_independent_samples_there_is_none(self):
        assert unpaired_test([1, 2], [3, 4]).p_exact is None


class TestSmallestP:
    @pytest.mark.parametrize("n", range(MIN_PAIRS, 15))
    def test_is_the_least_over_all_ties(self, n):
        least = {"p_value": 1.0, "p_exact": 1.0}
        for sizes in partitions(n):
            result = changed_by(np.repeat(np.arange(1.0, len(sizes) + 1), sizes))
            least = {name: min(p, getattr(result, name)) for name, p in least.items()}
        assert smallest_p(n) == pytest.approx(least["p_value"], rel=1e-12)
        assert smallest_exact_p(n) == least["p_exact"] == 2 / 2**n

    def test_of_six_equal_differences(self):
        assert smallest_p(6) == pytest.approx(changed_by(np.ones(6)).p_value)
        assert round(smallest_p(6), 4) == 0.0143

    @given(st.lists(st.integers(-3, 3), min_size=1, max_size=12))
    def test_no_test_gives_less(self, differences):
        result = paired_test(np.zeros(len(differences)), differences)
        assert result.p_value is None or result.p_value >= smallest_p(result.n) * (1 - 1e-9)
        assert result.p_exact >= smallest_exact_p(result.n)

    def test_the_exact_one_underflows_to_the_smallest_number(self):
        assert smallest_exact_p(5000) == np.nextafter(0, 1)


def partitions(n, most=None):
    """All ways to write n as a sum: the sizes of the groups of ties."""
    if n == 0:
        yield []
    for first in range(min(n, most or n), 0, -1):
        yield from ([first, *rest] for rest in partitions(n - first, first))


SKEWED = {
    "exponential": (1.0, lambda random, shape: random.exponential(size=shape)),
    "log-normal": (np.exp(0.5), lambda random, shape: random.lognormal(size=shape)),
    "one in ten": (0.1, lambda random, shape: (random.random(shape) < 0.1).astype(float)),
}


def coverage(samples, mean):
    ends = np.array([mean_interval(sample) for sample in samples])
    return ((ends[:, 0] <= mean) & (mean <= ends[:, 1])).mean()


class TestMeanInterval:
    @pytest.mark.parametrize("pairs", [2, 3, 4, 6, 10, 30])
    def test_covers_the_mean_of_normal_differences_as_often_as_it_says(self, pairs):
        samples = np.random.default_rng(pairs).normal(2.0, 0.3, size=(5000, pairs))
        assert coverage(samples, 2.0) == pytest.approx(0.95, abs=0.01)

    @pytest.mark.parametrize(
        ("law", "least"),
        [
            ("exponential", {3: 0.86, 10: 0.88, 30: 0.92}),
            ("log-normal", {3: 0.82, 10: 0.81, 30: 0.86}),
            # of three, 73 % are all 0, which says nothing of the one in ten
            ("one in ten", {3: 0.26, 10: 0.63, 30: 0.94}),
        ],
    )
    def test_of_skewed_differences_it_covers_less_as_measured(self, law, least):
        mean, draw = SKEWED[law]
        for pairs, share in least.items():
            found = coverage(draw(np.random.default_rng(pairs), (3000, pairs)), mean)
            assert share <= found <= share + 0.04

    @pytest.mark.parametrize("confidence", [0.5, 0.95, 0.999])
    @pytest.mark.parametrize("pairs", [2, 6, 200])
    def test_agrees_with_scipy(self, pairs, confidence):
        sample = np.random.default_rng(1).exponential(size=pairs)
        expected = stats.t.interval(confidence, pairs - 1, sample.mean(), stats.sem(sample))
        assert mean_interval(sample, confidence) == pytest.approx(expected, rel=1e-10)

    def test_leaves_out_zero_where_the_t_test_says_that_it_is_none(self):
        for seed in range(20):
            sample = np.random.default_rng(seed).normal(0.7, size=6)
            low, high = mean_interval(sample)
            assert (low > 0 or high < 0) == (stats.ttest_1samp(sample, 0).pvalue < 0.05)

    @pytest.mark.filterwarnings("error")
    @pytest.mark.parametrize("value", [-0.25, 0.1, 0.0])
    def test_equal_differences_have_an_interval_of_no_width(self, value):
        assert mean_interval([value] * 3) == (value, value)

    @pytest.mark.filterwarnings("error")
    def test_one_pair_has_no_interval(self):
        assert np.isnan(mean_interval([0.5])).all()


class TestRatioInterval:
    def test_covers_the_ratio_as_often_as_it_says(self):
        random, covered = np.random.default_rng(0), 0
        for _ in range(3000):
            whole = random.normal(2.0, 0.5, size=6)
            part = 0.4 * whole + random.normal(0, 0.3, size=6)  # the means' ratio is .4
            low, high = ratio_interval(part, whole)
            covered += low <= 0.4 <= high
        assert covered / 3000 == pytest.approx(0.95, abs=0.015)

    def test_ends_where_part_less_ratio_times_whole_is_no_longer_clear_of_zero(self):
        random = np.random.default_rng(1)
        whole, part = random.normal(3, 1, size=(2, 8))
        for end in ratio_interval(part, whole):
            low, high = mean_interval(part - end * whole)
            assert min(abs(low), abs(high)) == pytest.approx(0, abs=1e-12)

    def test_of_a_whole_that_may_be_nothing_it_has_no_bounds(self):
        assert mean_interval([-1, 2, 3])[0] < 0
        assert ratio_interval([1, 2, 3], [-1, 2, 3]) == (-np.inf, np.inf)

    def test_of_the_whole_itself_and_of_a_fixed_share_it_has_no_width(self):
        whole = np.array([1.0, 2.0, 1.5, 1.2])
        assert ratio_interval(whole, whole) == pytest.approx((1, 1), abs=1e-7)
        assert ratio_interval(0.3 * whole, whole) == pytest.approx((0.3, 0.3), abs=1e-7)
        assert np.isnan(ratio_interval([1.0], [2.0])).all()
