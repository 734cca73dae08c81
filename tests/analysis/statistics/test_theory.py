"""The theory of untrained networks against integrals by SciPy and against real random networks."""

import math

import numpy as np
import pytest
from scipy.integrate import dblquad, quad
from scipy.optimize import minimize
from scipy.special import expit, log_softmax, ndtr
from scipy.stats import kstest, norm

from analysis.metrics.classification import softmax
from analysis.statistics.theory import (
    expected_confidence,
    initial_confidence,
    logit_probability,
    logit_variance_bounds,
    predict,
    uniform_confidence,
    uniform_loss,
    width_factors,
)


def confidence_of_two(variance):
    """E σ(|d|), d ~ N(0, 2v)."""
    return quad(lambda d: 2 * expit(d * math.sqrt(2 * variance)) * norm.pdf(d), 0, 12)[0]


def confidence_of_three(variance):
    """3 · the part where the first is the largest, over its leads a and b on the others."""
    inverse = np.linalg.inv(variance * np.array([[2, 1], [1, 2]]))
    scale = 3 * math.sqrt(np.linalg.det(inverse)) / (2 * math.pi)

    def integrand(b, a):
        lead = np.array([a, b])
        return scale * math.exp(-lead @ inverse @ lead / 2) / (1 + math.exp(-a) + math.exp(-b))

    reach = 8 * math.sqrt(2 * variance)
    return dblquad(integrand, 0, reach, 0, reach, epsabs=1e-6)[0]


def hidden(inputs, depth, width, random):
    """(networks, inputs, width): what enters the last layers of random networks of their own."""
    networks = 400
    found = np.broadcast_to(inputs, (networks, *inputs.shape))
    for _ in range(depth - 1):
        fan_in = found.shape[-1]
        weights = random.normal(0, math.sqrt(2 / fan_in), (networks, fan_in, width))
        found = np.maximum(found @ weights, 0)
    return found


def logits_of(inputs, classes, depth, width, seed=0, heads=1):
    """(networks, inputs, heads, classes) of He-initialised networks; heads: last layers of each."""
    random = np.random.default_rng(seed)
    found = hidden(inputs, depth, width, random)
    scale = math.sqrt(2 / found.shape[-1])
    last = random.normal(0, scale, (found.shape[0], found.shape[-1], heads * classes))
    return (found @ last).reshape(*found.shape[:2], heads, classes)


def images(count=12, elements=40, seed=1):
    """Of unequal contrast, and alike: (count, elements)."""
    random = np.random.default_rng(seed)
    own = random.normal(0, 1, (count, elements)) * random.uniform(0.3, 1.5, (count, 1))
    return own + 0.4 * random.normal(0, 1, elements)


@pytest.mark.parametrize("variance", [1e-6, 0.013, 0.4, 1, 2, 7.7, 123, 4e4])
def test_two_classes_have_the_integral_over_their_difference(variance):
    assert expected_confidence(variance, 2) == pytest.approx(confidence_of_two(variance), abs=1e-5)


@pytest.mark.parametrize("variance", [0.02, 1.3, 40])
def test_three_classes_have_the_integral_over_both_leads(variance):
    expected = confidence_of_three(variance)
    assert expected_confidence(variance, 3) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("classes", [2, 7, 10, 100])
def test_expected_confidence_is_the_mean_over_draws(classes):
    draws = np.random.default_rng(classes).normal(size=(40_000, classes))
    for variance in (0.1, 2.0, 30.0):
        found = softmax(draws * math.sqrt(variance)).max(axis=1)
        error = found.std() / math.sqrt(len(found))
        assert abs(expected_confidence(variance, classes) - found.mean()) < 4 * error


@pytest.mark.parametrize("classes", [2, 3, 10, 1000])
def test_expected_confidence_rises_from_chance_to_one(classes):
    found = expected_confidence([0, 1e-8, *np.logspace(-7, 7, 300), 1e12], classes)
    assert (np.diff(found) >= -1e-7).all()
    assert found[0] == pytest.approx(1 / classes, abs=1e-4)
    assert found[-1] == pytest.approx(1, abs=1e-3)
    assert ((found > 1 / classes) & (found < 1)).all()


def test_expected_confidence_keeps_the_shape_of_the_variances():
    grid = np.array([[0.5, 1.0, 2.0], [3.0, 4.0, 5.0]])
    found = expected_confidence(grid, 4)
    assert found.shape == grid.shape
    assert found[1, 2] == expected_confidence(5.0, 4)


@pytest.mark.parametrize("depth", [2, 3, 5])
def test_a_logits_variance_is_twice_the_mean_square_at_every_depth_and_width(depth):
    for width in (3, 64):
        inputs = images(3)
        squares = np.square(logits_of(inputs, 10, depth, width, heads=30)).mean(axis=(2, 3))
        expected = 2 * np.square(inputs).mean(axis=1)
        error = squares.std(axis=0) / math.sqrt(len(squares))
        assert (np.abs(squares.mean(axis=0) - expected) < 4 * error).all()


@pytest.mark.parametrize(
    ("depth", "width", "classes"), [(2, 10, 2), (3, 10, 2), (3, 4, 10), (6, 16, 5), (10, 32, 2)]
)
def test_confidence_is_that_of_random_networks_of_the_same_width_and_depth(depth, width, classes):
    inputs = images(4)
    found = softmax(logits_of(inputs, classes, depth, width, heads=60)).max(axis=-1)
    by_network = found.mean(axis=(1, 2))
    error = by_network.std() / math.sqrt(len(by_network))
    squares = np.square(inputs).mean(axis=1)
    expected = initial_confidence(squares, classes, depth, width)
    assert abs(expected - by_network.mean()) < 4 * error
    assert initial_confidence(squares, classes) > expected  # a share of the variance is luck


@pytest.mark.parametrize(("classes", "depth"), [(2, 2), (10, 3)])
def test_wide_random_networks_have_the_confidence_of_infinite_ones(classes, depth):
    inputs = images(3)
    found = softmax(logits_of(inputs, classes, depth, 128, heads=40)).max(axis=-1).mean(axis=(1, 2))
    squares = np.square(inputs).mean(axis=1)
    error = found.std() / math.sqrt(len(found))
    assert initial_confidence(squares, classes) == pytest.approx(found.mean(), abs=4 * error + 3e-3)


def test_confidence_is_the_mean_over_the_inputs():
    one, other = initial_confidence([0.1], 4, 3, 20), initial_confidence([9.0], 4, 3, 20)
    assert initial_confidence([0.1, 9.0, 9.0], 4, 3, 20) == pytest.approx((one + 2 * other) / 3)
    assert initial_confidence([0.5], 2) == pytest.approx(confidence_of_two(1.0), abs=1e-5)


def test_width_tends_to_infinite_width():
    off = [initial_confidence([1.0], 5, 6, w) - initial_confidence([1.0], 5) for w in (8, 64, 4096)]
    assert off[0] < off[1] < off[2] < 0
    assert off[2] > -1e-3


@pytest.mark.parametrize(("depth", "width"), [(2, 10), (3, 10), (10, 100), (2, 1)])
def test_factors_are_distributed_as_the_mean_squares_of_random_layers(depth, width):
    random = np.random.default_rng(3)
    product = np.ones(20_000)
    for _ in range(depth - 1):
        relu = np.maximum(random.normal(size=(product.size, width)), 0)
        product *= 2 * np.square(relu).mean(axis=1)
    factors = width_factors(depth, width)
    assert factors.mean() == pytest.approx(1)
    assert kstest(product, factors).statistic < 0.012 + 0.5 * (product == 0).mean()
    assert np.mean(factors**2) == pytest.approx((1 + 5 / width) ** (depth - 1), rel=0.06)


def test_inputs_of_nothing_have_the_confidence_of_chance():
    assert initial_confidence([0.0, 0.0], 4, 3, 10) == pytest.approx(0.25, abs=1e-4)


@pytest.mark.parametrize("width", [5, None])
def test_a_logits_distribution_is_that_over_networks_and_inputs(width):
    inputs, depth = images(6), 3
    found = logits_of(inputs, 10, depth, width or 128, heads=20).reshape(400, -1)
    squares = np.square(inputs).mean(axis=1)
    at = np.array([-4, -1, -0.2, 0, 0.5, 2, 6])
    below, tied = found[:, :, None] < at, found[:, :, None] == at  # 0 where every unit is dead
    shares = (below + tied / 2).mean(axis=1)
    error = shares.std(axis=0) / math.sqrt(len(shares))
    expected = logit_probability(at, squares, depth, width)
    assert (np.abs(expected - shares.mean(axis=0)) < 4 * error + 2e-3).all()
    assert not np.allclose(expected, ndtr(at / np.sqrt(2 * squares.mean())), atol=0.01)


def test_equal_inputs_of_an_infinite_network_have_gaussian_logits():
    at = np.linspace(-3, 3, 7)
    assert logit_probability(at, np.full(2000, 1.7)) == pytest.approx(norm.cdf(at, 0, 3.4**0.5))


@pytest.mark.parametrize(("depth", "classes"), [(2, 2), (2, 10), (3, 2), (5, 3)])
def test_the_variance_of_all_logits_lies_within_its_bounds(depth, classes):
    inputs = images()
    low, high = logit_variance_bounds(np.square(inputs).mean(axis=1), classes, depth)
    logits = logits_of(inputs, classes, depth, 128, heads=25)
    found = logits.var(axis=(1, 3)).mean(axis=1)  # of each network's heads, mean
    error = found.std() / math.sqrt(len(found))
    assert low - 3 * error < found.mean() < high + 3 * error


@pytest.mark.parametrize("depth", [2, 4])
def test_the_bounds_are_reached(depth):
    """By inputs that are multiples of one, and by many that are orthogonal."""
    one = images(1) * np.array([[0.1], [0.5], [2.5]])
    low, _ = logit_variance_bounds(np.square(one).mean(axis=1), 2, depth)
    found = logits_of(one, 2, depth, 64, heads=100).var(axis=(1, 3)).mean(axis=1)
    assert found.mean() == pytest.approx(low, abs=4 * found.std() / math.sqrt(len(found)))

    count = 60  # their pairs with themselves have a share of 1 / count
    orthogonal = np.eye(count) * math.sqrt(count)
    low, high = logit_variance_bounds(np.ones(count), 2, depth)
    found = logits_of(orthogonal, 2, depth, 64, heads=20).var(axis=(1, 3)).mean(axis=1)
    expected = high - (high - low) / count
    assert found.mean() == pytest.approx(expected, abs=4 * found.std() / math.sqrt(len(found)))


def test_the_bounds_close_with_depth():
    bounds = [logit_variance_bounds([0.5, 2.0], 2, depth) for depth in (2, 3, 6, 30)]
    gaps = [high - low for low, high in bounds]
    assert len({low for low, _ in bounds}) == 1
    assert gaps == sorted(gaps, reverse=True)
    assert gaps[0] == pytest.approx((bounds[0][0] - 2.5) * -(1 - 1 / math.pi))


def test_a_prediction_holds_all_of_it():
    squares = np.array([0.3, 1.0, 2.2])
    found = predict(squares, 5, 4, 32)
    assert found.confidence == initial_confidence(squares, 5, 4, 32)
    assert found.confidence_wide == initial_confidence(squares, 5)
    assert found.logit_variance == pytest.approx(7 / 3)
    assert found.variance_bounds == logit_variance_bounds(squares, 5, 4)


@pytest.mark.parametrize("classes", [2, 5, 10])
def test_no_output_has_less_loss_than_the_uniform_one_where_labels_are_random(classes):
    def loss(logits):
        return -log_softmax(logits).mean()  # over equally likely labels

    start = np.random.default_rng(classes).normal(0, 3, classes)
    best = minimize(loss, start, tol=1e-10)
    assert best.fun == pytest.approx(uniform_loss(classes))
    assert softmax(best.x[None]).max() == pytest.approx(uniform_confidence(classes), abs=1e-3)
