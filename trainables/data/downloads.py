"""`cifar10` and `svhn`, as torchvision fetches and checks them.

Nothing is fetched unless allowed. Both have a training and a test split; SVHN's `extra` images are
left out. Sources: Krizhevsky, "Learning multiple layers of features from tiny images" (2009);
Netzer et al., "Reading digits in natural images with unsupervised feature learning" (2011).
"""

from pathlib import Path

import numpy as np

from trainables.data.arrays import images
from trainables.data.images import DataError, Images, Source

_SPLITS = ("train", "test")


def from_torchvision(name: str, root: Path, download: bool) -> Source:
    """CIFAR-10 or SVHN from `root`, fetched into it where missing and `download` allows it."""
    try:
        train, test, class_names = (_cifar10 if name == "cifar10" else _svhn)(root, download)
    except (OSError, RuntimeError) as error:  # URLError is an OSError
        otherwise = "or give the images as npz:PATH or folder:PATH"
        if not download:
            raise DataError(
                f"{name}: not found in {root}; allow fetching it with --download, {otherwise}"
            ) from error
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(
            f"{name}: could not be fetched into {root} ({reason}); "
            f"try again with internet access, {otherwise}"
        ) from error
    return Source(name, train, None, test, class_names)


def _cifar10(root: Path, download: bool) -> tuple[Images, Images, tuple[str, ...]]:
    from torchvision.datasets import CIFAR10  # late: takes a second to import

    sets = {split: CIFAR10(root, split == "train", download=download) for split in _SPLITS}
    train, test = (
        images("cifar10", split, held.data, np.asarray(held.targets))
        for split, held in sets.items()
    )
    return train, test, tuple(sets["train"].classes)


def _svhn(root: Path, download: bool) -> tuple[Images, Images, tuple[str, ...]]:
    from torchvision.datasets import SVHN  # late: takes a second to import

    sets = {split: SVHN(root, split, download=download) for split in _SPLITS}
    train, test = (
        images("svhn", split, held.data.transpose(0, 2, 3, 1), held.labels)
        for split, held in sets.items()
    )
    return train, test, tuple(str(digit) for digit in range(10))
