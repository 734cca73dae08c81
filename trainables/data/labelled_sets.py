"""Sets of labelled images of one size, as torchvision's classes read them.

| name            | images                           | classes | source                         |
|-----------------|----------------------------------|---------|--------------------------------|
| `cifar10`       | 50,000 + 10,000 in colour, 32×32 | 10      | Krizhevsky 2009                |
| `cifar100`      | 50,000 + 10,000 in colour, 32×32 | 100     | likewise, the fine labels      |
| `svhn`          | 73,257 + 26,032 in colour, 32×32 | 10      | Netzer et al. 2011             |
| `mnist`         | 60,000 + 10,000 in grey, 28×28   | 10      | LeCun et al. 1998              |
| `fashion_mnist` | 60,000 + 10,000 in grey, 28×28   | 10      | Xiao, Rasul and Vollgraf 2017  |
| `stl10`         | 5,000 + 8,000 in colour, 96×96   | 10      | Coates, Ng and Lee 2011        |

All have a training and a test split. SVHN's `extra` and STL-10's unlabelled images are left out.
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from trainables.data.arrays import Array, images
from trainables.data.examples import Source

# pixels (n, height, width[, channels]), labels (n,) and the names of the classes
Stored = tuple[Array, Array, Sequence[str]]

_DIGITS = "0 1 2 3 4 5 6 7 8 9"
_STL10_CLASSES = "airplane bird car cat deer dog horse monkey ship truck"


def _cifar_or_mnist(dataset: str, root: Path, split: str, download: bool) -> Stored:
    from torchvision import datasets  # late: takes a second to import

    held = getattr(datasets, dataset)(root, train=split == "train", download=download)
    return np.asarray(held.data), np.asarray(held.targets), held.classes


def _svhn_or_stl10(
    dataset: str, class_names: str, root: Path, split: str, download: bool
) -> Stored:
    from torchvision import datasets  # late: takes a second to import

    held = getattr(datasets, dataset)(root, split, download=download)
    return held.data.transpose(0, 2, 3, 1), held.labels, class_names.split()


# (folder, train or test, whether to fetch) → the split
LABELLED: dict[str, Callable[[Path, str, bool], Stored]] = {
    "cifar10": partial(_cifar_or_mnist, "CIFAR10"),
    "cifar100": partial(_cifar_or_mnist, "CIFAR100"),
    "svhn": partial(_svhn_or_stl10, "SVHN", _DIGITS),
    "mnist": partial(_cifar_or_mnist, "MNIST"),
    "fashion_mnist": partial(_cifar_or_mnist, "FashionMNIST"),
    "stl10": partial(_svhn_or_stl10, "STL10", _STL10_CLASSES),
}


def labelled(name: str, root: Path, download: bool) -> Source:
    stored = {split: LABELLED[name](root, split, download) for split in ("train", "test")}
    train, test = (
        images(name, (f"x_{split}", f"y_{split}"), x, y) for split, (x, y, _) in stored.items()
    )
    return Source(name, train, None, test, tuple(stored["train"][2]))
