"""Calibration after training against PyTorch, SciPy, closed forms and plain loops."""

import math
from dataclasses import FrozenInstanceError, asdict
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from probabilities import calibrated, examples, torch_minimum
from scipy.optimize import approx_fprime, isotonic_regression
from torch.nn.functional import cross_entropy

from analysis.metrics import likelihood
from analysis.metrics.calibration import expected_calibration_error
from analysis.metrics.calibrations import LogitCalibration, NoOptimum, Temperature
from analysis.metrics.classification import (
    accuracy,
    confidence_and_correct,
    negative_log_likelihood,
    softmax,
)
from analysis.metrics.likelihood import fit_matrix, fit_temperature_nll, fit_vector
from analysis.metrics.posthoc import (
    METHODS,
    TEMPERATURES,
    fit_histogram,
    fit_isotonic,
    fit_none,
    fit_temperature,
    posthoc_calibration,
)

#: What is fitted by it, of logits.
LIKELIHOOD = (
    "temperature_nll",
    "temperature_ensemble",
    "vector",
    "vector_penalised",
    "matrix",
    "dirichlet",
)
KEEP_THE_PREDICTION = (
    "none",
    "temperature",
    "temperature_nll",
    "temperature_ensemble",
    "isotonic",
    "histogram",
    "beta",
)
NEED_A_TEMPERATURE = set(LIKELIHOOD) - {"vector"}


def likeliest(logits, labels):
    """The temperature of the highest likelihood."""
    return fit_temperature_nll(logits, labels).temperature


def nll_of(fitted, logits, labels):
    return negative_log_likelihood(fitted.logits(logits), labels)


def ece_at(temperature, logits, labels):
    return expected_calibration_error(*confidence_and_correct(logits / temperature, labels))


class TestTemperature:
    def test_of_the_grid_is_the_one_with_the_lowest_ece(self):
        logits, labels = calibrated()
        for sharpness in (0.5, 1.0, 1.55, 4.0, 20.0):
            errors = [ece_at(t, sharpness * logits, labels) for t in TEMPERATURES]
            best = TEMPERATURES[errors.index(min(errors))]
            assert fit_temperature(sharpness * logits, labels).temperature == best
        assert TEMPERATURES == (1, 1.05, 1.1, 1.2, 1.5, 2, 3, 5)  # the authors'

    def test_is_the_smallest_of_several_as_good(self):
        assert fit_temperature(np.zeros((4, 3)), [0, 1, 2, 0]).temperature == 1

    @settings(max_examples=20, deadline=None)
    @given(st.floats(0.1, 20))
    def test_of_a_calibrated_sample_made_sharper_is_just_that(self, sharpness):
        logits, labels = calibrated()
        own = likeliest(logits, labels)
        assert own == pytest.approx(1, abs=0.05)
        fitted = likeliest(sharpness * logits, labels)
        assert fitted == pytest.approx(sharpness * own, rel=1e-4)

    @pytest.mark.parametrize(("margin", "right"), [(4.0, 70), (0.5, 90), (30.0, 51)])
    def test_has_its_closed_form_where_all_margins_are_equal(self, margin, right):
        # sigmoid(margin / T) must be the fraction that is right
        logits = np.tile([margin, 0.0], (100, 1))
        labels, fraction = np.repeat([0, 1], [right, 100 - right]), right / 100
        expected = margin / math.log(fraction / (1 - fraction))
        assert likeliest(logits, labels) == pytest.approx(expected, rel=1e-4)

    def test_by_likelihood_agrees_with_pytorch(self):
        logits, labels = calibrated(500)
        logits = 3 * logits + np.random.default_rng(1).normal(size=logits.shape)
        z, y = torch.from_numpy(logits), torch.from_numpy(labels)
        beta = torch.ones(1, dtype=torch.float64, requires_grad=True)
        (found,), _ = torch_minimum([beta], lambda: cross_entropy(z * beta, y))
        assert likeliest(logits, labels) == pytest.approx(1 / found.item(), rel=1e-4)

    @pytest.mark.parametrize("scale", [1e-6, 1e-3, 1.0, 1e3, 1e6])
    def test_by_likelihood_is_where_the_slope_vanishes_at_any_scale(self, scale):
        logits, labels = calibrated(300)
        temperature = likeliest(scale * logits, labels)
        z = scale * logits / temperature
        p = softmax(z)
        slope = ((p * z).sum(axis=1) - z[np.arange(300), labels]).mean()
        assert slope == pytest.approx(0, abs=1e-9)
        assert temperature == pytest.approx(scale * likeliest(logits, labels), rel=1e-9)

    @pytest.mark.parametrize(("right", "wrong"), [(99_999, 1), (50_001, 49_999)])
    def test_by_likelihood_finds_what_is_far_from_one(self, right, wrong):
        # sigmoid(1 / T) must be the fraction that is right
        logits = np.tile([1.0, 0.0], (10**5, 1))
        labels = np.repeat([0, 1], [right, wrong])
        assert likeliest(logits, labels) == pytest.approx(1 / math.log(right / wrong), rel=1e-9)

    def test_by_likelihood_there_is_none_where_the_likelihood_has_no_optimum(self):
        logits = calibrated(200)[0]
        right, worst = logits.argmax(axis=1), logits.argmin(axis=1)
        with pytest.raises(NoOptimum, match="labels are all predicted right: the lower T"):
            fit_temperature_nll(logits, right)
        with pytest.raises(NoOptimum, match="logits say nothing of the labels: the higher T"):
            fit_temperature_nll(logits, worst)
        with pytest.raises(NoOptimum, match="labels are all predicted right"):
            fit_temperature_nll(np.zeros((4, 3)), [0, 1, 2, 0])
        # half right and half as surely wrong: the best is the flattest
        with pytest.raises(NoOptimum, match="logits say nothing"):
            fit_temperature_nll([[0.1, 0.4], [0.1, 0.4]], [0, 1])

    def test_by_likelihood_it_is_left_out_where_there_is_none(self):
        logits, labels = calibrated(200)
        results = posthoc_calibration(logits, logits.argmax(axis=1), seed=0)
        assert METHODS.keys() - results.keys() == NEED_A_TEMPERATURE | {"beta"}
        assert METHODS.keys() == posthoc_calibration(logits, labels, seed=0).keys()

    @pytest.mark.parametrize("temperature", [0.0, -1.0, np.inf, np.nan])
    def test_is_a_positive_number(self, temperature):
        with pytest.raises(ValueError, match="temperature must be positive and finite"):
            Temperature(temperature)

    def test_one_changes_nothing(self):
        logits, labels = calibrated(50)
        np.testing.assert_array_equal(fit_none(logits, labels)(logits), softmax(logits))


class TestVector:
    @pytest.mark.parametrize("sharpness", [0.5, 3.0])
    def test_agrees_with_pytorch(self, sharpness):
        logits, labels = calibrated(600)
        logits = sharpness * logits + np.random.default_rng(1).normal(size=logits.shape)
        z, y = torch.from_numpy(logits), torch.from_numpy(labels)
        scale = torch.ones(5, dtype=torch.float64, requires_grad=True)
        bias = torch.zeros(5, dtype=torch.float64, requires_grad=True)
        (w, b), nll = torch_minimum([scale, bias], lambda: cross_entropy(z * scale + bias, y))
        fitted = fit_vector(logits, labels)
        assert nll_of(fitted, logits, labels) == pytest.approx(nll, abs=1e-7)
        np.testing.assert_allclose(fitted.scale, w, atol=1e-3)
        np.testing.assert_allclose(fitted.bias - fitted.bias.mean(), b - b.mean(), atol=1e-3)

    def test_undoes_a_distortion_of_each_class(self):
        logits, labels = calibrated(20_000)
        scale, bias = np.array([0.5, 1.0, 2.0, 3.0, 1.5]), np.array([1.0, 0.0, -1.0, 0.5, 0.2])
        fitted = fit_vector((logits - bias) / scale, labels)
        np.testing.assert_allclose(fitted.scale, scale, rtol=0.06)
        np.testing.assert_allclose(fitted.bias - fitted.bias.mean(), bias - bias.mean(), atol=0.1)

    def test_a_class_that_never_comes_leaves_all_finite(self):
        logits, labels = calibrated(300)
        seen = labels != 2
        fitted = fit_vector(logits[seen], labels[seen])
        assert np.isfinite(fitted.scale).all()
        assert fitted(logits)[:, 2].mean() < 0.01
        assert np.isfinite(nll_of(fitted, logits, labels))


class TestMatrix:
    def test_agrees_with_pytorch_under_the_odir_penalty(self):
        logits, labels = calibrated(600, classes=4)
        logits = 3 * logits + np.random.default_rng(1).normal(size=logits.shape)
        temperature = likeliest(logits, labels)
        z, y = torch.from_numpy(logits / temperature), torch.from_numpy(labels)
        weights = torch.eye(4, dtype=torch.float64, requires_grad=True)
        bias = torch.zeros(4, dtype=torch.float64, requires_grad=True)

        def loss():
            fit = cross_entropy(z @ weights.T + bias, y)
            off_diagonal = sum(weights[i, j] ** 2 for i in range(4) for j in range(4) if i != j)
            return fit + 5000 / 600 * (off_diagonal / 12 + bias.square().sum() / 4)

        (w, b), _ = torch_minimum([weights, bias], loss)
        fitted = fit_matrix(logits, labels)
        np.testing.assert_allclose(fitted.weights * temperature, w, atol=1e-3)
        np.testing.assert_allclose(fitted.bias, b, atol=1e-3)
        assert np.abs(w - np.diag(np.diag(w))).max() > 0.001  # there is something to agree on

    @pytest.mark.parametrize(("examples", "classes"), [(100, 10), (100, 3), (2000, 10)])
    def test_goes_on_to_the_optimum(self, examples, classes):
        """Of 100 examples the penalty outweighs them, the diagonal has none, and of classes that
        hardly differ there is little slope."""
        logits, labels = calibrated(examples, classes=classes)
        logits = logits * np.random.default_rng(1).uniform(0.01, 1, classes)
        temperature = likeliest(logits, labels)
        fitted, strength = fit_matrix(logits, labels), 5000 / examples
        weights = fitted.weights * temperature
        off_diagonal = weights * (1 - np.eye(classes))
        misses = softmax(fitted.logits(logits)) - np.eye(classes)[labels]
        slope = misses.T @ logits / temperature / examples
        slope += 2 * strength * off_diagonal / (classes * (classes - 1))
        assert np.abs(slope).max() < 1e-5
        assert np.abs(misses.mean(axis=0) + 2 * strength * fitted.bias / classes).max() < 1e-5

    def test_undoes_a_mixture_of_the_classes_that_a_vector_cannot(self):
        logits, labels = calibrated(10_000)
        mixed = logits @ (np.eye(5) + 0.3 * np.eye(5)[[1, 2, 3, 4, 0]])
        vector, matrix = (
            nll_of(fit(mixed, labels), mixed, labels) for fit in (fit_vector, fit_matrix)
        )
        assert matrix == pytest.approx(negative_log_likelihood(logits, labels), abs=0.01)
        assert matrix < vector - 0.02

    def test_with_few_examples_stays_near_the_temperature(self):
        logits, labels = calibrated(40)
        fresh, truth = calibrated(4000, seed=1)
        matrix, free = (fit(logits, labels) for fit in (fit_matrix, fit_vector))
        assert nll_of(matrix, fresh, truth) < nll_of(free, fresh, truth)

    def test_does_not_depend_on_the_logits_scale(self):
        logits, labels = calibrated(500)
        once, ten_times = fit_matrix(logits, labels), fit_matrix(10 * logits, labels)
        np.testing.assert_allclose(once(logits), ten_times(10 * logits), atol=1e-4)


class TestIsotonic:
    @settings(max_examples=30, deadline=None)
    @given(examples())
    def test_agrees_with_the_min_max_formula(self, sample):
        confidence, correct = confidence_and_correct(*sample)
        levels = sorted(set(confidence))
        # scikit-learn takes what differs by rounding alone as equal
        assume(all(hi - lo > 1e-12 for lo, hi in pairwise(levels)))
        blocks = [correct[confidence == level] for level in levels]

        def mean(first, last):
            return np.concatenate(blocks[first : last + 1]).mean()

        expected = [
            max(min(mean(i, j) for j in range(at, len(levels))) for i in range(at + 1))
            for at in range(len(levels))
        ]
        found = fit_isotonic(*sample)(sample[0])
        wanted = [expected[levels.index(c)] for c in confidence]
        np.testing.assert_allclose(found, wanted, atol=1e-6)

    def test_agrees_with_scipy(self):
        logits, labels = calibrated(2000)
        confidence, correct = confidence_and_correct(logits, labels)
        order = np.argsort(confidence)
        expected = isotonic_regression(correct[order].astype(float)).x
        np.testing.assert_allclose(fit_isotonic(logits, labels)(logits[order]), expected)

    def test_is_linear_between_what_was_seen_and_clipped_outside(self):
        # confidence .6, one of two right, and .9, three of four; asked for .5, .75 and 1.0
        logits = np.log([[0.6, 0.4]] * 2 + [[0.9, 0.1]] * 4)
        fitted = fit_isotonic(logits, [0, 1, 0, 0, 0, 1])
        asked = [[0.0, 0.0], [math.log(3), 0.0], [1e4, 0.0]]
        np.testing.assert_allclose(fitted(asked), [0.5, 0.625, 0.75])


class TestHistogram:
    def test_answers_with_the_accuracy_of_the_bin_and_with_its_middle_where_it_is_empty(self):
        # confidences .5 (one of two right) and 1.0 (two of three right)
        logits = np.array([[0.0, 0.0]] * 2 + [[1e4, 0.0]] * 3)
        fitted = fit_histogram(logits, [0, 1, 0, 0, 1])
        np.testing.assert_allclose(
            fitted.values, [0.05, 0.15, 0.25, 0.35, 0.45, 0.5, 0.65, 0.75, 0.85, 2 / 3]
        )
        np.testing.assert_allclose(fitted(logits), [0.5, 0.5, 2 / 3, 2 / 3, 2 / 3])

    def test_a_confidence_on_an_edge_is_read_from_the_bin_it_was_counted_in(self):
        quarter = np.zeros((8, 4))  # confidence .25; and a half, on an edge, of two classes
        half = np.tile([0.0, 0.0, -1e4, -1e4], (8, 1))
        logits, labels = np.concatenate([quarter, half]), np.array([0, 1] * 4 + [0] * 8)
        assert fit_histogram(logits, labels)(logits).tolist() == [0.5] * 8 + [1.0] * 8


@pytest.mark.parametrize("fit", [fit_vector, fit_matrix])
def test_the_gradient_is_that_of_finite_differences(fit, monkeypatch):
    def check(loss, start, *units):
        at = start + np.random.default_rng(0).normal(scale=0.3, size=start.shape)
        numeric = approx_fprime(at, lambda parameters: loss(parameters)[0])
        np.testing.assert_allclose(loss(at)[1], numeric, atol=1e-5)
        assert np.abs(numeric).min() > 1e-4  # everywhere something to agree on
        return start

    monkeypatch.setattr(likelihood, "_minimum", check)
    fit(*calibrated(200))


@pytest.mark.parametrize("fit", [fit_isotonic, fit_histogram])
@settings(deadline=None)
@given(sample=examples())
def test_what_maps_confidence_alone_leaves_no_error_where_it_was_fitted(fit, sample):
    logits, labels = sample
    given, correct = confidence_and_correct(logits, labels)
    apart = np.diff(np.unique(given))
    assume(not apart.size or apart.min() > 1e-14)  # scikit-learn takes nearer ones for equal
    confidence = fit(logits, labels)(logits)
    assert confidence.shape == labels.shape
    assert expected_calibration_error(confidence, correct) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("method", LIKELIHOOD)
@settings(max_examples=40, deadline=None)
@given(sample=examples())
def test_the_fitted_likelihood_is_never_below_the_networks_own(method, sample):
    logits, labels = sample
    try:
        fitted = METHODS[method](logits, labels)
    except NoOptimum:  # nothing was fitted
        return
    before = negative_log_likelihood(logits, labels)
    assert nll_of(fitted, logits, labels) <= before + 1e-9


@given(examples(), st.floats(0.01, 100))
def test_no_temperature_changes_a_prediction(sample, temperature):
    logits, labels = sample
    fitted = fit_none(logits, labels)
    cooled = type(fitted)(temperature).logits(logits)
    np.testing.assert_array_equal(cooled.argmax(axis=1), logits.argmax(axis=1))


@pytest.mark.parametrize("method", METHODS)
class TestEveryMethod:
    def test_maps_logits_to_probabilities_or_to_the_confidence_of_the_prediction(self, method):
        logits, labels = calibrated(400)
        fitted = METHODS[method](logits.astype(np.float32), labels)
        fresh = calibrated(30, seed=1)[0]
        outcome = fitted(fresh)
        assert ((outcome >= 0) & (outcome <= 1)).all()
        if isinstance(fitted, LogitCalibration):
            assert outcome.shape == (30, 5)
            np.testing.assert_allclose(outcome.sum(axis=1), 1)
        else:
            assert outcome.shape == (30,)

    def test_is_frozen(self, method):
        fitted = METHODS[method](*calibrated(50))
        with pytest.raises(FrozenInstanceError):
            fitted.temperature = 2.0

    def test_does_not_depend_on_the_order_of_the_examples(self, method):
        logits, labels = calibrated(400)
        rows = np.random.default_rng(0).permutation(400)
        one, other = METHODS[method](logits, labels), METHODS[method](logits[rows], labels[rows])
        np.testing.assert_allclose(one(logits), other(logits), atol=1e-4)

    def test_saturated_logits_stay_finite(self, method):
        logits, labels = calibrated(200)
        result = posthoc_calibration(1e4 * logits, labels, seed=0)[method]
        assert all(value is None or np.isfinite(value) for value in asdict(result).values())


class TestPosthocCalibration:
    def test_reports_every_method_and_none_on_the_half_it_did_not_see(self):
        logits, labels = calibrated(1001)
        results = posthoc_calibration(logits, labels, seed=3)
        assert list(results) == list(METHODS)
        order = np.random.default_rng(3).permutation(1001)
        fitting, reporting = order[:500], order[500:]
        for name, result in results.items():
            fitted = METHODS[name](logits[fitting], labels[fitting])
            outcome, truth = fitted(logits[reporting]), labels[reporting]
            right = confidence_and_correct(logits[reporting], truth)[1]
            if isinstance(fitted, LogitCalibration):
                right = outcome.argmax(axis=1) == truth
                expected = -np.log(outcome[np.arange(501), truth]).mean()
                assert result.nll == pytest.approx(expected)
                outcome = outcome.max(axis=1)
            else:
                assert result.nll is None
            assert result.ece == pytest.approx(expected_calibration_error(outcome, right, 10))
            assert result.accuracy == pytest.approx(right.mean())
            assert result.confidence == pytest.approx(outcome.mean())

    def test_the_fit_does_not_see_the_labels_it_is_measured_by(self):
        logits, labels = calibrated(600)
        reporting = np.random.default_rng(0).permutation(600)[300:]
        corrupted = labels.copy()
        corrupted[reporting] = (corrupted[reporting] + 1) % 5
        honest, other = (posthoc_calibration(logits, y, seed=0) for y in (labels, corrupted))
        for name in METHODS:
            assert honest[name].confidence == other[name].confidence
            assert honest[name].accuracy != other[name].accuracy

    @settings(max_examples=25, deadline=None)
    @given(examples())
    def test_what_keeps_the_prediction_keeps_the_accuracy(self, sample):
        results = posthoc_calibration(*sample, seed=0)
        for name in results.keys() & KEEP_THE_PREDICTION:
            assert results[name].accuracy == results["none"].accuracy

    def test_every_method_mends_an_overconfident_network(self):
        logits, labels = calibrated(6000)
        results = posthoc_calibration(2.1 * logits, labels, seed=0)
        plain = results.pop("none")
        assert plain.ece > 0.1
        for result in results.values():
            assert result.ece < plain.ece / 3
            assert result.nll is None or result.nll < plain.nll - 0.1
        assert accuracy(logits, labels) == pytest.approx(plain.accuracy, abs=0.02)

    def test_the_same_seed_splits_both_arms_of_a_pair_alike(self):
        logits, labels = calibrated(400)
        first = posthoc_calibration(logits, labels, seed=1)
        assert first == posthoc_calibration(logits, labels, seed=1)
        assert first != posthoc_calibration(logits, labels, seed=2)
        other_arm = posthoc_calibration(logits / 2, labels, seed=1)
        assert other_arm["none"].accuracy == first["none"].accuracy

    def test_two_examples_are_enough_and_one_is_not(self):
        logits, labels = [[1.0, 0.0], [2.0, 0.5]], [0, 1]
        assert posthoc_calibration(logits, labels, seed=0).keys() <= METHODS.keys()
        with pytest.raises(ValueError, match="one example cannot be split"):
            posthoc_calibration(logits[:1], labels[:1], seed=0)

    def test_the_registry_cannot_be_changed_by_accident(self):
        with pytest.raises(TypeError):
            METHODS["none"] = fit_vector
