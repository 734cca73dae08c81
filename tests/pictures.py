"""Folders of small random images, as users have them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

RNG = np.random.default_rng(0)
Pixels = dict[Path, np.ndarray]  # uint8 (height, width, 3), by file


def image(path: Path, pixels: np.ndarray | Image.Image, **options: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    made = Image.fromarray(pixels) if isinstance(pixels, np.ndarray) else pixels
    made.save(path, **options)


def images(folder: Path, count: int = 5, size: tuple[int, int] = (4, 4), start: int = 0) -> Pixels:
    """So many PNG files, of (width, height), from `start`.png on."""
    folder.mkdir(parents=True, exist_ok=True)
    width, height = size
    files = [folder / f"{number}.png" for number in range(start, start + count)]
    made = {file: RNG.integers(0, 256, (height, width, 3), np.uint8) for file in files}
    for file, pixels in made.items():
        image(file, pixels)
    return made


def classes(
    folder: Path,
    count: int = 5,
    names: Sequence[str] = ("ant", "bee"),
    size: tuple[int, int] = (4, 4),
) -> Pixels:
    """A folder of so many for each class."""
    made: Pixels = {}
    for name in names:
        made |= images(folder / name, count, size)
    return made
