"""The noise against what is known of it: moments, laws, spectra, and the same bits every time.

A tolerance is a number of standard errors of the sample's own size; images are independent of each
other, so however strongly the elements of one are correlated, the images are what is counted.
"""

import math

import fingerprints
import numpy as np
import pytest
import scipy.ndimage
import scipy.stats
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from support import seeded

from trainables.config.noise import DISTRIBUTIONS
from trainables.noise import sample

INDEPENDENT = ["gaussian", "uniform", "laplace", "student_t", "exponential", "bernoulli", "sparse"]
IMAGES_ONLY = ["pink", "blurred", "gratings", "waves", "blobs"]
EVERY = [*INDEPENDENT, *IMAGES_ONLY, "constant"]

ERRORS = 5  # standard errors allowed

Array = NDArray[np.float64]


def draw(name: str, *shape: int, seed: int = 0, mean: float = 0.0, std: float = 1.0) -> Array:
    return sample(name, shape, seeded(seed), mean, std).double().numpy()


def mean_power(images: Array) -> Array:
    """The mean over all leading axes of |FFT|² per pixel: 1 everywhere for white noise of std 1."""
    power = np.abs(np.fft.fft2(images)) ** 2 / (images.shape[-2] * images.shape[-1])
    return np.asarray(power.mean(axis=tuple(range(images.ndim - 2))))


def circular_blur(height: int, width: int, sigma: float) -> Array:
    """SciPy's periodic Gaussian, as the image of one bright pixel at the origin."""
    impulse = np.zeros((height, width))
    impulse[0, 0] = 1
    return np.asarray(scipy.ndimage.gaussian_filter(impulse, sigma, mode="wrap", truncate=8))


def test_the_thirteen_distributions_are_described_in_a_sentence_each():
    assert list(DISTRIBUTIONS) == EVERY
    assert [name for name, d in DISTRIBUTIONS.items() if d.images_only] == IMAGES_ONLY
    sentences = [distribution.description for distribution in DISTRIBUTIONS.values()]
    assert all(s[0].isupper() and s.index(".") in {len(s) - 1, s.rfind(".")} for s in sentences)
    assert len(set(sentences)) == len(EVERY)


# Moments


@pytest.mark.parametrize(("mean", "std"), [(0.0, 1.0), (-3.0, 0.5), (0.2, 4.0)])
@pytest.mark.parametrize("name", EVERY)
def test_mean_and_std_over_all_elements_are_those_asked(name, mean, std):
    images = (draw(name, 4096, 2, 16, 12, mean=mean, std=std) - mean) / std
    for power, expected in [(1, 0.0), (2, 1.0)]:
        per_image = (images**power).mean(axis=(1, 2, 3))
        standard_error = per_image.std() / math.sqrt(len(per_image))
        # 2e-4: Student's t loses 8e-5 of its variance to torch.rand's grain, and float32 rounds.
        assert per_image.mean() == pytest.approx(expected, abs=ERRORS * standard_error + 2e-4)


@pytest.mark.parametrize("name", EVERY)
def test_every_single_element_has_the_asked_mean_and_std(name):
    images = 20_000
    elements = draw(name, images, 2, 8, 6, seed=1)
    squares = elements**2
    assert np.abs(elements.mean(axis=0)).max() < ERRORS / math.sqrt(images)
    kurtosis = (squares**2).mean()
    standard_error = math.sqrt((kurtosis - 1) / images)
    assert np.abs(squares.mean(axis=0) - 1).max() < ERRORS * standard_error + 1e-6


@settings(deadline=None)
@given(
    name=st.sampled_from(EVERY),
    mean=st.floats(-100, 100),
    std=st.floats(1e-3, 100),
    seed=st.integers(0, 2**32),
)
def test_mean_and_std_only_shift_and_stretch(name, mean, std, seed):
    standard = draw(name, 3, 2, 8, 8, seed=seed)
    asked = draw(name, 3, 2, 8, 8, seed=seed, mean=mean, std=std)
    largest = abs(mean) + std * np.abs(standard).max()
    np.testing.assert_allclose(asked, mean + std * standard, rtol=0, atol=3e-7 * largest)


@pytest.mark.parametrize("name", EVERY)
def test_a_std_of_zero_leaves_the_mean(name):
    assert (draw(name, 2, 3, 8, 8, mean=0.5, std=0.0) == 0.5).all()


# The law of one element

LAWS = {
    "gaussian": scipy.stats.norm(),
    "uniform": scipy.stats.uniform(-math.sqrt(3), 2 * math.sqrt(3)),
    "laplace": scipy.stats.laplace(scale=1 / math.sqrt(2)),
    "student_t": scipy.stats.t(5, scale=math.sqrt(3 / 5)),
    "exponential": scipy.stats.expon(loc=-1),
}
LAWS_OF_A_PIXEL = {
    "pink": scipy.stats.norm(),
    "blurred": scipy.stats.norm(),
    "gratings": scipy.stats.arcsine(-math.sqrt(2), 2 * math.sqrt(2)),
    "constant": scipy.stats.norm(),
}


@pytest.mark.parametrize("name", LAWS)
def test_independent_elements_follow_their_law(name):
    elements = draw(name, 400, 1000).ravel()
    assert scipy.stats.kstest(elements, LAWS[name].cdf).pvalue > 0.01


@pytest.mark.parametrize("name", LAWS_OF_A_PIXEL)
def test_a_pixel_of_a_structured_image_follows_its_law_over_images(name):
    pixel = draw(name, 50_000, 1, 8, 8)[:, 0, 3, 5]
    assert scipy.stats.kstest(pixel, LAWS_OF_A_PIXEL[name].cdf).pvalue > 0.01


@pytest.mark.parametrize(
    ("name", "probabilities"),
    [
        ("bernoulli", {-1.0: 0.5, 1.0: 0.5}),
        ("sparse", {-math.sqrt(10): 0.05, 0.0: 0.9, math.sqrt(10): 0.05}),
    ],
)
def test_discrete_noise_takes_its_values_with_their_probabilities(name, probabilities):
    values, counts = np.unique(draw(name, 1000, 1000), return_counts=True)
    np.testing.assert_allclose(values, list(probabilities), rtol=1e-6)
    expected = 1_000_000 * np.array(list(probabilities.values()))
    assert scipy.stats.chisquare(counts, expected).pvalue > 0.01


@pytest.mark.parametrize("name", INDEPENDENT)
def test_neither_elements_nor_their_sizes_depend_on_a_neighbour(name):
    elements = draw(name, 300_000, 4)
    for values in (elements, np.abs(elements)):
        if np.ptp(values) == 0:  # |±1|
            continue
        correlation = np.corrcoef(values, rowvar=False) - np.eye(4)
        along_the_batch = np.corrcoef(values[1:, 0], values[:-1, 0])[0, 1]
        assert np.abs(correlation).max() < ERRORS / math.sqrt(len(values))
        assert abs(along_the_batch) < ERRORS / math.sqrt(len(values))


@pytest.mark.parametrize("u", [0.0, 1 - 2**-24])
@pytest.mark.parametrize("name", EVERY)
def test_the_first_and_last_number_torch_can_draw_give_finite_noise(name, u, monkeypatch):
    monkeypatch.setattr(torch, "rand", lambda shape, **_: torch.full(shape, u))
    assert np.isfinite(draw(name, 2, 3, 8, 8)).all()


# Structure


@pytest.mark.parametrize("name", INDEPENDENT)
def test_independent_noise_has_a_flat_spectrum(name):
    images = draw(name, 3000, 3, 16, 12)
    # Power is exponential, of std 1, but for the four real coefficients: χ² of std √2.
    allowed = ERRORS * math.sqrt(2 / 9000)
    assert np.abs(mean_power(images) - 1).max() < allowed


def test_pink_power_falls_as_one_over_the_radial_frequency():
    images = draw("pink", 4000, 2, 32, 24)
    power, frequency = mean_power(images), np.hypot(np.fft.fftfreq(32)[:, None], np.fft.fftfreq(24))
    elsewhere = frequency > 0
    slope = np.polyfit(np.log(frequency[elsewhere]), np.log(power[elsewhere]), 1)[0]
    assert slope == pytest.approx(-1, abs=0.01)

    expected = 1 / np.where(elsewhere, frequency, 1 / 32)  # the mean as strong as one cycle in 32
    expected /= expected.mean()
    np.testing.assert_allclose(power, expected, rtol=ERRORS * math.sqrt(2 / 8000))


def test_blurred_power_is_the_squared_transfer_function_of_the_blur():
    images = draw("blurred", 4000, 2, 32, 24)
    blur = circular_blur(32, 24, sigma=2)
    expected = np.abs(np.fft.fft2(blur)) ** 2 / (blur**2).sum()
    # From 1e-9 on, what float32 rounds off is the larger part.
    allowed = ERRORS * math.sqrt(2 / 8000)
    np.testing.assert_allclose(mean_power(images), expected, rtol=allowed, atol=1e-9)


@pytest.mark.parametrize(("name", "parts"), [("pink", 2), ("blurred", 1)])
def test_a_field_gathers_exactly_unit_energy_from_the_white_noise_it_is_made_of(
    name, parts, monkeypatch
):
    """A field is linear in white noise: its variance is the summed square of its impulse responses.

    Pink draws complex noise, two parts a pixel, and makes two fields of it."""
    impulses = parts * 6 * 8

    each_element_once = torch.eye(impulses)
    monkeypatch.setattr(torch, "randn", lambda shape, **_: each_element_once.reshape(shape))
    responses = draw(name, parts * impulses, 1, 6, 8)
    np.testing.assert_allclose((responses**2).sum(axis=0), parts, rtol=1e-5)


@pytest.mark.parametrize("name", ["pink", "blurred"])
def test_channels_and_images_of_a_field_are_independent(name):
    spectra = np.fft.fft2(draw(name, 4000, 2, 8, 6)) / math.sqrt(8 * 6)
    power = (np.abs(spectra) ** 2).mean(axis=(0, 1))
    fields = spectra.reshape(8000, 8, 6)
    pairings = {
        "channels": (spectra[:, 0], spectra[:, 1]),
        "neighbours": (spectra[1:, 0], spectra[:-1, 0]),
        "real and imaginary": (fields[:4000], fields[4000:]),
    }
    for pairing, (one, other) in pairings.items():
        coherence = np.abs((one * other.conj()).mean(axis=0)) / power
        assert coherence.max() < ERRORS / math.sqrt(len(one)), pairing


def test_a_grating_is_one_frequency_the_same_in_all_channels():
    images = draw("gratings", 2000, 3, 32, 32)
    assert (images == images[:, :1]).all()

    power = np.abs(np.fft.fft2(images[:, 0])) ** 2
    total = power.sum(axis=(1, 2))
    in_the_pair = np.sort(power.reshape(2000, -1))[:, -2:]
    np.testing.assert_allclose(in_the_pair, total[:, None] / 2 * [1, 1], rtol=1e-4)

    row, column = np.divmod(power.reshape(2000, -1).argmax(axis=1), 32)
    y, x = np.fft.fftfreq(32)[row], np.fft.fftfreq(32)[column]
    frequency = np.hypot(y, x)
    rounding = math.sqrt(0.5) / 32  # to whole cycles, along either axis
    assert frequency.min() >= 1 / 32
    assert 1 / 4 - rounding < frequency.max() < 1 / 4 + rounding
    # no direction is preferred; the pixel grid's own symmetry is harmonic 4
    for harmonic, allowed in ((2, ERRORS / math.sqrt(2000)), (4, 0.25)):
        direction = np.exp(1j * harmonic * np.arctan2(y, x))
        assert abs(direction.mean()) < allowed


def test_a_wave_is_a_gaussian_packet():
    sigma, side = 4.0, 32
    waves = draw("waves", 2000, 2, side, side)
    energy = (waves**2).sum(axis=1)  # a quarter wave apart: cos² + sin², the envelope's square
    energy /= energy.sum(axis=(1, 2), keepdims=True)
    pixel = np.arange(side)
    circle = np.exp(2j * np.pi * pixel / side)
    centre_y = np.angle(energy.sum(axis=2) @ circle) * side / (2 * np.pi)
    centre_x = np.angle(energy.sum(axis=1) @ circle) * side / (2 * np.pi)
    dy = (pixel - centre_y[:, None] + side / 2) % side - side / 2
    dx = (pixel - centre_x[:, None] + side / 2) % side - side / 2
    distance = np.hypot(dy[:, :, None], dx[:, None, :])
    for radius in (0.5 * sigma, sigma, 2 * sigma):
        within = np.where(distance < radius, energy, 0).sum(axis=(1, 2)).mean()
        assert within == pytest.approx(1 - math.exp(-((radius / sigma) ** 2)), abs=0.02)
    for centre in (centre_y, centre_x):
        assert scipy.stats.kstest(centre / side % 1, "uniform").pvalue > 0.01


def test_a_wave_travels_a_quarter_wavelength_from_channel_to_channel():
    """By the shift theorem: the phase between channels is −2π k·v, linear in k with slope v."""
    side = 32
    spectra = np.fft.fft2(draw("waves", 500, 4, side, side))
    ky, kx = np.meshgrid(np.fft.fftfreq(side), np.fft.fftfreq(side), indexing="ij")
    for earlier, later in [(0, 1), (1, 2), (2, 3)]:
        turned = []  # cycles of the carrier from one channel to the next
        for one, other in zip(spectra[:, earlier], spectra[:, later], strict=True):
            power = np.abs(one * other)
            peak_y, peak_x = np.unravel_index(power.argmax(), power.shape)
            same_half = ky * ky[peak_y, peak_x] + kx * kx[peak_y, peak_x] > 0
            strong = same_half & (power > 0.2 * power.max())
            k = np.stack([ky[strong], kx[strong]], axis=1)
            phase = np.angle(other[strong] * one[strong].conj())
            velocity = np.linalg.lstsq(-2 * np.pi * k, phase, rcond=None)[0]  # pixels a channel
            carrier = np.average(k, axis=0, weights=power[strong])
            turned.append(abs(velocity @ carrier))
            across = abs(velocity[0] * carrier[1] - velocity[1] * carrier[0])
            assert across < 0.03  # cycles: along the wave, not across it
            np.testing.assert_allclose(phase, -2 * np.pi * k @ velocity, atol=0.2)  # radians
        assert np.mean(turned) == pytest.approx(0.25, abs=0.005)


def test_blobs_are_on_or_off_together_in_all_channels():
    images = draw("blobs", 20_000, 2, 16, 16)
    assert (images == images[:, :1]).all()
    np.testing.assert_allclose(np.unique(images), [-0.5, 2.0], atol=1e-6)  # −p/√pq and q/√pq
    active = (images[:, 0] > 0).mean(axis=(1, 2))
    assert active.mean() == pytest.approx(0.2, abs=ERRORS * active.std() / math.sqrt(20_000))


def test_blobs_correlate_as_the_orthants_of_the_blurred_field_do():
    p, q, images = 0.2, 0.8, 20_000
    blobs = draw("blobs", images, 1, 16, 12)[:, 0]
    blur = circular_blur(16, 12, sigma=2)
    field = np.fft.ifft2(np.abs(np.fft.fft2(blur)) ** 2).real / (blur**2).sum()
    threshold = scipy.stats.norm.isf(p)
    for dy, dx in [(0, 1), (1, 0), (1, 1), (2, 0), (0, 3), (3, 2), (5, 0), (8, 6)]:
        rho = field[dy, dx]
        both = scipy.stats.multivariate_normal([0, 0], [[1, rho], [rho, 1]]).cdf([-threshold] * 2)
        products = (blobs * np.roll(blobs, (dy, dx), axis=(1, 2))).mean(axis=(1, 2))
        allowed = ERRORS * products.std() / math.sqrt(images)
        assert products.mean() == pytest.approx((both - p**2) / (p * q), abs=allowed)


@pytest.mark.parametrize("shape", [(64, 3, 8, 8), (64, 784), (64, 2), (64, 1)])
def test_constant_noise_varies_between_images_and_never_within_one(shape):
    images = draw("constant", *shape).reshape(64, -1)
    assert (images == images[:, :1]).all()
    assert len(np.unique(images[:, 0])) == 64


# Drawing


@settings(deadline=None)
@given(
    name=st.sampled_from(EVERY),
    shape=st.tuples(*[st.integers(1, 9)] * 4),
    seed=st.integers(0, 2**32),
)
@example(name="pink", shape=(1, 2, 1, 2), seed=0)  # two fields of one transform
def test_images_of_any_size_are_dense_finite_float32(name, shape, seed):
    images = sample(name, shape, seeded(seed))
    assert (images.shape, images.dtype) == (shape, torch.float32)
    assert images.is_contiguous()
    assert images.isfinite().all()


@pytest.mark.parametrize("shape", [(5,), (5, 2), (5, 7, 3), (5, 1, 2, 3, 4)])
@pytest.mark.parametrize("name", [*INDEPENDENT, "constant"])
def test_unstructured_noise_takes_any_shape(name, shape):
    assert sample(name, shape, seeded()).shape == shape


@pytest.mark.parametrize("name", EVERY)
def test_the_generator_s_state_is_all_that_decides(name):
    generator = seeded(7)
    outside = torch.random.get_rng_state()
    state = generator.get_state()
    first, second = (sample(name, (4, 3, 8, 8), generator) for _ in range(2))
    again = sample(name, (4, 3, 8, 8), generator.set_state(state))
    assert torch.equal(first, again)
    assert not torch.equal(first, second)
    assert not torch.equal(first, sample(name, (4, 3, 8, 8), seeded(8)))
    assert torch.equal(outside, torch.random.get_rng_state())


def test_another_process_draws_the_same_bits(elsewhere):
    assert list(elsewhere["noise"]) == EVERY
    assert elsewhere["noise"] == fingerprints.noise()


# Refusals


def refusal(name: str, *shape: int, mean: float = 0.0, std: float = 1.0) -> str:
    with pytest.raises(ValueError, match="noise") as caught:
        sample(name, shape, seeded(), mean, std)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_an_unknown_name_is_told_what_is_accepted():
    message = refusal("brown", 2, 3, 8, 8)
    assert "'brown'" in message
    assert ", ".join(EVERY) in message


@pytest.mark.parametrize("shape", [(8,), (8, 784), (8, 28, 28), (8, 1, 4, 4, 4)])
@pytest.mark.parametrize("name", IMAGES_ONLY)
def test_structured_noise_on_no_image_names_the_shape_and_a_way_out(name, shape):
    message = refusal(name, *shape)
    assert name in message
    assert str(shape) in message
    assert ", ".join([*INDEPENDENT, "constant"]) in message


@pytest.mark.parametrize(
    ("mean", "std"), [(0.0, -1.0), (0.0, math.nan), (0.0, math.inf), (math.nan, 1.0)]
)
def test_moments_that_no_noise_has_are_refused(mean, std):
    message = refusal("gaussian", 2, 2, mean=mean, std=std)
    assert str(mean) in message
    assert str(std) in message
