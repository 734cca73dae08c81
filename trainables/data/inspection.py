"""Looking at decoded sources: what is in them, and what is in two of them at once."""

import hashlib
from collections.abc import Iterator

import torch
from torch import Tensor

from trainables.data.examples import Source
from trainables.data.inventory import Inventory


def training_digests(source: Source) -> frozenset[bytes]:
    """Of every training example's input."""
    return frozenset(_digests(source.train.inputs))


def of_data(source: Source, trained_on: frozenset[bytes]) -> Inventory:
    """Of in-distribution data. trained_on: `training_digests` of the source."""
    splits = {"training": source.train, "validation": source.validation, "test": source.test}
    there = {name: split for name, split in splits.items() if split is not None}
    labelled = source.kind == "classification"
    counts = torch.bincount(source.train.labels, minlength=source.classes) if labelled else ()
    return Inventory(
        name=source.name,
        role="data",
        kind=source.kind,
        shape=source.shape,
        classes=() if source.kind == "language" else source.class_names,
        examples={name: len(split) for name, split in there.items()},
        training_by_class=tuple(map(int, counts)),
        seen={n: _seen(s.inputs, trained_on) for n, s in there.items() if n != "training"},
        left_out=dict(source.left_out),
        notes=source.notes,
    )


def of_ood(ood: Source, source: Source, trained_on: frozenset[bytes]) -> Inventory:
    """Of examples never seen in training on `source`; `trained_on` as above. Those of another shape
    are not compared with its examples: brought to one shape, equal ones need not be equal."""
    alike = ood.test.inputs.dtype == source.test.inputs.dtype and ood.shape == source.shape
    return Inventory(
        name=ood.name,
        role="ood",
        kind=ood.kind,
        shape=ood.shape,
        classes=(),
        examples={"test": len(ood.test)},
        training_by_class=(),
        seen={"test": _seen(ood.test.inputs, trained_on)} if alike else {},
        left_out=dict(ood.left_out),
        notes=ood.notes,
    )


def _seen(inputs: Tensor, trained_on: frozenset[bytes]) -> int:
    return sum(digest in trained_on for digest in _digests(inputs))


def _digests(inputs: Tensor) -> Iterator[bytes]:
    """Of every example's values."""
    for row in inputs.contiguous().numpy():
        yield hashlib.blake2b(row.data, digest_size=16).digest()
