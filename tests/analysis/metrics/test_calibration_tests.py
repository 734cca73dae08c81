"""Tests of calibration: their null distributions, size and power, and the statistics by loops."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import norm

from analysis.metrics.calibration import calibration_gap
from analysis.metrics.calibration_tests import (
    _beyond_maximum,
    _beyond_range,
    cumulative_errors,
    kolmogorov_smirnov_test,
    kuiper_test,
    spiegelhalter_test,
)

TESTS = [spiegelhalter_test, kolmogorov_smirnov_test, kuiper_test]
CUMULATIVE = [kolmogorov_smirnov_test, kuiper_test]

predictions = st.lists(
    st.tuples(st.floats(0.01, 0.99) | st.sampled_from([0.2, 0.7]), st.booleans()), min_size=1
)

# mapie 1.6.0, which has no statistic at the start of the curve and so another Kuiper: of
# drawn(seed, n, power), spiegelhalter_statistic, kolmogorov_smirnov_statistic and its P
PEER = [
    ((0, 100, 1.0), -0.39650134264963843, 1.4552549701565651, 0.2911720399196883),
    ((1, 1000, 1.0), 0.16739814085685584, 1.7202666583191526, 0.1707674705248141),
    ((2, 1000, 1.5), 5.560566944888123, 7.224734369101312, 0.0),
    ((3, 5000, 0.7), -6.421188047504942, 10.049564472483091, 0.0),
    ((4, 301, 3.0), 8.29339292210225, 10.823820494992932, 0.0),
]
# the same library's kolmogorov_smirnov_cdf and kuiper_cdf
DISTRIBUTIONS = [
    (0.5, 0.009156990289760759, 8.777772248109397e-08),
    (1.0, 0.3707774297995239, 0.06336458792045059),
    (1.5, 0.732784785616939, 0.4870592457697518),
    (2.0, 0.9089994761536339, 0.8185056606058126),
    (3.0, 0.994600407873483, 0.9892008315323616),
]


def drawn(seed, n, power):
    generator = np.random.default_rng(seed)
    confidence = generator.beta(5, 2, n)
    return confidence, generator.random(n) < confidence**power


def rejected(test, accuracy, n=500, times=1500):
    """How often P < .05, of confidences Beta(5, 2) whose predictions are right with `accuracy`."""
    count = 0
    for seed in range(times):
        generator = np.random.default_rng(seed)
        confidence = generator.beta(5, 2, n)
        count += test(confidence, generator.random(n) < accuracy(confidence)).p < 0.05
    return count / times


class TestSize:
    @pytest.mark.parametrize("test", TESTS)
    def test_calibrated_networks_are_found_out_one_time_in_twenty(self, test):
        # 1,500 draws: a standard error of .006; the last two may lie below, as steps miss peaks
        rate = rejected(test, lambda c: c)
        assert rate < 0.05 + 3 * 0.006
        assert rate > (0.05 if test is spiegelhalter_test else 0.04) - 3 * 0.006

    @pytest.mark.parametrize("test", CUMULATIVE)
    def test_rounded_confidences_make_it_cautious_never_bold(self, test):
        count = 0
        for seed in range(1000):
            generator = np.random.default_rng(seed)
            confidence = generator.beta(5, 2, 300).round(1).clip(0.1, 0.9)
            count += test(confidence, generator.random(300) < confidence).p < 0.05
        assert count / 1000 < 0.05 + 0.01


class TestPower:
    @pytest.mark.parametrize("test", TESTS)
    def test_an_overconfidence_of_a_twentieth_is_found_in_most_networks(self, test):
        assert rejected(test, lambda c: (c - 0.05).clip(0), times=300) > 0.55
        assert rejected(test, lambda c: (c - 0.1).clip(0), times=100) > 0.97

    def test_kuiper_finds_what_changes_its_sign_better_than_kolmogorov_and_smirnov(self):
        def swinging(c):
            return (c + 0.12 * np.sin(4 * np.pi * c)).clip(0, 1)

        kuiper, smirnov = (rejected(test, swinging, times=300) for test in CUMULATIVE[::-1])
        assert kuiper > smirnov + 0.05

    def test_spiegelhalter_s_power_is_that_of_a_shifted_normal(self):
        # expected Z of an overconfidence d: Σ (2c − 1) d / √Σ (1 − 2c)² c(1 − c), variance about 1
        c, d = np.random.default_rng(0).beta(5, 2, 500), 0.05
        shift = ((2 * c - 1) * d).sum() / np.sqrt(((1 - 2 * c) ** 2 * c * (1 - c)).sum())
        expected = norm.sf(1.96 - shift) + norm.cdf(-1.96 - shift)
        rate = rejected(spiegelhalter_test, lambda c: (c - d).clip(0), times=600)
        assert rate == pytest.approx(expected, abs=0.12)


class TestDistributions:
    @pytest.mark.parametrize(("x", "maximum", "spread"), DISTRIBUTIONS)
    def test_agree_with_another_library(self, x, maximum, spread):
        assert 1 - _beyond_maximum(x) == pytest.approx(maximum, abs=1e-13)
        assert 1 - _beyond_range(x) == pytest.approx(spread, abs=1e-13)

    def test_have_the_means_of_brownian_motion(self):
        def mean(beyond):
            return quad(beyond, 0, 1)[0] + quad(beyond, 1, 1.5)[0] + quad(beyond, 1.5, 40)[0]

        assert mean(_beyond_maximum) == pytest.approx(math.sqrt(math.pi / 2))
        assert mean(_beyond_range) == pytest.approx(2 * math.sqrt(2 / math.pi))

    @pytest.mark.parametrize(
        ("beyond", "at", "copies"), [(_beyond_maximum, 1.0, 4), (_beyond_range, 1.5, 8)]
    )
    def test_two_series_meet_and_the_tail_keeps_its_digits(self, beyond, at, copies):
        below, above = beyond(np.nextafter(at, 0)), beyond(at)
        assert below == pytest.approx(above, abs=1e-14)
        assert beyond(20.0) == pytest.approx(copies * norm.sf(20), rel=1e-12)
        assert beyond(0.0) == beyond(1e-3) == 1

    def test_agree_with_random_walks(self):
        walks = np.random.default_rng(0).normal(size=(4000, 1000)).cumsum(axis=1) / math.sqrt(1000)
        walks = np.concatenate([np.zeros((4000, 1)), walks], axis=1)
        for x in (1.0, 1.5, 2.0):
            # steps miss peaks: those of a walk lie .58/√1000 lower at either end
            assert (np.abs(walks).max(axis=1) > x - 0.0184).mean() == pytest.approx(
                _beyond_maximum(x), abs=0.025
            )
            assert (np.ptp(walks, axis=1) > x - 0.0369).mean() == pytest.approx(
                _beyond_range(x), abs=0.025
            )


class TestStatistics:
    @pytest.mark.parametrize(("sample", "z", "largest", "p"), PEER)
    def test_agree_with_another_library(self, sample, z, largest, p):
        examples = drawn(*sample)
        assert spiegelhalter_test(*examples).statistic == pytest.approx(z, abs=1e-12)
        found = kolmogorov_smirnov_test(*examples)
        # it moves equal confidences apart at random, by as much as 1e-8
        assert found.statistic == pytest.approx(largest, abs=1e-6)
        assert found.p == pytest.approx(p, abs=1e-6)

    @given(predictions)
    def test_are_the_definitions_by_plain_loops(self, pairs):
        confidence, correct = zip(*pairs, strict=True)
        path = [0.0]
        for level in sorted(set(confidence)):
            path.append(path[-1] + sum(hit - c for c, hit in pairs if c == level))
        n, scale = len(pairs), math.sqrt(sum(c * (1 - c) for c in confidence))
        largest, spread = max(map(abs, path)), max(path) - min(path)
        assert cumulative_errors(confidence, correct) == pytest.approx((largest / n, spread / n))
        smirnov, kuiper = (test(confidence, correct) for test in CUMULATIVE)
        assert smirnov.statistic == pytest.approx(largest / scale)
        assert kuiper.statistic == pytest.approx(spread / scale)
        assert 0 < smirnov.p <= 1
        assert 0 < kuiper.p <= 1

    @given(predictions)
    def test_the_cumulative_errors_lie_between_the_gap_and_twice_the_first(self, pairs):
        examples = tuple(zip(*pairs, strict=True))
        largest, spread = cumulative_errors(*examples)
        assert abs(calibration_gap(*examples)) - 1e-12 <= largest <= spread + 1e-12
        assert spread <= min(2 * largest, 1) + 1e-12

    def test_spiegelhalter_s_is_the_brier_score_less_what_it_promises(self):
        c, y = drawn(2, 400, 1.5)
        excess = ((y - c) ** 2).sum() - (c * (1 - c)).sum()
        z = excess / math.sqrt(((1 - 2 * c) ** 2 * c * (1 - c)).sum())
        found = spiegelhalter_test(c, y)
        assert found.statistic == pytest.approx(z)
        assert found.p == pytest.approx(2 * norm.sf(abs(z)))

    @pytest.mark.parametrize("test", TESTS)
    def test_a_p_that_underflows_is_the_smallest_number(self, test):
        found = test(np.full(20_000, 0.99), np.zeros(20_000))
        assert found.p == np.nextafter(0, 1)
        assert math.isfinite(found.statistic)

    def test_confidences_that_leave_nothing_to_chance_are_refused(self):
        for test in TESTS:
            with pytest.raises(ValueError, match=r"confidence is 0(, ½)? or 1 throughout"):
                test([0.0, 1.0, 1.0], [False, True, True])
        with pytest.raises(ValueError, match="½"):
            spiegelhalter_test([0.5, 0.5], [True, False])
        assert kuiper_test([0.5, 0.5], [True, False]).statistic == 0
