"""Scores of inputs against PyTorch, scikit-learn, SciPy, plain loops and closed forms."""

import math
from decimal import Decimal, localcontext

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from sklearn.covariance import EmpiricalCovariance

from analysis.metrics.ood import auroc
from analysis.metrics.ood_scores import (
    LOGIT_SCORES,
    TEMPERATURES,
    energy,
    gen,
    mahalanobis,
    max_logit,
    msp,
    nearest_neighbour,
    negative_entropy,
    ood_detection,
    vim,
)


@pytest.fixture(params=[1.0, 30.0, 1e4], ids=lambda scale: f"scale {scale:g}")
def logits(request):
    """Logits (200, 10) of rising size."""
    return request.param * np.random.default_rng(0).normal(size=(200, 10))


@pytest.fixture
def features():
    """A training set of three classes, float32 ReLU features with a dead unit, and inputs."""
    generator = np.random.default_rng(0)
    centres = generator.normal(1, 1, size=(3, 8))
    labels = generator.integers(3, size=300)
    training = np.maximum(centres[labels] + 0.5 * generator.normal(size=(300, 8)), 0)
    known = np.maximum(centres[labels[:50]] + 0.5 * generator.normal(size=(50, 8)), 0)
    training[:, 5] = known[:, 5] = 0
    return known.astype(np.float32), training.astype(np.float32), labels


# Logits


@pytest.mark.parametrize("temperature", [0.5, 1.0, 20.0])
def test_softmax_and_energy_agree_with_pytorch(logits, temperature):
    scaled = torch.from_numpy(logits) / temperature
    np.testing.assert_allclose(msp(logits, temperature), scaled.softmax(1).amax(1), rtol=1e-12)
    expected = temperature * scaled.logsumexp(1)
    np.testing.assert_allclose(energy(logits, temperature), expected, rtol=1e-12)


def test_entropy_and_largest_logit_agree_with_pytorch(logits):
    tensor = torch.from_numpy(logits)
    expected = -torch.distributions.Categorical(logits=tensor).entropy()
    np.testing.assert_allclose(negative_entropy(logits), expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(max_logit(logits), tensor.amax(1))


@pytest.mark.parametrize("gamma", [0.1, 0.5])
@pytest.mark.parametrize("largest", [1, 3, 10, 100])
def test_gen_agrees_with_a_plain_loop(gamma, largest):
    logits = np.random.default_rng(0).normal(size=(20, 10))
    for row, score in zip(logits, gen(logits, gamma, largest), strict=True):
        exponentials = [math.exp(z) for z in row]
        p = sorted((e / sum(exponentials) for e in exponentials), reverse=True)
        expected = -sum(q**gamma * (1 - q) ** gamma for q in p[:largest])
        assert score == pytest.approx(expected, rel=1e-12)


def gen_in_two_hundred_digits(row, gamma=0.1):
    with localcontext() as context:
        context.prec = 200
        exponentials = [Decimal(float(z)).exp() for z in row]
        total = sum(exponentials)
        # a power of 0 has no logarithm: a class that is alone has no others
        p = [(e / total, (total - e) / total) for e in exponentials]
        terms = [(Decimal(gamma) * (q * rest).ln()).exp() for q, rest in p if rest]
        return float(-sum(terms))


@pytest.mark.parametrize(
    "row",
    [
        [0.0, 0.0],
        [50.0, 0.0, -1.0],  # the largest p rounds to 1: 1 − p is 10⁻²² and counts as .006
        [400.0, 0.0, 0.0, 0.0],  # the others are nearly as small as a float64 can be
        [-300.0, 3.0, 2.0, -100.0],
        [7.0, 7.0, -200.0],
        [1.0],
    ],
)
def test_gen_loses_nothing_of_what_is_left_beside_a_sure_prediction(row):
    expected = gen_in_two_hundred_digits(row)
    assert gen([row])[0] == pytest.approx(expected, rel=1e-13, abs=1e-300)
    assert gen([np.add(row, 1e4)])[0] == pytest.approx(expected, rel=1e-9, abs=1e-300)


def test_gen_tells_sure_predictions_apart():
    surer = np.arange(40.0, 300.0, 20.0)  # beyond 37 the softmax is exactly 1
    assert (np.diff(gen(np.column_stack([surer, 0 * surer, 0 * surer]))) > 0).all()


def test_equal_logits_score_as_known_by_hand():
    flat = np.full((1, 4), 7.0)
    assert msp(flat)[0] == 0.25
    assert energy(flat, temperature=3.0)[0] == pytest.approx(7 + 3 * math.log(4))
    assert max_logit(flat)[0] == 7.0
    assert negative_entropy(flat)[0] == pytest.approx(-math.log(4))
    assert gen(flat, gamma=0.5)[0] == pytest.approx(-math.sqrt(3))


def test_certain_predictions_score_as_known_by_hand():
    certain = np.array([[1e4, 0.0, 0.0]])
    assert msp(certain)[0] == 1.0
    assert energy(certain)[0] == max_logit(certain)[0] == 1e4
    assert negative_entropy(certain)[0] == gen(certain)[0] == 0.0


@pytest.mark.parametrize("name", LOGIT_SCORES)
def test_higher_is_more_in_distribution(name):
    generator = np.random.default_rng(0)
    unknown = generator.normal(size=(500, 10))
    known = generator.normal(size=(500, 10))
    known[:, 0] += 4.0
    assert auroc(LOGIT_SCORES[name](known), LOGIT_SCORES[name](unknown)) > 0.8


@pytest.mark.parametrize("name", LOGIT_SCORES)
def test_order_of_classes_and_precision_do_not_matter(name):
    logits = np.random.default_rng(0).normal(size=(50, 10)).astype(np.float32)
    scores = LOGIT_SCORES[name](logits)
    assert scores.shape == (50,)
    assert scores.dtype == np.float64
    np.testing.assert_allclose(LOGIT_SCORES[name](logits[:, ::-1]), scores, rtol=1e-12)
    np.testing.assert_array_equal(LOGIT_SCORES[name](logits.astype(np.float64)), scores)


def test_detection_covers_every_logit_score_and_the_temperature_on_one_split():
    generator = np.random.default_rng(0)
    known, unknown = 3 * generator.normal(size=(401, 10)), generator.normal(size=(300, 10))
    detections = ood_detection(known, unknown, seed=4)
    assert detections.keys() == {*LOGIT_SCORES, "temperature"}
    # the split told independently: a permutation of each set, of which the second half is measured
    split = np.random.default_rng(4)
    id_measured, ood_measured = split.permutation(401)[200:], split.permutation(300)[150:]
    for name, score in LOGIT_SCORES.items():
        expected = auroc(score(known)[id_measured], score(unknown)[ood_measured])
        assert detections[name].auroc == expected
        assert detections[name].parameter is None
    temperature = detections["temperature"].parameter
    assert temperature in TEMPERATURES
    inside, outside = (msp(logits, temperature) for logits in (known, unknown))
    assert detections["temperature"].auroc == auroc(inside[id_measured], outside[ood_measured])


def test_detection_finds_the_temperature_that_separates_best():
    # The sets differ in the eight lowest logits, which only a high temperature brings to bear
    second = np.random.default_rng(0).uniform(5, 10, size=(2, 400))
    known, unknown = (
        np.column_stack([np.full(400, 10.0), values, np.full((400, 8), low)])
        for values, low in zip(second, (-5.0, 0.0), strict=True)
    )
    aurocs = {t: auroc(msp(known, t), msp(unknown, t)) for t in TEMPERATURES}
    assert aurocs[1.5] < 0.6
    tuned = ood_detection(known, unknown, seed=0)["temperature"]
    assert aurocs[tuned.parameter] == max(aurocs.values())
    assert tuned.auroc > 0.95


# Features


def test_mahalanobis_agrees_with_scikit_learns_covariance(features):
    known, training, labels = features
    means = np.stack([training[labels == c].astype(np.float64).mean(axis=0) for c in range(3)])
    covariance = EmpiricalCovariance(assume_centered=True).fit(training - means[labels])
    distances = np.stack([covariance.mahalanobis(known - mean) for mean in means])
    scores = mahalanobis(known, training, labels)
    np.testing.assert_allclose(scores, -distances.min(axis=0), rtol=1e-8)


def test_mahalanobis_does_not_depend_on_the_features_scale_or_on_absent_classes(features):
    known, training, labels = features
    mixing = np.random.default_rng(1).normal(size=(7, 7))
    alive = np.arange(8) != 5
    expected = mahalanobis(known, training, labels)
    mixed = mahalanobis(known[:, alive] @ mixing, training[:, alive] @ mixing, labels * 2 + 1)
    np.testing.assert_allclose(mixed, expected, rtol=1e-7)


def test_mahalanobis_is_zero_at_a_class_mean_and_known_by_hand():
    training = np.array([[-1.0], [1.0], [9.0], [11.0]])  # a variance of 1 about 0 and about 10
    scores = mahalanobis([[0.0], [10.0], [2.0], [13.0]], training, [0, 0, 1, 1])
    assert scores.tolist() == [0, 0, -4, -9]


@pytest.mark.parametrize("k", [1, 7, 300])
def test_nearest_neighbour_agrees_with_all_distances_sorted(features, k):
    known, training, _ = (array.astype(np.float64) for array in features)
    known = np.tile(known, (6, 1))  # 300, so that they are searched in more than one block
    unit, seen = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (known, training))
    expected = -np.sort(cdist(unit, seen), axis=1)[:, k - 1]
    np.testing.assert_allclose(nearest_neighbour(known, training, k), expected, atol=1e-7)


def test_nearest_neighbour_sees_the_direction_alone():
    training = [[1.0, 0.0], [0.0, 5.0]]
    scores = nearest_neighbour([[9.0, 0.0], [-1.0, 0.0], [1.0, 1.0], [0.0, 0.0]], training, k=1)
    near = math.sqrt(2 - math.sqrt(2))
    assert scores == pytest.approx([0, -math.sqrt(2), -near, -math.sqrt(2)], abs=1e-7)


@pytest.mark.parametrize("dimension", [None, 2, 6])
def test_vim_agrees_with_the_projection_onto_the_principal_subspace(features, dimension):
    known, training, _ = (torch.from_numpy(array).double() for array in features)
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(3, 8, generator=generator, dtype=torch.double)
    bias = torch.randn(3, generator=generator, dtype=torch.double)
    origin = -torch.linalg.lstsq(weight, bias[:, None], driver="gelsd").solution[:, 0]
    principal = torch.linalg.svd(training - origin, full_matrices=False).Vh[: dimension or 4]

    def residual(x):
        return (x - origin - (x - origin) @ principal.T @ principal).norm(dim=1)

    def layer(x):
        return torch.nn.functional.linear(x, weight, bias)

    alpha = layer(training).amax(1).mean() / residual(training).mean()
    expected = layer(known).logsumexp(1) - alpha * residual(known)
    scores = vim(known.numpy(), training.numpy(), weight.numpy(), bias.numpy(), dimension)
    np.testing.assert_allclose(scores, expected, rtol=1e-9)


def test_vim_notices_what_no_logit_shows():
    generator = np.random.default_rng(0)
    spread = np.array([5.0, 3.0, 0.1, 0.1])
    weight, bias = np.array([[1.0, 0, 0, 0], [0, 1.0, 0, 0]]), np.zeros(2)
    training, known = spread * generator.normal(size=(2, 500, 4)) + 3
    beyond = known + np.array([0, 0, 0, 40.0])
    assert auroc(energy(known @ weight.T), energy(beyond @ weight.T)) == 0.5
    assert auroc(vim(known, training, weight, bias), vim(beyond, training, weight, bias)) > 0.99


def test_features_that_tell_nothing_apart_are_refused():
    ones = np.ones((2, 2))
    with pytest.raises(ValueError, match="do not vary within any class"):
        mahalanobis(ones, ones, [0, 1])
    for training in (ones, 0 * ones):
        with pytest.raises(ValueError, match="span no more than 1 dimensions"):
            vim(ones, training, np.eye(2), np.zeros(2))
