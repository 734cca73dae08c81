"""From arrays as data sets store them to checked splits.

Takes pixels with the channels last, (n, height, width, channels) or (n, height, width), of 8 bits
or of 16 that are scaled by their range, and labels (n,) or (n, 1); promises uint8 (n, channels,
height, width) and int64 labels in 0 … classes − 1.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from trainables.data.examples import Examples
from trainables.errors import DataError

CHANNELS = range(1, 5)

Array = NDArray[Any]


def images(name: str, keys: tuple[str, str], x: Array, y: Array) -> Examples:
    """One split of the source `name`, checked.

    Args:
        keys: what the two arrays are called.

    Raises:
        DataError: names the array and what it should be.
    """
    held = pixels(f"{name}: {keys[0]}", x)
    labels = labels_of(f"{name}: {keys[1]}", y)
    if len(held) != len(labels):
        raise DataError(
            f"{name}: {keys[0]} has {len(held)} images and {keys[1]} {len(labels)} labels; "
            "give one label per image"
        )
    return Examples(torch.from_numpy(held), torch.from_numpy(labels))


def scaled(values: Array, bits: int) -> NDArray[np.uint8]:
    """Unsigned integers of so many bits as 8 bits: value / (2^bits − 1) · 255, to the nearest."""
    largest = 2**bits - 1
    table = ((np.arange(largest + 1) * 255 + largest // 2) // largest).astype(np.uint8)
    return np.asarray(table[values])


def classes_of(name: str, splits: Mapping[str, Examples], keys: Mapping[str, str]) -> int:
    """How many classes the labels speak of: those of the training images where there are some.

    Args:
        keys: what the labels of each split are called.

    Raises:
        DataError: a training class without an image, or a label that is out of range.
    """
    images_in_all = sum(len(split) for split in splits.values())
    trained = "train" in splits
    if trained:
        present = np.unique(splits["train"].labels.numpy())
        classes = int(present[-1]) + 1
        if len(present) < classes:
            missing = next(label for label, there in enumerate(present.tolist()) if label != there)
            raise DataError(
                f"{name}: {keys['train']}: no image has label {missing}, the largest is "
                f"{classes - 1}; number the classes from 0 without a gap"
            )
        if classes < 2:
            raise DataError(f"{name}: {keys['train']}: every label is 0; give at least 2 classes")
    else:  # only seen as out-of-distribution, where a gap does no harm
        classes = min(images_in_all, 1 + max(int(split.labels.max()) for split in splits.values()))
    for split, content in splits.items():
        largest = int(content.labels.max())
        if largest >= classes:
            raise DataError(
                f"{name}: {keys[split]}: label {largest} is out of range; the "
                f"{'training labels' if trained else f'{images_in_all} images'} allow "
                f"0 … {classes - 1}"
            )
    return classes


def pixels(field: str, x: Array) -> NDArray[np.uint8]:
    """The images of an array, checked: (n, channels, height, width).

    Raises:
        DataError: names the `field` and what it should be.
    """
    deep = x.dtype.kind == "u" and x.dtype.itemsize == 2
    if x.dtype != np.uint8 and not deep:
        raise DataError(f"{field}: dtype {x.dtype}; give uint8, 0 to 255{_remedy(x)}")
    if x.ndim == 3:
        x = x[..., np.newaxis]
    if x.ndim != 4 or x.shape[-1] not in CHANNELS:
        raise DataError(
            f"{field}: shape {x.shape}; give (n, height, width) or "
            "(n, height, width, channels) with 1 to 4 channels, the channels last"
        )
    if 0 in x.shape:
        raise DataError(f"{field}: shape {x.shape} holds no image; give at least one")
    if deep and x.max() <= 255:
        raise DataError(
            f"{field}: dtype uint16, which is scaled by its range, yet no value is above 255; "
            "give x.astype('uint8')"
        )
    x = x.transpose(0, 3, 1, 2)
    return np.ascontiguousarray(scaled(x, 16) if deep else x)


def _remedy(x: Array) -> str:
    """What makes pixels of another type 8-bit ones, as far as their values tell."""
    if x.dtype.kind not in "biuf" or not x.size:
        return ""
    low, high = x.min(), x.max()
    if low >= 0 and high <= 1:
        return " (here from 0 to 1: (x * 255.0).round().astype('uint8'))"
    if low >= 0 and high <= 255:
        return f" (here to {high:g}: x.round().astype('uint8'))"
    if low >= 0 and high <= 65535 and x.dtype.kind != "f":
        return f" (here to {high:g}: x.astype('uint16') where 65535 is white)"
    return f" (here from {low:g} to {high:g}: bring what is white to 255 and what is black to 0)"


def labels_of(field: str, y: Array) -> NDArray[np.int64]:
    """Class numbers, checked: (n,).

    Raises:
        DataError: names the `field` and what it should be.
    """
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1:
        remedy = "give class numbers (n,) or (n, 1)"
        raise DataError(f"{field}: shape {y.shape}; {remedy}, not one-hot rows")
    if y.dtype.kind not in "iu":
        raise DataError(f"{field}: dtype {y.dtype}; give integer class numbers from 0")
    if y.size and (y.min() < 0 or y.max() > np.iinfo(np.int64).max):
        worst = y.min() if y.min() < 0 else y.max()
        raise DataError(f"{field}: label {worst} is out of range; number the classes from 0")
    return y.astype(np.int64)
