"""The distributions that warm-up noise may have, by name; `trainables.noise` draws from them.

Apart from the drawing, so that a study can be checked without waiting for PyTorch.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True)
class Distribution:
    """Noise whose every element has mean 0 and standard deviation 1."""

    description: str  # one sentence, for captions and documentation
    images_only: bool = False  # needs (batch, channels, height, width)
    module: str = "trainables.noise"  # that draws it, by a function of the distribution's name


_IMAGES_ONLY: Final = True

DISTRIBUTIONS: Final[Mapping[str, Distribution]] = MappingProxyType(
    {
        "gaussian": Distribution("Independent normal elements."),
        "uniform": Distribution("Independent, uniform on mean ± √3 std."),
        "laplace": Distribution("Independent Laplace elements, of exponential tails."),
        "student_t": Distribution("Independent Student's t, 5 degrees of freedom."),
        "exponential": Distribution("Independent exponential elements, centred."),
        "bernoulli": Distribution("Independent signs: one std up or down, even odds."),
        "sparse": Distribution("Salt and pepper on one element in ten, else the mean."),
        "pink": Distribution("Per channel a Gaussian field of power 1/f.", _IMAGES_ONLY),
        "blurred": Distribution("White noise blurred by 2 pixels.", _IMAGES_ONLY),
        "gratings": Distribution("One random sinusoid per image.", _IMAGES_ONLY),
        "waves": Distribution("A wave packet travelling over the channels.", _IMAGES_ONLY),
        "blobs": Distribution("Binary blobs over a fifth of the pixels.", _IMAGES_ONLY),
        "constant": Distribution("One normal value per image, in all its elements."),
    }
)
