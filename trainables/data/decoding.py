"""Image files as arrays of one size: pixels bilinear with antialiasing, classes by nearest pixel.

Sizes are (width, height), as Pillow has them. An image that already has the size is not changed.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

# what Pillow raises on files that are damaged or no images
UNREADABLE = (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError)


def rgb(image: Image.Image, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Three channels, whatever the file has: (3, height, width)."""
    resized = image.convert("RGB").resize(size, Image.Resampling.BILINEAR)
    return np.asarray(resized).transpose(2, 0, 1)


def classes(mask: Image.Image, size: tuple[int, int]) -> NDArray[Any]:
    """The values of a mask, such as the entries of its palette: (height, width)."""
    return np.asarray(mask.resize(size, Image.Resampling.NEAREST))
