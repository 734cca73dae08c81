"""From arrays as data sets store them to checked splits.

Takes pixels with the channels last, (n, height, width, channels) or (n, height, width), and labels
(n,) or (n, 1); promises uint8 (n, channels, height, width) and int64 labels in 0 … classes − 1.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from trainables.data.examples import Examples
from trainables.errors import DataError

CHANNELS = range(1, 5)

Array = NDArray[Any]


def images(name: str, split: str, x: Array, y: Array) -> Examples:
    """One split of the source `name`, checked.

    Raises:
        DataError: names the array (x_<split> or y_<split>) and what it should be.
    """
    pixels = _pixels(f"{name}: x_{split}", x)
    labels = _labels(f"{name}: y_{split}", y)
    if len(pixels) != len(labels):
        raise DataError(
            f"{name}: x_{split} has {len(pixels)} images and y_{split} {len(labels)} labels; "
            "give one label per image"
        )
    return Examples(torch.from_numpy(pixels), torch.from_numpy(labels))


def classes_of(name: str, splits: dict[str, Examples]) -> int:
    """How many classes the labels speak of: those of the training images where there are some.

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
                f"{name}: y_train: no image has label {missing}, the largest is {classes - 1}; "
                "number the classes from 0 without a gap"
            )
        if classes < 2:
            raise DataError(f"{name}: y_train: every label is 0; give at least 2 classes")
    else:  # only seen as out-of-distribution, where a gap does no harm
        classes = min(images_in_all, 1 + max(int(split.labels.max()) for split in splits.values()))
    for split, content in splits.items():
        largest = int(content.labels.max())
        if largest >= classes:
            raise DataError(
                f"{name}: y_{split}: label {largest} is out of range; the "
                f"{'training labels' if trained else f'{images_in_all} images'} allow "
                f"0 … {classes - 1}"
            )
    return classes


def _pixels(field: str, x: Array) -> NDArray[np.uint8]:
    if x.dtype != np.uint8:
        raise DataError(f"{field}: dtype {x.dtype}; give uint8, 0 to 255")
    if x.ndim == 3:
        x = x[..., np.newaxis]
    if x.ndim != 4 or x.shape[-1] not in CHANNELS:
        raise DataError(
            f"{field}: shape {x.shape}; give (n, height, width) or "
            "(n, height, width, channels) with 1 to 4 channels, the channels last"
        )
    if 0 in x.shape:
        raise DataError(f"{field}: shape {x.shape} holds no image; give at least one")
    return np.ascontiguousarray(x.transpose(0, 3, 1, 2))


def _labels(field: str, y: Array) -> NDArray[np.int64]:
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
