"""A file of test images alone, in halves: one to learn from, one to be tested on.

SVHN's test images lie as their photographs do, digits of one house number behind each other. The
file is cut in the middle, and not at random, lest a number's digits be on both sides.
"""

import os
from contextlib import suppress
from functools import cache
from hashlib import sha256
from pathlib import Path

import numpy as np

from trainables.data.sources import load
from trainables.errors import DataError

FOLDER = Path("reports", "images")  # in the working folder, where all that is made lies


@cache
def has_training_images(file: Path) -> bool:
    """
    Raises:
        DataError: the archive cannot be read, or holds no labelled images.
    """
    return len(load(f"npz:{file}").train) > 0


@cache
def halves_of(file: Path) -> Path:
    """Where the halves of an archive lie once they are made; named by what is in it."""
    digest = sha256(file.read_bytes()).hexdigest()[:8]
    return (FOLDER / f"{file.stem}-halves-{digest}.npz").absolute()


def make_halves(file: Path) -> Path:
    """The first half of its test images as training images, the rest as test images; where they
    were made before, as they are.

    Raises:
        DataError: they cannot be written.
    """
    made = halves_of(file)
    if made.exists():
        return made
    test = load(f"npz:{file}").test
    images, labels = test.inputs.permute(0, 2, 3, 1).numpy(), test.labels.numpy()
    new, middle = made.with_name(f"{made.stem}.{os.getpid()}.npz"), len(test) // 2
    try:
        made.parent.mkdir(parents=True, exist_ok=True)
        np.savez(
            new,
            x_train=images[:middle],
            y_train=labels[:middle],
            x_test=images[middle:],
            y_test=labels[middle:],
        )
        new.replace(made)
    except OSError as error:
        raise DataError(
            f"{made}: cannot be written ({error.strerror}); make room there, or give {file.name} "
            "training images"
        ) from error
    finally:
        with suppress(OSError):  # it has become the file, or could not be written
            new.unlink()
    return made
