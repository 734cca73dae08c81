"""Decoded examples: what every source gives, whatever it was read from.

A source is decoded once, in the driver, and then only passed around: uint8 pixels or tokens as
stored, no normalisation and no augmentation. Its digest stands for it in a trial's id, so that the
same examples under another name or path give the same trial.
"""

import hashlib
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainables.config.base import Kind

Channels = tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Examples:
    inputs: Tensor  # (n, *shape): uint8 pixels or tokens; or float32 values, used as they are
    labels: Tensor  # (n, *targets), int64, in 0 … classes − 1, or NO_CLASS; see trainables.tasks

    def __len__(self) -> int:
        return len(self.labels)

    def __reduce__(self) -> tuple[Any, ...]:
        # NumPy arrays travel out of band: processes that are sent the examples share one copy
        return _from_arrays, (self.inputs.numpy(), self.labels.numpy())


def _from_arrays(inputs: NDArray[Any], labels: NDArray[np.int64]) -> Examples:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # shared memory is read-only, as examples are
        return Examples(torch.from_numpy(inputs), torch.from_numpy(labels))


def no_examples(like: Examples) -> Examples:
    """An empty split whose inputs and labels would have the types and shapes of `like`."""
    return Examples(like.inputs[:0].clone(), like.labels[:0].clone())


@dataclass(frozen=True, eq=False)
class Source:
    """The splits of one data set. `train` is empty where a set has test examples only: such a
    source serves as out-of-distribution data, of which the test split is taken."""

    name: str  # as the user wrote it
    train: Examples
    validation: Examples | None  # None: the source has none of its own
    test: Examples
    class_names: tuple[str, ...]  # of a text, what each token stands for
    kind: Kind = "classification"
    notes: tuple[str, ...] = ()  # sentences on choices that the user did not make, such as a split
    left_out: Mapping[str, int] = field(default_factory=dict)  # files, by ending or by place

    @property
    def classes(self) -> int:
        return len(self.class_names)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one example's input: (channels, height, width) of an image, (context,) of a text."""
        return tuple(self.test.inputs.shape[1:])

    @cached_property
    def digest(self) -> str:
        """sha256 of the inputs and labels of every split, of the kind and the number of classes.

        Independent of the source's name, path and class names; the same in every process.
        """
        digest = hashlib.sha256(f"{self.kind}, classes {self.classes}".encode())
        splits = {"train": self.train, "validation": self.validation, "test": self.test}
        for name, split in splits.items():
            if split is None:
                continue
            for kind, array in (("inputs", split.inputs), ("labels", split.labels)):
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
    # measured over all training examples; std over all their pixels
    "photos": ((0.49304313, 0.37199859, 0.32379614), (0.31691717, 0.25279335, 0.25588519)),
    "digits": ((0.30724859,), (0.3762707,)),
    "textures": ((0.4643948,) * 3, (0.18745822,) * 3),
    "mosaics": ((0.49870407, 0.37281236, 0.32055246), (0.31456586, 0.24893838, 0.25105912)),
    # the values in general use, not measured here: the std over all pixels of the training images;
    # for CIFAR-100 as in github.com/weiaicunzai/pytorch-cifar100, for MNIST as in PyTorch's example
    "cifar100": ((0.50707516, 0.48654887, 0.44091784), (0.26733429, 0.25643846, 0.27615047)),
    "svhn": ((0.4376821, 0.4437697, 0.47280442), (0.19803012, 0.20101562, 0.19703614)),
    "mnist": ((0.1307,), (0.3081,)),
    "fashion_mnist": ((0.2860,), (0.3530,)),
    "stl10": ((0.4467, 0.4398, 0.4066), (0.2603, 0.2566, 0.2713)),
    # as torchvision's pretrained models were trained; how it was computed is only partly known,
    # probably as the mean of each image's own std (github.com/pytorch/vision/pull/1965)
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}


def stated_normalisation(name: str) -> tuple[Channels, Channels] | None:
    """The (mean, std) per channel stated for a data set; None where none is.

    Names are those of sources, `cifar10-pixels` for the other std in use for CIFAR-10, and
    `imagenet`, with which pretrained weights expect their inputs.
    """
    return _STATED.get(name)
