"""Scores by features against their formulas written out, closed forms and what must not matter."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ortho_group
from sklearn.covariance import EmpiricalCovariance

from analysis.metrics.ood import auroc
from analysis.metrics.ood_feature_scores import fdbd, nnguide, relative_mahalanobis, she
from analysis.metrics.ood_scores import energy, mahalanobis, nearest_neighbour


@pytest.fixture
def network():
    """Inputs (40, 8), a training set (300, 8) of three classes with labels, and the last layer."""
    generator = np.random.default_rng(0)
    centres = generator.normal(1, 1, size=(3, 8))
    labels = generator.integers(3, size=300)
    training = np.maximum(centres[labels] + 0.8 * generator.normal(size=(300, 8)), 0)
    known = np.maximum(centres[labels[:40]] + 0.8 * generator.normal(size=(40, 8)), 0)
    # nearest centre by inner products, and positive energies
    return known, training, labels, 2 * centres, 5 - (centres**2).sum(axis=1)


def logits_of(row, weight, bias):
    return [
        sum(a * b for a, b in zip(w, row, strict=True)) + o
        for w, o in zip(weight, bias, strict=True)
    ]


def predicted_of(row, weight, bias):
    logits = logits_of(row, weight, bias)
    return logits.index(max(logits))


def logsumexp_of(row, weight, bias):
    return math.log(sum(math.exp(z) for z in logits_of(row, weight, bias)))


# Relative Mahalanobis


def test_relative_mahalanobis_is_the_difference_of_scikit_learns_distances(network):
    known, training, labels, *_ = network
    means = np.stack([training[labels == c].mean(axis=0) for c in range(3)])
    shared = EmpiricalCovariance(assume_centered=True).fit(training - means[labels])
    whole, centre = EmpiricalCovariance().fit(training), training.mean(axis=0)
    # its distances are from the mean that it found: 0 for the one, the centre for the other
    np.testing.assert_allclose(whole.location_, centre)
    relative = [shared.mahalanobis(known - mean) - whole.mahalanobis(known) for mean in means]
    np.testing.assert_allclose(
        relative_mahalanobis(known, training, labels), -np.min(relative, axis=0), rtol=1e-7
    )


def test_relative_mahalanobis_is_known_by_hand():
    # variance 1 within the classes about 0 and 10, 26 about 5 over both
    training, labels = [[-1.0], [1.0], [9.0], [11.0]], [0, 0, 1, 1]
    scores = relative_mahalanobis([[0.0], [5.0], [13.0]], training, labels)
    assert scores == pytest.approx([25 / 26, -25, -9 + 64 / 26])


def test_of_one_class_nothing_is_relative(network):
    known, training, labels, *_ = network
    np.testing.assert_allclose(relative_mahalanobis(known, training, labels * 0), 0, atol=1e-9)


def test_relative_mahalanobis_depends_neither_on_scale_nor_on_mixing_nor_on_origin(network):
    known, training, labels, *_ = network
    mixing = np.random.default_rng(1).normal(size=(8, 8))
    np.testing.assert_allclose(
        relative_mahalanobis(known @ mixing + 3, training @ mixing + 3, labels),
        relative_mahalanobis(known, training, labels),
        rtol=1e-6,
        atol=1e-8,
    )


def test_what_varies_alike_in_all_classes_drowns_the_absolute_distance_alone():
    # one coordinate tells the classes; in a hundred others known and unknown inputs spread alike
    generator = np.random.default_rng(0)
    labels = generator.integers(2, size=3000)
    training = generator.normal(size=(3000, 101))
    training[:, 0] = 8 * labels + 0.5 * training[:, 0]
    known, unknown = generator.normal(size=(2, 500, 101))
    known[:, 0], unknown[:, 0] = 0.5 * known[:, 0], 4 + 0.5 * unknown[:, 0]
    absolute = auroc(*(mahalanobis(x, training, labels) for x in (known, unknown)))
    relative = auroc(*(relative_mahalanobis(x, training, labels) for x in (known, unknown)))
    assert absolute < 0.999 < relative


# Stored patterns


def test_she_is_the_inner_product_with_the_mean_of_the_correct(network):
    known, training, labels, weight, bias = network
    scores = she(known, training, labels, weight, bias)
    right = [predicted_of(row, weight, bias) == y for row, y in zip(training, labels, strict=True)]
    assert 0.5 < np.mean(right) < 1
    for row, score in zip(known, scores, strict=True):
        c = predicted_of(row, weight, bias)
        stored = [g for g, y, ok in zip(training, labels, right, strict=True) if ok and y == c]
        pattern = [sum(column) / len(stored) for column in zip(*stored, strict=True)]
        assert score == pytest.approx(sum(a * b for a, b in zip(row, pattern, strict=True)))


def test_she_is_known_by_hand():
    # class 1's wrong example, (5, 0), is in no pattern
    training, labels = [[1.0, 0], [3.0, 0], [0, 2.0], [5.0, 0]], [0, 0, 1, 1]
    scores = she([[1.0, 0], [0, 1.0], [2.0, 1.0]], training, labels, np.eye(2), [0, 0])
    assert scores.tolist() == [2, 2, 4]


def test_she_grows_with_the_feature_and_turns_with_all(network):
    known, training, labels, weight, bias = network
    expected = she(known, training, labels, weight, bias)
    turn = ortho_group.rvs(8, random_state=0)
    turned = she(known @ turn, training @ turn, labels, weight @ turn, bias)
    np.testing.assert_allclose(turned, expected, rtol=1e-9)
    scaled = she(3 * known, 3 * training, labels, weight / 3, bias)
    np.testing.assert_allclose(scaled, 9 * expected, rtol=1e-9)


def test_a_prediction_without_a_pattern_is_refused_and_a_class_that_none_predicts_is_not():
    training, weight = np.eye(3), np.eye(3)
    assert she([[1.0, 0, 0]], training, [0, 1, 1], weight, [0, 0, 0]).tolist() == [1]
    with pytest.raises(ValueError, match="class 2 is predicted, of which no training is correct"):
        she([[0, 0, 1.0]], training, [0, 1, 1], weight, [0, 0, 0])


# Decision boundaries


def test_fdbd_is_the_mean_distance_written_out(network):
    known, training, _, weight, bias = network
    mean = training.mean(axis=0)
    for row, score in zip(known, fdbd(known, training, weight, bias), strict=True):
        logits, p = logits_of(row, weight, bias), predicted_of(row, weight, bias)
        distances = [
            abs(logits[p] - logits[c]) / math.dist(weight[p], weight[c]) for c in range(3) if c != p
        ]
        assert score == pytest.approx(sum(distances) / 2 / math.dist(row, mean))


weights = st.lists(st.floats(-5, 5), min_size=3, max_size=3)


@given(weights, weights, st.floats(-2, 2), weights)
def test_of_two_classes_it_is_the_distance_to_their_plane(first, second, offset, point):
    normal = np.subtract(first, second)
    if np.linalg.norm(normal) < 0.1 or np.linalg.norm(point) < 0.1:
        return
    # the foot of the perpendicular on the plane where both are as likely
    foot = point - (normal @ point + offset) / (normal @ normal) * normal
    expected = np.linalg.norm(point - foot) / np.linalg.norm(point)
    centred = [[1.0, 2.0, 0.5], [-1.0, -2.0, -0.5]]
    score = fdbd([point], centred, [first, second], [offset, 0.0])[0]
    assert score == pytest.approx(expected, rel=1e-6, abs=1e-9)


def test_fdbd_does_not_depend_on_scale_rotation_or_origin(network):
    known, training, _, weight, bias = network
    expected = fdbd(known, training, weight, bias)
    turn = ortho_group.rvs(8, random_state=0)
    for same in (
        fdbd(3 * known, 3 * training, weight / 3, bias),
        fdbd(known, training, 7 * weight, 7 * bias),
        fdbd(known @ turn, training @ turn, weight @ turn, bias),
        fdbd(known + 2, training + 2, weight, bias - 2 * weight.sum(axis=1)),
        fdbd(known, training, weight + 1, bias + 4),  # the same to all logits
    ):
        np.testing.assert_allclose(same, expected, rtol=1e-9)


def test_on_a_boundary_of_all_classes_it_is_zero():
    assert fdbd([[0.0, 1.0]], [[3.0, 3.0]], [[1.0, 0], [-1.0, 0], [2.0, 0]], [1, 1, 1])[0] == 0


# Guidance by neighbours


@pytest.mark.parametrize("k", [1, 10, 300])
def test_nnguide_is_the_energy_times_the_mean_of_the_largest_terms(network, k):
    known, training, _, weight, bias = network
    guides = [logsumexp_of(g, weight, bias) / math.hypot(*g) for g in training]
    scores = nnguide(known, training, weight, bias, k)
    for row, score in list(zip(known, scores, strict=True))[:10]:
        terms = sorted(
            guide * sum(a * b for a, b in zip(row, g, strict=True)) / math.hypot(*row)
            for guide, g in zip(guides, training, strict=True)
        )
        expected = logsumexp_of(row, weight, bias) * sum(terms[-k:]) / k
        assert score == pytest.approx(expected)


def test_more_inputs_than_a_block_score_as_alone(network):
    known, training, _, weight, bias = network
    many = nnguide(np.tile(known, (14, 1)), training, weight, bias)  # 560
    np.testing.assert_allclose(many, np.tile(nnguide(known, training, weight, bias), 14))


def test_without_unlike_energies_guidance_is_the_nearest_neighbour_s_cosine(network):
    known, training, *_ = network
    # a layer that says the same of everything: an energy of 4 + ln 2 everywhere
    scores = nnguide(known, training, np.zeros((2, 8)), [4.0, 4.0], k=1)
    cosine = 1 - nearest_neighbour(known, training, k=1) ** 2 / 2
    np.testing.assert_allclose(scores, (4 + math.log(2)) ** 2 * cosine, rtol=1e-9)


def test_a_feature_without_direction_is_guided_nowhere(network):
    _, training, _, weight, bias = network
    assert nnguide(np.zeros((1, 8)), training, weight, bias).tolist() == [0]
    assert energy([bias])[0] > 0


def test_nnguide_does_not_depend_on_scale_or_rotation(network):
    known, training, _, weight, bias = network
    expected = nnguide(known, training, weight, bias)
    turn = ortho_group.rvs(8, random_state=0)
    np.testing.assert_allclose(
        nnguide(known @ turn, training @ turn, weight @ turn, bias), expected, rtol=1e-9
    )
    np.testing.assert_allclose(
        nnguide(3 * known, 3 * training, weight / 3, bias), expected, rtol=1e-9
    )


# All


def scores_of(x, training, labels, weight, bias):
    return {
        "relative Mahalanobis": relative_mahalanobis(x, training, labels),
        "SHE": she(x, training, labels, weight, bias),
        "fDBD": fdbd(x, training, weight, bias),
        "NNGuide": nnguide(x, training, weight, bias),
    }


def test_higher_is_more_in_distribution(network):
    known, training, labels, weight, bias = network
    # half of one class, half of another, and shorter
    unknown = (training[labels == 0][:60] + training[labels == 1][:60]) / 3
    inside, outside = (scores_of(x, training, labels, weight, bias) for x in (known, unknown))
    for name in inside:
        assert inside[name].shape == (40,)
        assert inside[name].dtype == np.float64
        assert auroc(inside[name], outside[name]) > 0.7, name


def test_single_precision_is_taken_and_the_order_of_inputs_does_not_matter(network):
    known, training, labels, weight, bias = network
    expected = scores_of(known, training, labels, weight, bias)
    single = scores_of(*(x.astype(np.float32) for x in (known, training)), labels, weight, bias)
    turned = scores_of(known[::-1], training[::-1], labels[::-1], weight, bias)
    for name in expected:
        np.testing.assert_allclose(single[name], expected[name], rtol=1e-3, atol=1e-3)
        np.testing.assert_allclose(turned[name][::-1], expected[name], rtol=1e-7, atol=1e-9)


TWO = np.array([[1.0, 2.0], [2.0, 1.0]])


@pytest.mark.parametrize(
    ("call", "problem"),
    [
        (lambda: fdbd(TWO, TWO, [[1.0, 2.0]], [0.0]), "weight must have two rows or more"),
        (lambda: fdbd(TWO, TWO, [[1.0, 2.0]] * 2, [0.0, 1.0]), "none like another"),
        (lambda: fdbd([[1.5, 1.5]], TWO, TWO, [0, 0]), "one is the mean of training_features"),
        (lambda: nnguide(TWO, TWO, TWO, [0, 0], k=3), r"k must be a whole number in 1\.\.2"),
        (lambda: nnguide(TWO, TWO, TWO, [0, 0, 0], k=1), r"weight must be \(classes, 2\) and bias"),
        (lambda: she(TWO, TWO, [0, 2], TWO, [0, 0]), r"training_labels must lie in 0\.\.1"),
        (lambda: relative_mahalanobis(TWO, TWO, [0, 1]), "do not vary within any class"),
    ],
)
def test_what_has_no_truthful_score_is_refused(call, problem):
    with pytest.raises(ValueError, match=problem):
        call()
