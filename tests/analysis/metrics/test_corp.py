"""CORP against scikit-learn, another library's decomposition, and what holds of any curve."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression

from analysis.metrics.corp import consistency_band, corp_curve, score_decomposition
from analysis.metrics.probabilistic import brier_score

predictions = st.lists(
    st.tuples(st.floats(0, 1) | st.sampled_from([0.0, 0.5, 1.0]), st.booleans()), min_size=1
)

# model-diagnostics 1.5.0: decompose(y, c) of drawn(seed, n, power) with SquaredError and LogLoss:
# score, miscalibration, discrimination, uncertainty
PEER = [
    ((0, 100, 1.0), "brier",
     (0.1781418138395378, 0.02484723341995737, 0.06780541958041955, 0.2211)),
    ((0, 100, 1.0), "log",
     (0.5263656937251372, 0.06551757930980073, 0.1733305212968692, 0.6341786357122057)),
    ((1, 1000, 1.0), "brier",
     (0.17968314501747967, 0.005493268051380673, 0.02428112303390101, 0.198471)),
    ((1, 1000, 1.0), "log",
     (0.5338845739953751, 0.015690877813916537, 0.06802623354831583, 0.5862199297297744)),
    ((2, 1000, 1.5), "brier",
     (0.21149089643811889, 0.0139859719876603, 0.03903907554954145, 0.236544)),
    ((2, 1000, 1.5), "log",
     (0.609599106668213, 0.03523680605786661, 0.09162610864145515, 0.6659884092518016)),
    ((3, 5000, 0.7), "brier",
     (0.16143508735549614, 0.005627517907273116, 0.01856743055177698, 0.174375)),
    ((3, 5000, 0.7), "log",
     (0.4941566872226498, 0.014763514989701965, 0.05377066850435075, 0.5331638407372986)),
    ((4, 301, 3.0), "brier",
     (0.26816827746553407, 0.08634040690183853, 0.06516719571592608, 0.24699506627962162)),
    ((4, 301, 3.0), "log",
     (0.7451951019833097, 0.20828355305638446, 0.15021366642985656, 0.6871252153567818)),
]  # fmt: skip


def drawn(seed, n, power):
    generator = np.random.default_rng(seed)
    confidence = generator.beta(5, 2, n)
    return confidence, generator.random(n) < confidence**power


class TestCurve:
    @pytest.mark.parametrize("decimals", [1, 2, 16])
    @pytest.mark.parametrize("sample", [(0, 50, 1.0), (1, 2000, 2.0)])
    def test_agrees_with_scikit_learn(self, sample, decimals):
        confidence, correct = drawn(*sample)
        confidence = confidence.round(decimals)
        curve = corp_curve(confidence, correct)
        fitted = IsotonicRegression().fit(confidence, correct.astype(float))
        np.testing.assert_allclose(curve.recalibrated, fitted.predict(curve.confidence), atol=1e-12)
        assert curve.count.sum() == confidence.size

    @given(predictions)
    def test_agrees_with_the_min_max_formula(self, pairs):
        confidence, correct = (np.array(column) for column in zip(*pairs, strict=True))
        levels = np.unique(confidence)
        blocks = [correct[confidence == level] for level in levels]

        def mean(i, j):
            return np.concatenate(blocks[i : j + 1]).mean()

        k = len(levels)
        expected = [
            max(min(mean(i, j) for j in range(at, k)) for i in range(at + 1)) for at in range(k)
        ]
        np.testing.assert_allclose(corp_curve(confidence, correct).recalibrated, expected)

    def test_by_hand(self):
        curve = corp_curve([0.9, 0.2, 0.4, 0.6, 0.6], [True, False, True, False, True])
        assert curve.confidence.tolist() == [0.2, 0.4, 0.6, 0.9]
        assert curve.count.tolist() == [1, 1, 2, 1]
        np.testing.assert_allclose(curve.recalibrated, [0, 2 / 3, 2 / 3, 1])


class TestBand:
    def test_holds_the_curves_of_calibrated_networks_as_often_as_it_says(self):
        inside = []
        for seed in range(40):
            confidence, correct = drawn(seed, 400, 1.0)
            band = consistency_band(confidence, level=0.9, draws=100, seed=seed)
            curve = corp_curve(confidence, correct).recalibrated
            inside.append(((band.low <= curve) & (curve <= band.high)).mean())
        assert np.mean(inside) == pytest.approx(0.9, abs=0.03)

    def test_leaves_out_the_curve_of_an_overconfident_network(self):
        confidence, correct = drawn(0, 2000, 2.0)
        band, curve = consistency_band(confidence), corp_curve(confidence, correct)
        assert (curve.recalibrated < band.low).mean() > 0.6

    def test_contains_the_diagonal_and_narrows_with_more_examples(self):
        widths = []
        for n in (200, 5000):
            band = consistency_band(drawn(0, n, 1.0)[0])
            widths.append((band.high - band.low).mean())
            assert ((band.low <= band.confidence) & (band.confidence <= band.high)).mean() > 0.95
        assert widths[1] < widths[0] / 2

    def test_of_one_confidence_it_is_the_binomial_s(self):
        band = consistency_band(np.full(100, 0.5), level=0.9, draws=4000)
        assert (band.low[0], band.high[0]) == (0.42, 0.58)  # binom.ppf([.05, .95], 100, .5) / 100

    def test_depends_on_the_seed_and_not_on_the_order(self):
        confidence = drawn(0, 100, 1.0)[0].round(1)
        first, again, turned, other = (
            consistency_band(values, seed=seed).low
            for values, seed in [
                (confidence, 1), (confidence, 1), (confidence[::-1], 1), (confidence, 2),
            ]
        )  # fmt: skip
        assert (first == again).all()
        assert (first == turned).all()
        assert (first != other).any()


class TestDecomposition:
    @pytest.mark.parametrize(("sample", "score", "expected"), PEER)
    def test_agrees_with_another_library(self, sample, score, expected):
        found = score_decomposition(*drawn(*sample), score)
        parts = (found.score, found.miscalibration, found.discrimination, found.uncertainty)
        assert parts == pytest.approx(expected, abs=1e-12)

    @pytest.mark.parametrize("score", ["brier", "log"])
    @given(pairs=predictions)
    def test_the_parts_make_up_the_score_and_are_not_negative(self, score, pairs):
        found = score_decomposition(*zip(*pairs, strict=True), score)
        parts = found.miscalibration - found.discrimination + found.uncertainty
        assert parts == pytest.approx(found.score, abs=1e-12)
        assert min(found.miscalibration, found.discrimination, found.uncertainty) >= 0
        assert math.isfinite(found.discrimination)
        assert found.discrimination <= found.uncertainty + 1e-12

    @given(predictions)
    def test_brier_s_is_half_of_the_two_class_score(self, pairs):
        confidence, correct = zip(*pairs, strict=True)
        probabilities = [[1 - c, c] for c in confidence]
        expected = brier_score(probabilities, np.array(correct, dtype=int)) / 2
        found = score_decomposition(confidence, correct)
        assert found.score == pytest.approx(expected)
        accuracy = np.mean(correct)
        assert found.uncertainty == pytest.approx(accuracy * (1 - accuracy))

    def test_certain_and_right_costs_nothing(self):
        found = score_decomposition([1.0, 1.0, 0.0], [True, True, False], "log")
        assert (found.score, found.miscalibration) == (0, 0)
        assert found.discrimination == pytest.approx(found.uncertainty)

    @pytest.mark.parametrize(("confidence", "hit"), [(1.0, False), (0.0, True)])
    def test_certain_and_wrong_costs_infinitely_much_by_the_log_score_alone(self, confidence, hit):
        examples = [confidence, 0.6, 0.3], [hit, True, False]
        log, brier = (score_decomposition(*examples, score) for score in ("log", "brier"))
        assert log.score == log.miscalibration == math.inf
        assert 0 <= log.discrimination <= log.uncertainty < math.inf
        assert math.isfinite(brier.score)

    def test_a_shift_that_keeps_the_order_is_miscalibration_alone(self):
        confidence, correct = drawn(0, 500, 1.0)
        plain, shifted = (score_decomposition(c, correct) for c in (confidence, confidence**3))
        assert shifted.discrimination == pytest.approx(plain.discrimination)
        assert shifted.miscalibration > plain.miscalibration + 0.02
        assert shifted.uncertainty == plain.uncertainty

    @settings(max_examples=20)
    @given(st.floats(0, 1), st.lists(st.booleans(), min_size=1))
    def test_equal_confidences_discriminate_nothing(self, level, correct):
        found = score_decomposition([level] * len(correct), correct)
        gap = level - np.mean(correct)
        assert found.discrimination == pytest.approx(0, abs=1e-12)
        assert found.miscalibration == pytest.approx(gap**2, abs=1e-12)
