"""Smooth ECE against the integral written out, the authors' library, and what it cannot exceed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from analysis.metrics.calibration import calibration_gap
from analysis.metrics.smooth import smooth_ece

predictions = st.lists(
    st.tuples(st.floats(0, 1) | st.sampled_from([0.0, 0.5, 1.0]), st.booleans()), min_size=1
)

# relplot 1.0.3: smECE(c, y) and smECE_sigma(c, y, σ) for σ = .02 and .1 of drawn(seed, n, power).
# It reads the integral at 200 points or more, adds .0001 to each density, and finds σ to .001;
# what lies at exactly 0 or 1 it counts by half, so that no such confidence is compared
PEER = [
    ((0, 100, 1.0), 0.07310489604232229, 0.10458071599521722, 0.06503335015013487),
    ((1, 1000, 1.0), 0.029778837849915005, 0.03687139001835106, 0.016745773125708942),
    ((2, 1000, 1.5), 0.09560520248250082, 0.0958501642810165, 0.09560950602055876),
    ((3, 5000, 0.7), 0.05980986383411228, 0.05993381682448782, 0.05978858914932),
    ((4, 301, 3.0), 0.263385322489912, 0.26346977541127675, 0.2631001218472506),
]


def drawn(seed, n, power):
    generator = np.random.default_rng(seed)
    confidence = generator.beta(5, 2, n)
    return confidence, generator.random(n) < confidence**power


def by_images(confidence, correct, sigma, points=20_001):
    """The integral with the kernel's reflections about 0 and 1 summed one by one."""
    t, total = np.linspace(0, 1, points), np.zeros(points)
    for c, hit in zip(confidence, correct, strict=True):
        for k in range(-8, 9):
            total += (hit - c) * norm.pdf(t, 2 * k + c, sigma)
            total += (hit - c) * norm.pdf(t, 2 * k - c, sigma)
    return np.trapezoid(np.abs(total), t) / len(confidence)


@pytest.mark.parametrize("sigma", [0.01, 0.05, 0.3, 1.0])
@pytest.mark.parametrize("sample", [(0, 30, 1.0), (1, 50, 2.0)])
def test_agrees_with_the_integral_over_all_reflections(sample, sigma):
    confidence, correct = drawn(*sample)
    confidence[:4] = [0.0, 1.0, 1.0, 0.5]  # the ends, where all of the kernel is turned back
    assert smooth_ece(confidence, correct, sigma) == pytest.approx(
        by_images(confidence, correct, sigma), rel=1e-4
    )


@pytest.mark.parametrize(("sample", "own_width", "narrow", "wide"), PEER)
def test_agrees_with_the_authors_library(sample, own_width, narrow, wide):
    examples = drawn(*sample)
    assert smooth_ece(*examples) == pytest.approx(own_width, abs=1e-3)
    assert smooth_ece(*examples, 0.02) == pytest.approx(narrow, abs=6e-4)
    assert smooth_ece(*examples, 0.1) == pytest.approx(wide, abs=6e-4)


@given(st.floats(0, 1), st.lists(st.booleans(), min_size=1))
def test_of_equal_confidences_it_is_the_gap(level, correct):
    confidence = [level] * len(correct)
    gap = abs(calibration_gap(confidence, correct))
    assert smooth_ece(confidence, correct) == pytest.approx(gap, abs=1e-9)


@settings(deadline=None)
@given(predictions)
def test_it_lies_between_the_gap_and_the_error_of_each_confidence_by_itself(pairs):
    confidence, correct = (np.array(column) for column in zip(*pairs, strict=True))
    residuals = [(correct - confidence)[confidence == c].sum() for c in np.unique(confidence)]
    found = smooth_ece(confidence, correct)
    assert found >= abs(calibration_gap(confidence, correct)) - 1e-9
    assert found <= np.abs(residuals).sum() / confidence.size + 1e-9


@settings(deadline=None)
@given(predictions)
def test_it_is_its_own_bandwidth_and_falls_with_it(pairs):
    examples = tuple(zip(*pairs, strict=True))
    found = smooth_ece(*examples)
    if found > 1e-3:
        assert smooth_ece(*examples, found) == pytest.approx(found, abs=1e-6)
    widths = [smooth_ece(*examples, sigma) for sigma in (0.01, 0.03, 0.1, 0.3, 1.0)]
    assert (np.diff(widths) <= 1e-9).all()


def test_it_moves_little_where_a_binned_error_jumps():
    # half wrong just below ½, half right just above: no bin sees what an edge between them does
    confidence, correct = np.repeat([0.5 - 1e-6, 0.5 + 1e-6], 50), np.repeat([False, True], 50)
    assert smooth_ece(confidence, correct) < 0.01
    assert smooth_ece([0.1, 0.9], [False, True]) > 0.05


def test_mirrored_events_have_the_same_error():
    confidence, correct = drawn(2, 400, 2.0)
    assert smooth_ece(1 - confidence, ~correct) == pytest.approx(
        smooth_ece(confidence, correct), rel=1e-9
    )
