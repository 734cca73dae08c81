"""The noise a network is warmed up on, in thirteen distributions.

    noise = sample("gaussian", (128, 3, 32, 32), generator, mean=0.0, std=1.0)

Whatever the distribution, the marginal of **every element** has exactly the asked mean and standard
deviation, in expectation over draws: a comparison of distributions compares shape and correlation
and nothing else. So no sample is ever standardised by its own moments, which would couple its
elements. Each distribution is scaled by a constant in closed form; the structured ones live on a
torus, at uniformly random places and phases, so that no pixel differs from another in law. "Exact"
is to rounding: float32, and the 2⁻²⁴ grain of `torch.rand`, which cuts the tail of Student's t
short and so lowers its std by 4e-5, the others' by less.

All randomness comes from the generator, and the noise is made on the generator's device: the same
state gives the same bits, in any process on the same kind of machine. A batch of (128, 3, 32, 32)
takes 0.3 to 4.0 ms on one CPU thread (PyTorch 2.14), where `torch.randn` alone takes 1.3 ms.

Sources
    Student's t     Bailey, Mathematics of Computation 62, 779–781 (1994)
    pink            convention: power, not amplitude, falls as 1/f. Natural images fall nearer to
                    1/f² (Field, J. Opt. Soc. Am. A 4, 2379–2394 (1987))
    waves, blobs    spontaneous activity before the eyes open: Meister et al., Science 252, 939–943
                    (1991); Wong, Annual Review of Neuroscience 22, 29–47 (1999)
"""

from __future__ import annotations

import math
from functools import cache
from importlib import import_module
from statistics import NormalDist
from typing import Final

import torch
from torch import Generator, Tensor

from trainables.config.noise import DISTRIBUTIONS

Shape = tuple[int, ...]  # (batch, *input shape); images are (batch, channels, height, width)

DEGREES_OF_FREEDOM: Final = 5  # of student_t: the smallest whole number with a finite kurtosis
SPARSE_FRACTION: Final = 0.1  # of elements that are not zero
BLUR_SIGMA: Final = 2.0  # pixels, in blurred and blobs
BLOB_FRACTION: Final = 0.2  # of elements that are active
HIGHEST_FREQUENCY: Final = 1 / 4  # cycles per pixel, in gratings and waves
PACKETS_ACROSS: Final = 8  # a wave packet's sigma is 1/8 of the shorter side
STEP: Final = 1 / 4  # wavelengths a wave travels from one channel to the next


def sample(
    distribution: str,
    shape: Shape,
    generator: Generator,
    mean: float = 0.0,
    std: float = 1.0,
) -> Tensor:
    """One batch of noise: float32, contiguous, of `shape`, on the generator's device."""
    if distribution not in DISTRIBUTIONS:
        accepted = ", ".join(DISTRIBUTIONS)
        raise ValueError(f"noise distribution {distribution!r} is unknown: use one of {accepted}")
    if DISTRIBUTIONS[distribution].images_only and len(shape) != 4:
        anywhere = ", ".join(name for name, d in DISTRIBUTIONS.items() if not d.images_only)
        raise ValueError(
            f"{distribution} noise needs a shape (batch, channels, height, width), got "
            f"{tuple(shape)}: draw it as images and reshape, or use one of {anywhere}"
        )
    if not (math.isfinite(mean) and math.isfinite(std) and std >= 0):
        raise ValueError(f"noise needs a finite mean and a finite std ≥ 0, got {mean} and {std}")
    draw = getattr(import_module(DISTRIBUTIONS[distribution].module), distribution)
    noise: Tensor = draw(shape, generator)
    if (mean, std) != (0, 1):
        # in one pass; made on the device, for to copy a number there is to wait for it
        noise = torch.add(torch.full((), mean, device=noise.device), noise, alpha=std)
    return noise.contiguous()


def _uniform(shape: Shape, generator: Generator) -> Tensor:
    """Uniform on [0, 1): zero occurs, one does not."""
    return torch.rand(shape, generator=generator, device=generator.device, dtype=torch.float32)


def gaussian(shape: Shape, generator: Generator) -> Tensor:
    return torch.randn(shape, generator=generator, device=generator.device, dtype=torch.float32)


# Independent elements. A logarithm's argument is 1 − u in (0, 1], or is kept off zero by name.
# `log` and `exp` are vectorised on the CPU; `log1p` and `expm1`, eight times slower, are not.


def uniform(shape: Shape, generator: Generator) -> Tensor:
    return math.sqrt(3) * (2 * _uniform(shape, generator) - 1)


def laplace(shape: Shape, generator: Generator) -> Tensor:
    return _laplace_quantile(_uniform(shape, generator))


def _laplace_quantile(u: Tensor) -> Tensor:
    """The inverse CDF at u in [0, 1), scale 1/√2. At u = 0 it is −∞; half a grain inside is not."""
    side = 2 * u - 1
    tail = (1 - side.abs()).clamp_min(2**-24)
    return side.sign() * tail.log() / -math.sqrt(2)


def student_t(shape: Shape, generator: Generator) -> Tensor:
    """Bailey's polar method: √(ν·(w^(−2/ν) − 1))·cos 2πv, which is Box–Muller as ν → ∞.

    The sine would be a second value, uncorrelated with the first but not independent: not used.
    """
    nu = DEGREES_OF_FREEDOM
    w, v = 1 - _uniform(shape, generator), _uniform(shape, generator)
    power = w.log_().mul_(-2 / nu).exp_()  # w^(−2/ν); in place, as this is the slowest of all
    radius = power.sub_(1).mul_(nu - 2).sqrt_()  # ν − 2 for ν: the variance was ν/(ν − 2)
    return radius.mul_(v.mul_(2 * math.pi).cos_())


def exponential(shape: Shape, generator: Generator) -> Tensor:
    return -(1 - _uniform(shape, generator)).log() - 1


def bernoulli(shape: Shape, generator: Generator) -> Tensor:
    device = generator.device
    coin = torch.randint(0, 2, shape, generator=generator, device=device, dtype=torch.float32)
    return 2 * coin - 1


def sparse(shape: Shape, generator: Generator) -> Tensor:
    side = 2 * _uniform(shape, generator) - 1
    salt_and_pepper = (side / (1 - SPARSE_FRACTION)).trunc()  # ±1 where |side| ≥ 1 − p, else 0
    return salt_and_pepper / math.sqrt(SPARSE_FRACTION)


# Structured images.


def pink(shape: Shape, generator: Generator) -> Tensor:
    """Shaped in the frequency domain; real and imaginary part are two independent fields."""
    batch, channels, height, width = shape
    fields = batch * channels
    white = torch.view_as_complex(gaussian(((fields + 1) // 2, height, width, 2), generator))
    amplitude = _pink_amplitude(height, width, generator.device)
    pairs = torch.view_as_real(torch.fft.ifft2(amplitude * white, norm="ortho"))
    return pairs.movedim(-1, 0).reshape(-1, height, width)[:fields].view(shape)


@cache
def _pink_amplitude(height: int, width: int, device: torch.device) -> Tensor:
    """√(1/f), of mean power 1. The mean (f = 0) has the power of the lowest frequency, 1/side."""
    y = torch.fft.fftfreq(height, dtype=torch.float64)
    x = torch.fft.fftfreq(width, dtype=torch.float64)
    frequency = torch.hypot(y[:, None], x)  # cycles per pixel
    frequency[0, 0] = 1 / max(height, width)
    power = 1 / frequency
    return (power / power.mean()).sqrt().to(device, torch.float32)


def blurred(shape: Shape, generator: Generator) -> Tensor:
    """White noise under a circular Gaussian blur: two small matrices, faster than a transform."""
    _, _, height, width = shape
    device = generator.device
    return _blur(height, device) @ gaussian(shape, generator) @ _blur(width, device)


@cache
def _blur(side: int, device: torch.device) -> Tensor:
    """The blur along one axis, (side, side): circulant, each row of unit energy."""
    reach = math.ceil(8 * BLUR_SIGMA)  # a Gaussian is below 1e-13 from there on
    kernel = torch.zeros(side, dtype=torch.float64)
    for offset in range(-reach, reach + 1):
        kernel[offset % side] += math.exp(-0.5 * (offset / BLUR_SIGMA) ** 2)
    kernel /= kernel.norm()
    here = torch.arange(side)
    return kernel[(here[:, None] - here) % side].to(device, torch.float32)


def blobs(shape: Shape, generator: Generator) -> Tensor:
    """Where a blurred field, exactly standard normal at every pixel, is in its upper fraction p."""
    batch, _, height, width = shape
    p = BLOB_FRACTION
    field = blurred((batch, 1, height, width), generator)
    active = (field > NormalDist().inv_cdf(1 - p)).float()
    return ((active - p) / math.sqrt(p * (1 - p))).expand(shape)


def gratings(shape: Shape, generator: Generator) -> Tensor:
    """√2·cos(2π(k·r) + φ), with φ uniform and k whole cycles, so that it closes on the torus."""
    batch, _, height, width = shape
    y, x = _pixels(height, width, generator)
    frequency = _frequency(batch, 1 / min(height, width), generator)
    along_y = (frequency[:, 0] * height).round() / height * y  # (batch, 1, height), cycles
    along_x = (frequency[:, 1] * width).round() / width * x
    along_x = along_x + _uniform((batch, 1, 1), generator)
    grating = _wave(along_y, along_x, torch.ones_like(along_y), torch.ones_like(along_x))
    return (math.sqrt(2) * grating).expand(shape)


def waves(shape: Shape, generator: Generator) -> Tensor:
    """A packet exp(−|d|²/2s²)·cos(2π(k·d) + φ) that travels as a whole, channels being moments.

    d is the shortest way on the torus from the packet's centre, so the envelope's mean energy along
    an axis of length L is the integral of exp(−d²/s²)/L over [−L/2, L/2]: √π·(s/L)·erf(L/2s).
    """
    batch, channels, height, width = shape
    shorter = min(height, width)
    sigma = shorter / PACKETS_ACROSS
    frequency = _frequency(batch, PACKETS_ACROSS / 2 / shorter, generator)  # (batch, 2, 1, 1)
    start = _uniform((batch, 2, 1, 1), generator)
    phase = _uniform((batch, 1, 1), generator)

    moment = torch.arange(channels, device=generator.device)[:, None]  # (channels, 1)
    travelled = STEP * moment * frequency / frequency.square().sum(1, keepdim=True)
    scale = math.sqrt(2)
    distances = []  # along y (batch, channels, height), along x (batch, channels, width); pixels
    for axis, pixel in enumerate(_pixels(height, width, generator)):
        side = len(pixel)
        centre = start[:, axis] * side + travelled[:, axis]
        distances.append((pixel - centre + side / 2).remainder(side) - side / 2)
        energy = math.sqrt(math.pi) * sigma / side * math.erf(side / (2 * sigma))
        scale /= math.sqrt(energy)
    y, x = distances
    packet = _wave(
        frequency[:, 0] * y,
        frequency[:, 1] * x + phase,
        torch.exp(-0.5 * (y / sigma).square()),
        torch.exp(-0.5 * (x / sigma).square()),
    )
    return scale * packet


def _pixels(height: int, width: int, generator: Generator) -> tuple[Tensor, Tensor]:
    device = generator.device
    y = torch.arange(height, device=device, dtype=torch.float32)
    return y, torch.arange(width, device=device, dtype=torch.float32)


def _frequency(batch: int, lowest: float, generator: Generator) -> Tensor:
    """Vectors in cycles per pixel, (batch, 2 as y and x, 1, 1): uniform in direction, log-uniform
    in length from `lowest` to HIGHEST_FREQUENCY."""
    angle = 2 * math.pi * _uniform((batch, 1, 1, 1), generator)
    octaves = math.log2(HIGHEST_FREQUENCY / lowest) * _uniform((batch, 1, 1, 1), generator)
    return lowest * octaves.exp2() * torch.cat([angle.sin(), angle.cos()], dim=1)


def _wave(y: Tensor, x: Tensor, envelope_y: Tensor, envelope_x: Tensor) -> Tensor:
    """envelope_y·envelope_x·cos 2π(y + x), phases in cycles, as the real part of an outer product.

    (..., height), (..., width) → (..., height, width), for height + width cosines.
    """
    along_y = torch.polar(envelope_y, 2 * math.pi * y)
    along_x = torch.polar(envelope_x, 2 * math.pi * x)
    return (along_y[..., :, None] * along_x[..., None, :]).real


def constant(shape: Shape, generator: Generator) -> Tensor:
    batch, *inputs = shape
    return gaussian((batch, *(1 for _ in inputs)), generator).expand(shape)
