"""Corruptions grow with severity, keep images what they are, and are what they say they are."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter, rotate
from torch import Tensor

from analysis.metrics.shift import CORRUPTIONS as NAMES
from analysis.metrics.shift import SEVERITIES
from trainables.data.examples import Source
from trainables.data.sources import load
from trainables.probes.corruptions import CORRUPTIONS, generator_of
from trainables.seeds import global_positions

SHAPES = [(1, 8, 8), (3, 8, 8), (1, 9, 13), (1, 28, 28), (3, 32, 32), (3, 96, 64), (3, 224, 224)]


def images(shape: tuple[int, ...], count: int = 40, seed: int = 0) -> Tensor:
    """Whole 255ths: a coarse pattern, a finer one, and a little noise."""
    random = torch.Generator().manual_seed(seed)
    channels, *size = shape
    made = 0.1 * torch.rand(count, *shape, generator=random)
    for side, weight in ((3, 0.6), (6, 0.3)):
        pattern = torch.rand(count, channels, side, side, generator=random)
        made += weight * torch.nn.functional.interpolate(pattern, size, mode="bilinear")
    return (made * 255).round() / 255


def corrupted(name: str, severity: int, pixels: Tensor) -> Tensor:
    return CORRUPTIONS[name](pixels, severity, generator_of(name, severity))


def amount(name: str, severity: int) -> float:
    return CORRUPTIONS[name].amounts[severity - 1]


def assert_grows(name: str, pixels: Tensor) -> None:
    """From the clean images on."""
    distance = [float((corrupted(name, s, pixels) - pixels).abs().mean()) for s in SEVERITIES]
    assert all(np.diff([0.0, *distance]) > 0), distance


def test_there_are_ten_and_those_that_the_analysis_names():
    assert tuple(CORRUPTIONS) == NAMES
    assert len(NAMES) == 10


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_the_distance_from_the_clean_image_grows_with_severity(name, shape):
    assert_grows(name, images(shape, 4 if shape[1] > 32 else 40))


@pytest.fixture(scope="module", params=["photos", "digits"])
def source(request) -> Source:
    return load(request.param, None, False, None)


@pytest.mark.parametrize("name", NAMES)
def test_so_it_does_of_the_images_that_come_with_the_sweep(name, source):
    assert_grows(name, source.test.inputs[:200].float() / 255)


@pytest.mark.parametrize("shape", [*SHAPES[:3], (3, 1, 1), (1, 2, 5)], ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_images_stay_images_and_what_is_given_is_not_changed(name, shape):
    pixels = images(shape, 5)
    kept, positions = pixels.clone(), global_positions()
    for severity in SEVERITIES:
        found = corrupted(name, severity, pixels)
        assert (found.shape, found.dtype) == (pixels.shape, torch.float32)
        assert 0 <= found.min() <= found.max() <= 1
        assert torch.equal(found, corrupted(name, severity, pixels))
    assert torch.equal(pixels, kept)
    assert global_positions() == positions


@pytest.mark.parametrize("name", NAMES)
def test_an_image_is_corrupted_alike_however_many_are_taken_at_once(name):
    pixels = images((3, 8, 8), 7)
    random = generator_of(name, 3)
    parts = [CORRUPTIONS[name](part, 3, random) for part in pixels.split(2)]
    assert torch.allclose(torch.cat(parts), corrupted(name, 3, pixels), atol=1e-6)


def test_noise_is_another_for_every_corruption_and_severity():
    first = {
        float(torch.rand(1, generator=generator_of(name, severity)))
        for name in NAMES
        for severity in SEVERITIES
    }
    assert len(first) == len(NAMES) * len(SEVERITIES)


# What each is, by hand and by SciPy

GREY = torch.full((60, 3, 16, 16), 0.5)


@pytest.mark.parametrize("severity", SEVERITIES)
def test_gaussian_noise_has_mean_0_and_the_deviation(severity):
    noise = corrupted("gaussian noise", severity, GREY) - GREY
    assert float(noise.mean()) == pytest.approx(0, abs=0.002)
    assert float(noise.std()) == pytest.approx(amount("gaussian noise", severity), rel=0.02)


@pytest.mark.parametrize("severity", SEVERITIES)
def test_impulse_noise_makes_half_of_its_share_black_and_half_white(severity):
    found = corrupted("impulse noise", severity, GREY)
    half = amount("impulse noise", severity) / 2
    for value in (0.0, 1.0):
        assert float((found == value).float().mean()) == pytest.approx(half, rel=0.2)
    assert set(found.unique().tolist()) == {0.0, 0.5, 1.0}


@pytest.mark.parametrize(("side", "scale"), [(16, 1), (32, 1), (64, 2)])
@pytest.mark.parametrize("severity", [1, 5])
def test_the_blur_is_that_of_scipy_and_wider_in_larger_images(severity, side, scale):
    pixels = images((3, side, side), 2)
    deviation = scale * amount("gaussian blur", severity)
    reach = int(np.ceil(3 * deviation))
    expected = gaussian_filter(pixels.numpy(), (0, 0, deviation, deviation), mode="mirror",
                               radius=(0, 0, reach, reach))  # fmt: skip
    assert corrupted("gaussian blur", severity, pixels).numpy() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(("side", "scale"), [(16, 1), (64, 2)])
@pytest.mark.parametrize(("severity", "block"), [(1, (1, 2)), (2, (2, 2)), (5, (4, 8))])
def test_pixels_are_the_means_of_blocks(severity, block, side, scale):
    pixels = images((1, side, side), 2)
    height, width = (scale * length for length in block)
    means = pixels.view(2, 1, side // height, height, side // width, width).mean(dim=(3, 5))
    expected = means.repeat_interleave(height, 2).repeat_interleave(width, 3)
    assert torch.allclose(corrupted("pixelation", severity, pixels), expected, atol=1e-6)


def test_blocks_at_the_edge_are_the_means_of_what_is_there():
    pixels = images((1, 9, 9), 2)
    found = corrupted("pixelation", 4, pixels)
    assert torch.allclose(found[..., 8, 8], pixels[..., 8, 8])
    assert torch.allclose(found[..., 8, 4:8], pixels[..., 8, 4:8].mean(dim=-1, keepdim=True))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("severity", SEVERITIES)
def test_jpeg_is_that_of_an_image_saved_with_the_quality(severity, channels):
    pixels = images((channels, 24, 16), 3)
    found = corrupted("JPEG", severity, pixels)
    for image, compressed in zip(pixels, found, strict=True):
        whole = (image * 255).round().to(torch.uint8).permute(1, 2, 0).squeeze(-1).numpy()
        file = io.BytesIO()
        Image.fromarray(whole).save(file, "JPEG", quality=(80, 65, 58, 50, 40)[severity - 1])
        expected = np.asarray(Image.open(file), np.float32).reshape(24, 16, channels) / 255
        assert compressed.permute(1, 2, 0).numpy() == pytest.approx(expected)


@pytest.mark.parametrize("severity", SEVERITIES)
def test_light_is_added_and_taken_within_what_there_is(severity):
    pixels = images((3, 8, 8))
    light = amount("brighter", severity)
    assert light == amount("darker", severity)
    assert torch.equal(corrupted("brighter", severity, pixels), (pixels + light).clamp(max=1))
    assert torch.equal(corrupted("darker", severity, pixels), (pixels - light).clamp(min=0))


@pytest.mark.parametrize("severity", SEVERITIES)
def test_contrast_is_a_share_of_the_distance_from_the_image_s_mean(severity):
    pixels = images((1, 8, 8))
    mean = pixels.mean(dim=(1, 2, 3), keepdim=True)
    expected = mean + amount("contrast", severity) * (pixels - mean)
    assert torch.allclose(corrupted("contrast", severity, pixels), expected, atol=1e-6)


@pytest.mark.parametrize("severity", SEVERITIES)
def test_posterised_bytes_have_so_many_bits(severity):
    whole = torch.arange(256, dtype=torch.float32).view(1, 1, 16, 16)
    step = 2 ** (8 - amount("posterisation", severity))
    found = corrupted("posterisation", severity, whole / 255) * 255
    assert torch.allclose(found, (whole / step).floor() * step, atol=1e-3)


@pytest.mark.parametrize("severity", SEVERITIES)
def test_rotation_is_that_of_scipy_within_and_black_in_the_corners(severity):
    pixels = images((1, 32, 32), 1)
    degrees = amount("rotation", severity)
    found = corrupted("rotation", severity, pixels)[0, 0].numpy()
    expected = rotate(pixels[0, 0].numpy(), degrees, reshape=False, order=1)
    assert found[8:24, 8:24] == pytest.approx(expected[8:24, 8:24], abs=1e-3)
    assert found[0, 0] == 0
