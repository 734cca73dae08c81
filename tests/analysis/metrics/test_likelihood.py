"""Calibrations by likelihood against PyTorch, scikit-learn, grids, the authors' library, and edges.

`test_posthoc` has those of the registry: temperature, vector and matrix scaling.
"""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from probabilities import calibrated, examples, torch_minimum
from scipy.optimize import approx_fprime
from sklearn.linear_model import LogisticRegression

from analysis.metrics import likelihood
from analysis.metrics.calibration import expected_calibration_error
from analysis.metrics.calibrations import Beta, LogitCalibration, NoOptimum, TemperatureEnsemble
from analysis.metrics.classification import (
    confidence_and_correct,
    log_softmax,
    negative_log_likelihood,
    softmax,
)
from analysis.metrics.likelihood import (
    fit_beta,
    fit_dirichlet,
    fit_temperature_ensemble,
    fit_temperature_nll,
    fit_vector,
    fit_vector_penalised,
)

FITS = [fit_beta, fit_dirichlet, fit_temperature_ensemble, fit_vector_penalised]


def two_classes(confidence):
    """Logits of two classes with these confidences."""
    return np.log(np.stack([confidence, 1 - np.array(confidence)], axis=1))


class TestPenalisedVector:
    @pytest.mark.parametrize("n", [40, 600])
    def test_agrees_with_pytorch(self, n):
        logits, labels = calibrated(n)
        logits = 3 * logits + np.random.default_rng(1).normal(size=logits.shape)
        temperature = fit_temperature_nll(logits, labels).temperature
        z, y = torch.from_numpy(logits / temperature), torch.from_numpy(labels)
        log_scale, bias = (torch.zeros(5, dtype=torch.float64, requires_grad=True) for _ in "sb")

        def loss():
            fit = torch.nn.functional.cross_entropy(z * log_scale.exp() + bias, y)
            prior = log_scale.square().sum() / (2 * 0.25**2) + bias.square().sum() / (2 * 0.5**2)
            return fit + prior / n

        (s, b), _ = torch_minimum([log_scale, bias], loss)
        fitted = fit_vector_penalised(logits, labels)
        np.testing.assert_allclose(fitted.scale * temperature, np.exp(s), atol=1e-4)
        np.testing.assert_allclose(fitted.bias, b, atol=1e-4)
        assert np.abs(s).max() > 0.02  # there is something to agree on

    def test_with_many_examples_it_is_the_free_fit(self):
        logits, labels = calibrated(20_000)
        distorted = (logits - [0.3, 0.0, -0.3, 0.2, -0.2]) / [0.8, 1.0, 1.25, 1.1, 0.9]
        held, free = fit_vector_penalised(distorted, labels), fit_vector(distorted, labels)
        np.testing.assert_allclose(held.scale, free.scale, rtol=0.02)
        np.testing.assert_allclose(
            held.bias - held.bias.mean(), free.bias - free.bias.mean(), atol=0.03
        )

    @pytest.mark.parametrize("seed", range(5))
    def test_of_few_examples_it_promises_less_than_the_free_fit(self, seed):
        logits, labels = calibrated(60, classes=10, seed=seed)
        fresh, truth = calibrated(3000, classes=10, seed=seed + 100)
        held, free = (
            negative_log_likelihood(fit(3 * logits, labels).logits(3 * fresh), truth)
            for fit in (fit_vector_penalised, fit_vector)
        )
        assert held < free
        assert held < negative_log_likelihood(3 * fresh, truth)

    def test_a_class_that_never_comes_is_not_ruled_out(self):
        logits, labels = calibrated(2000)
        seen = labels != 2
        fresh, truth = calibrated(4000, seed=1)
        held, free = (
            negative_log_likelihood(fit(logits[seen], labels[seen]).logits(fresh), truth)
            for fit in (fit_vector_penalised, fit_vector)
        )
        assert held < 2
        assert free > held + 1  # which loses nats for each example of the class

    def test_does_not_depend_on_the_logits_scale(self):
        logits, labels = calibrated(500)
        once, ten_times = (fit_vector_penalised(f * logits, labels) for f in (1, 10))
        np.testing.assert_allclose(once(logits), ten_times(10 * logits), atol=1e-4)


class TestDirichlet:
    def test_agrees_with_pytorch_on_log_probabilities(self):
        logits, labels = calibrated(600, classes=4)
        logits = 3 * logits + np.random.default_rng(1).normal(size=logits.shape)
        temperature = fit_temperature_nll(logits, labels).temperature
        z = torch.from_numpy(logits).log_softmax(-1) / temperature
        y = torch.from_numpy(labels)
        weights = torch.eye(4, dtype=torch.float64, requires_grad=True)
        bias = torch.zeros(4, dtype=torch.float64, requires_grad=True)

        def loss():
            fit = torch.nn.functional.cross_entropy(z @ weights.T + bias, y)
            off_diagonal = sum(weights[i, j] ** 2 for i in range(4) for j in range(4) if i != j)
            return fit + 5000 / 600 * (off_diagonal / 12 + bias.square().sum() / 4)

        (w, b), _ = torch_minimum([weights, bias], loss)
        fitted = fit_dirichlet(logits, labels)
        np.testing.assert_allclose(fitted.weights * temperature, w, atol=2e-3)
        np.testing.assert_allclose(fitted.bias, b, atol=2e-3)

    def test_finds_the_map_of_dirichlet_distributed_probabilities(self):
        # p given class k is Dirichlet(α_k): then the label's chances are softmax(W ln p + b),
        # W_kj = α_kj, up to what is common to all classes (Kull et al. 2019, theorem 1)
        generator = np.random.default_rng(0)
        alphas = np.array([[4.0, 1.0, 1.5], [1.0, 3.0, 1.0], [2.0, 1.0, 5.0]])
        labels = generator.integers(3, size=20_000)
        drawn = np.maximum(generator.gamma(alphas[labels]), 1e-300)
        probabilities = drawn / drawn.sum(axis=1, keepdims=True)
        from scipy.special import gammaln

        normalised = gammaln(alphas.sum(axis=1)) - gammaln(alphas).sum(axis=1)
        truth = softmax(np.log(probabilities) @ alphas.T + normalised)
        fitted = fit_dirichlet(np.log(probabilities), labels)(np.log(probabilities))
        before = np.abs(probabilities - truth).mean()
        assert np.abs(fitted - truth).mean() < before / 5

    def test_what_is_common_to_an_examples_logits_changes_nothing(self):
        logits, labels = calibrated(500)
        moved = logits + np.random.default_rng(0).normal(scale=5, size=(500, 1))
        np.testing.assert_allclose(
            fit_dirichlet(logits, labels)(logits), fit_dirichlet(moved, labels)(moved), atol=1e-4
        )


class TestTemperatureEnsemble:
    @pytest.mark.parametrize("sharpness", [0.4, 1.0, 2.5])
    def test_no_mixture_on_a_grid_is_likelier(self, sharpness):
        logits, labels = calibrated(800)
        logits, labels[:80] = sharpness * logits, (labels[:80] + 1) % 5  # some labels are noise
        fitted = fit_temperature_ensemble(logits, labels)
        parts = np.exp(fitted.parts(logits))[:, np.arange(800), labels]
        own = -np.log(fitted.weights @ parts).mean()
        for first in np.linspace(0, 1, 41):
            for second in np.linspace(0, 1 - first, 41):
                weights = np.array([first, second, 1 - first - second])
                assert own <= -np.log(weights @ parts).mean() + 1e-7
        assert negative_log_likelihood(fitted.logits(logits), labels) == pytest.approx(own)
        assert fitted.temperature == fit_temperature_nll(logits, labels).temperature
        assert own < negative_log_likelihood(logits / fitted.temperature, labels) - 1e-4

    def test_finds_how_many_labels_are_noise(self):
        logits, labels = calibrated(20_000)
        generator = np.random.default_rng(1)
        noisy = generator.random(20_000) < 0.2
        labels[noisy] = generator.integers(5, size=noisy.sum())
        truth = TemperatureEnsemble(1.0, np.array([0.0, 0.8, 0.2]))
        fitted = fit_temperature_ensemble(logits, labels)
        np.testing.assert_allclose(fitted(logits), truth(logits), atol=0.03)
        # T is fitted before the mixture and takes part of the noise: the rest is left to chance
        assert fitted.weights[2] > 0.05

    def test_is_the_mixture_written_out(self):
        mixture = TemperatureEnsemble(2.0, np.array([0.5, 0.2, 0.3]))
        logits = calibrated(20)[0]
        expected = 0.5 * softmax(logits / 2) + 0.2 * softmax(logits) + 0.3 / 5
        np.testing.assert_allclose(mixture(logits), expected, atol=1e-15)

    @settings(deadline=None)
    @given(examples())
    def test_keeps_the_order_of_the_classes_and_the_likelihood_of_the_temperature(self, sample):
        logits, labels = sample
        try:
            fitted = fit_temperature_ensemble(logits, labels)
        except NoOptimum:
            return
        rows = np.take_along_axis(fitted.logits(logits), logits.argsort(axis=1), axis=1)
        assert (np.diff(rows, axis=1) >= -1e-12).all()
        assert fitted.weights.sum() == pytest.approx(1)
        assert (fitted.weights >= 0).all()
        alone = negative_log_likelihood(np.float64(logits) / fitted.temperature, labels)
        assert negative_log_likelihood(fitted.logits(logits), labels) <= alone + 1e-9


class TestBeta:
    # betacal 1.1.0: BetaCalibration("abm") of the confidences and correctness of
    # f · calibrated(2000, seed=s), asked for confidences .4, .6, .8 and .95
    @pytest.mark.parametrize(
        ("sharpness", "seed", "expected"),
        [
            (2.1, 0, [0.39433266, 0.47937286, 0.58293175, 0.73013478]),
            (1.0, 2, [0.42877785, 0.58436175, 0.77909394, 0.95014068]),
            (3.0, 3, [0.30011867, 0.39741864, 0.50554369, 0.64631642]),
        ],
    )
    def test_agrees_with_the_authors_library(self, sharpness, seed, expected):
        logits, labels = calibrated(2000, seed=seed)
        fitted = fit_beta(sharpness * logits, labels)
        s = np.array([0.4, 0.6, 0.8, 0.95])
        odds = fitted.a * np.log(s) - fitted.b * np.log(1 - s) + fitted.c
        np.testing.assert_allclose(1 / (1 + np.exp(-odds)), expected, atol=4e-4)

    @pytest.mark.parametrize(("sharpness", "seed"), [(2.1, 0), (0.4, 1), (1.0, 2), (3.0, 3)])
    def test_agrees_with_scikit_learn_s_logistic_regression(self, sharpness, seed):
        logits, labels = calibrated(2000, seed=seed)
        confidence, correct = confidence_and_correct(sharpness * logits, labels)
        features = np.stack([np.log(confidence), -np.log1p(-confidence)], axis=1)
        reference = LogisticRegression(C=1e9, tol=1e-10, max_iter=10_000).fit(features, correct)
        fitted = fit_beta(sharpness * logits, labels)
        np.testing.assert_allclose(
            fitted(sharpness * logits), reference.predict_proba(features)[:, 1], atol=2e-5
        )

    def test_undoes_a_beta_distortion(self):
        generator = np.random.default_rng(0)
        s = generator.uniform(0.5, 1, 40_000)
        right = generator.random(40_000) < 1 / (1 + np.exp(-(0.8 * np.log(s / (1 - s) ** 0.5) - 1)))
        fitted = fit_beta(two_classes(s), np.where(right, 0, 1))
        assert (fitted.a, fitted.b, fitted.c) == pytest.approx((0.8, 0.4, -1), abs=0.3)
        asked = np.array([0.6, 0.8, 0.99])
        truth = 1 / (1 + np.exp(-(0.8 * np.log(asked / (1 - asked) ** 0.5) - 1)))
        np.testing.assert_allclose(fitted(two_classes(asked)), truth, atol=0.02)

    def test_the_identity_is_one_of_the_maps(self):
        logits = calibrated(100)[0]
        np.testing.assert_allclose(Beta(1.0, 1.0, 0.0)(logits), softmax(logits).max(axis=1))

    def test_never_falls_where_confidence_misleads(self):
        # the surer, the more often wrong: the best rising map is flat
        confidence, correct = np.repeat([0.6, 0.9], 50), np.tile([1, 1, 1, 0, 1], 20)
        correct[50:] = np.tile([1, 0], 25)
        fitted = fit_beta(two_classes(confidence), 1 - correct)
        np.testing.assert_allclose(fitted(two_classes([0.6, 0.9])), correct.mean(), atol=1e-4)

    def test_tells_apart_what_rounds_to_a_confidence_of_one(self):
        logits = np.zeros((400, 3))
        logits[:, 0] = np.repeat([45.0, 90.0], 200)
        assert (softmax(logits).max(axis=1) == 1).all()
        labels = np.concatenate([np.arange(200) % 2, (np.arange(200) % 10 == 0) * 1])
        np.testing.assert_allclose(fit_beta(logits, labels)(logits[[0, -1]]), [0.5, 0.9], atol=1e-3)

    def test_has_no_optimum_where_a_confidence_parts_right_from_wrong(self):
        logits = two_classes([0.6, 0.7, 0.8, 0.9])
        for labels in ([1, 1, 0, 0], [1, 0, 0, 0]):
            with pytest.raises(NoOptimum, match="right above some confidence"):
                fit_beta(logits, labels)
        for labels in ([0] * 4, [1] * 4):
            with pytest.raises(NoOptimum, match="predicted alike"):
                fit_beta(logits, labels)
        assert fit_beta(logits, [0, 1, 0, 1]).c < 100
        equal = two_classes([0.7] * 4)  # nothing parts these, and their accuracy is known
        np.testing.assert_allclose(fit_beta(equal, [0, 0, 0, 1])(equal), 0.75, atol=1e-4)

    def test_one_class_has_no_confidence(self):
        with pytest.raises(ValueError, match="two classes"):
            Beta.features([[0.0], [1.0]])


def test_the_penalised_gradient_is_that_of_finite_differences(monkeypatch):
    def check(loss, start):
        at = start + np.random.default_rng(0).normal(scale=0.3, size=start.shape)
        numeric = approx_fprime(at, lambda parameters: loss(parameters)[0])
        np.testing.assert_allclose(loss(at)[1], numeric, atol=1e-5)
        assert np.abs(numeric).min() > 1e-4
        return start

    monkeypatch.setattr(likelihood, "_minimum", check)
    fit_vector_penalised(*calibrated(200))


@pytest.mark.parametrize("fit", FITS)
class TestEveryFit:
    def test_mends_an_overconfident_network(self, fit):
        logits, labels = calibrated(6000)
        fresh, truth = calibrated(6000, seed=1)
        fitted = fit(2.1 * logits.astype(np.float32), labels)
        outcome = fitted(2.1 * fresh)
        confidence, correct = confidence_and_correct(2.1 * fresh, truth)
        if isinstance(fitted, LogitCalibration):
            np.testing.assert_allclose(outcome.sum(axis=1), 1)
            correct, confidence = outcome.argmax(axis=1) == truth, outcome.max(axis=1)
        else:
            confidence = outcome
        assert confidence.shape == truth.shape
        before = expected_calibration_error(*confidence_and_correct(2.1 * fresh, truth))
        assert before > 0.1
        assert expected_calibration_error(confidence, correct) < before / 5

    def test_leaves_a_calibrated_network_as_it_is(self, fit):
        logits, labels = calibrated(20_000)
        outcome, own = fit(logits, labels)(logits), softmax(logits)
        expected = own if outcome.ndim == 2 else own.max(axis=1)
        assert np.abs(outcome - expected).mean() < 0.01

    def test_saturated_logits_stay_finite(self, fit):
        logits, labels = calibrated(300)
        fitted = fit(1e4 * logits, labels)
        outcome = fitted(1e4 * calibrated(50, seed=1)[0])
        assert np.isfinite(outcome).all()
        assert ((outcome >= 0) & (outcome <= 1)).all()

    def test_does_not_depend_on_the_order_of_the_examples(self, fit):
        logits, labels = calibrated(400)
        rows = np.random.default_rng(0).permutation(400)
        one, other = fit(logits, labels), fit(logits[rows], labels[rows])
        np.testing.assert_allclose(one(logits), other(logits), atol=1e-3)

    def test_where_all_predictions_are_right_there_is_no_optimum(self, fit):
        logits = calibrated(100)[0]
        with pytest.raises(NoOptimum):
            fit(logits, logits.argmax(axis=1))

    @settings(deadline=None, max_examples=40)
    @given(sample=examples())
    def test_the_fitted_likelihood_is_never_below_the_networks_own(self, fit, sample):
        logits, labels = sample
        try:
            fitted = fit(logits, labels)
        except NoOptimum:  # nothing was fitted
            return
        if isinstance(fitted, LogitCalibration):
            before = negative_log_likelihood(logits, labels)
            assert negative_log_likelihood(fitted.logits(logits), labels) <= before + 1e-9
            return
        correct = confidence_and_correct(logits, labels)[1]
        own, other = (
            np.where(correct, *np.log(np.maximum([s, 1 - s], 1e-300))).mean()
            for s in (fitted(logits), np.exp(log_softmax(logits).max(axis=1)))
        )
        assert own >= other - 1e-6
