"""Decoded images: what every source gives, whatever it was read from.

A source is decoded once, in the driver, and then only passed around: uint8 pixels as stored, no
normalisation and no augmentation. Its digest stands for it in a trial's id, so that the same
images under another name or path give the same trial.
"""

import hashlib
import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Channels = tuple[float, ...]


class DataError(ValueError):
    """Data that cannot be used; one line with the field, its value and the remedy."""


@dataclass(frozen=True, eq=False)
class Images:
    """One split."""

    pixels: Tensor  # (n, channels, height, width), uint8
    labels: Tensor  # (n,), int64, in 0 … classes − 1

    def __len__(self) -> int:
        return len(self.labels)

    def __reduce__(self) -> tuple[Any, ...]:
        # NumPy arrays travel out of band: processes that are sent the images share one copy
        return _from_arrays, (self.pixels.numpy(), self.labels.numpy())


def _from_arrays(pixels: NDArray[np.uint8], labels: NDArray[np.int64]) -> Images:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # shared memory is read-only, as images are
        return Images(torch.from_numpy(pixels), torch.from_numpy(labels))


def no_images(shape: tuple[int, ...]) -> Images:
    """An empty split of images of `shape` (channels, height, width)."""
    return Images(torch.empty((0, *shape), dtype=torch.uint8), torch.empty(0, dtype=torch.int64))


@dataclass(frozen=True, eq=False)
class Source:
    """The splits of one data set. `train` is empty where a set has test images only: such a
    source serves as out-of-distribution data, of which the test split is taken."""

    name: str  # as the user wrote it
    train: Images
    validation: Images | None  # None: the source has none of its own
    test: Images
    class_names: tuple[str, ...]

    @property
    def classes(self) -> int:
        return len(self.class_names)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one image: (channels, height, width)."""
        return tuple(self.test.pixels.shape[1:])

    @cached_property
    def digest(self) -> str:
        """sha256 of the pixels and labels of every split and of the number of classes.

        Independent of the source's name, path and class names; the same in every process.
        """
        digest = hashlib.sha256(f"classes {self.classes}".encode())
        splits = {"train": self.train, "validation": self.validation, "test": self.test}
        for name, split in splits.items():
            if split is None:
                continue
            for kind, array in (("pixels", split.pixels), ("labels", split.labels)):
                digest.update(f" {name} {kind} {array.dtype} {tuple(array.shape)} ".encode())
                digest.update(array.contiguous().numpy().data)
        return digest.hexdigest()


# (mean, std) per channel of pixels in [0, 1]
_STATED: dict[str, tuple[Channels, Channels]] = {
    # Cheon & Paik, Nature Machine Intelligence 8, 602–613 (2026): this std is the mean over the
    # training images of each image's own std
    "cifar10": ((0.49139968, 0.48215841, 0.44653091), (0.20220212, 0.19931542, 0.20086346)),
    # an older release of the authors' code: the std over all training pixels
    "cifar10-pixels": ((0.49139968, 0.48215841, 0.44653091), (0.24703223, 0.24348513, 0.26158784)),
    # measured over all training patches; std over all their pixels
    "photos": ((0.49304313, 0.37199859, 0.32379614), (0.31691717, 0.25279335, 0.25588519)),
}


def stated_normalisation(name: str) -> tuple[Channels, Channels] | None:
    """The (mean, std) per channel stated for a data set; None where none is.

    Names are those of sources, and `cifar10-pixels` for the other std in use for CIFAR-10.
    """
    return _STATED.get(name)
