"""A file of test images alone, in halves: one to learn from, one to be tested on.

SVHN's test images lie as their photographs do, digits of one house number behind each other. The
file is cut in the middle, and not at random, lest a number's digits be on both sides.
"""

import os
from functools import cache
from pathlib import Path

import numpy as np

from trainables.data.sources import load

SUFFIX = "-halves"  # of the name of such a file
FOLDER = Path("reports", "images")  # in the working folder, where all that is made lies


@cache
def has_training_images(file: Path) -> bool:
    """Whether an archive has them; taken as said where it is not there to be looked into.

    Raises:
        DataError: it cannot be read.
    """
    return not file.exists() or len(load(f"npz:{file}").train) > 0


def halves_of(file: Path) -> Path:
    """Where the halves of an archive lie once they are made."""
    return (FOLDER / f"{file.stem}{SUFFIX}.npz").absolute()


def make_halves(file: Path) -> Path:
    """The first half of its test images as training images, the rest as test images.

    Who reads them meanwhile has the old file or the new one.
    """
    test, made = load(f"npz:{file}").test, halves_of(file)
    images, labels = test.inputs.permute(0, 2, 3, 1).numpy(), test.labels.numpy()
    middle = len(test) // 2
    made.parent.mkdir(parents=True, exist_ok=True)
    new = made.with_name(f"{made.stem}.{os.getpid()}.npz")
    np.savez(
        new,
        x_train=images[:middle],
        y_train=labels[:middle],
        x_test=images[middle:],
        y_test=labels[middle:],
    )
    new.replace(made)
    return made
