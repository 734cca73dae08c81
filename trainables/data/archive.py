"""`npz:PATH`: a NumPy archive with the keys of Keras's own data sets, or of MedMNIST's.

A key is made of a split and of what it holds: `x_train`, `train_images` or `images_train` with
`y_train`, `train_labels` or `labels_train`; splits have the names that folders may have, in any
case of letters, and `x`, `y` or `images`, `labels` alone are training examples. Where validation
examples stand beside training examples without a test split, they serve as that; of training
examples alone a fifth is drawn. Pixels are uint8 or uint16 with the channels last, labels integers
from 0. Pickled objects are never loaded.

As out-of-distribution data an archive needs no labels.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from zipfile import ZipFile

import numpy as np
import torch
from numpy.lib import format as npy

from trainables.data.arrays import Array, images, pixels
from trainables.data.assembly import assembled
from trainables.data.examples import Examples, Source, no_examples
from trainables.data.layout import SPLITS
from trainables.data.memory import check_fits
from trainables.errors import DataError, shown

_ROLES = {"x": "x", "images": "x", "y": "y", "labels": "y"}
_WANTED = "give x_train, y_train, x_test and y_test"

Keys = Mapping[tuple[str, str], str]  # (split, x or y) → key in the archive


def from_archive(name: str, path: Path, as_ood: bool = False) -> Source:
    with _opened(name, path) as archive:
        stored = [key.removesuffix(".npy") for key in archive.namelist()]
        keys = _keys(name, stored)
        unused = [shown(key) for key in stored if key not in keys.values()]
        notes = (f"Keys that are not used: {', '.join(unused)}.",) if unused else ()
        try:
            return _labelled(name, archive, keys, stored, notes)
        except DataError:
            if not as_ood:
                raise
        return _unlabelled(name, archive, keys, stored)


def _labelled(
    name: str, archive: ZipFile, keys: Keys, stored: list[str], notes: tuple[str, ...]
) -> Source:
    _check_pairs(name, keys, stored)
    arrays = _arrays(name, archive, list(keys.values()))
    given = {
        split: images(
            name,
            (keys[split, "x"], keys[split, "y"]),
            arrays[keys[split, "x"]],
            arrays[keys[split, "y"]],
        )
        for split in ("train", "validation", "test")
        if (split, "x") in keys
    }
    return assembled(
        name,
        given,
        {split: keys[split, "x"] for split in given},
        {split: keys[split, "y"] for split in given},
        notes,
    )


def _unlabelled(name: str, archive: ZipFile, keys: Keys, stored: list[str]) -> Source:
    """Its test images, or those that there are, as one class."""
    for split in ("test", "validation", "train"):
        key = keys.get((split, "x"))
        if key is None:
            continue
        held = pixels(f"{name}: {key}", _arrays(name, archive, [key])[key])
        test = Examples(torch.from_numpy(held), torch.zeros(len(held), dtype=torch.int64))
        note = f"{shown(key)} serves as out-of-distribution data, without classes."
        return Source(name, no_examples(test), None, test, ("images",), notes=(note,))
    raise DataError(f"{name}: no images, the archive holds {_found(stored)}; give x_test")


def _keys(name: str, stored: list[str]) -> Keys:
    """What each key holds of which split."""
    keys: dict[tuple[str, str], str] = {}
    for key in stored:
        words = key.lower().split("_")
        roles = [_ROLES[word] for word in words if word in _ROLES]
        splits = [SPLITS[word] for word in words if word in SPLITS]
        if len(roles) != 1 or len(roles) + len(splits) != len(words):
            continue
        meant = (splits[0] if splits else "train", roles[0])
        if meant in keys:
            raise DataError(
                f"{name}: {keys[meant]} and {key} both mean {meant[1]}_{meant[0]}; leave one out"
            )
        keys[meant] = key
    return keys


def _check_pairs(name: str, keys: Keys, stored: list[str]) -> None:
    """That images have labels, and that there is something to train with or to test."""
    splits = {split for split, _ in keys}
    if not splits & {"train", "test"}:
        raise DataError(
            f"{name}: the key x_test is missing, the archive holds {_found(stored)}; {_WANTED}"
        )
    for split in splits:
        for role, other in (("x", "y"), ("y", "x")):
            if (split, role) not in keys:
                raise DataError(
                    f"{name}: the key {role}_{split} is missing for {keys[split, other]}, the "
                    f"archive holds {_found(stored)}; {_WANTED}"
                )


def _found(stored: list[str]) -> str:
    return ", ".join(map(shown, stored)) or "nothing"


@contextmanager
def _opened(name: str, path: Path) -> Iterator[ZipFile]:
    try:
        with path.open("rb") as file:
            alone = file.read(len(npy.MAGIC_PREFIX)) == npy.MAGIC_PREFIX
        archive = None if alone else ZipFile(path)
    # a damaged file makes zipfile raise whatever its arithmetic or its tables do
    except Exception as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise DataError(
            f"{name}: not a readable .npz archive ({reason}); write one with numpy.savez"
        ) from error
    if archive is None:
        raise DataError(f"{name}: a single array, not an .npz archive; write one with numpy.savez")
    with archive:
        yield archive


def _arrays(name: str, archive: ZipFile, keys: list[str]) -> dict[str, Array]:
    """The arrays of these keys, all or none of which fit memory."""
    sizes = [_checked(name, archive, key) for key in keys]
    # one more is held while its pixels are brought into order
    check_fits(name, sum(sizes) + max(sizes), "give fewer or smaller images")
    return {key: _read(name, archive, key) for key in keys}


def _checked(name: str, archive: ZipFile, key: str) -> int:
    """The bytes of an array, as its header and the archive say alike."""
    with _member(name, archive, key) as file:
        version = npy.read_magic(file)
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, _, dtype = read(file)
        start, there = file.tell(), archive.getinfo(file.name or "").file_size
    needed = dtype.itemsize
    for length in shape:
        needed *= length
    if dtype.hasobject or start + needed != there:
        raise DataError(
            f"{name}: {key} cannot be read (Python objects, or {needed} bytes by its header and "
            f"{there - start} in the archive); write plain arrays with numpy.savez"
        )
    return needed


def _read(name: str, archive: ZipFile, key: str) -> Array:
    with _member(name, archive, key) as file:
        return np.asarray(npy.read_array(file, allow_pickle=False))


@contextmanager
def _member(name: str, archive: ZipFile, key: str) -> Iterator[IO[bytes]]:
    names = archive.namelist()
    try:
        with archive.open(key if key in names else f"{key}.npy") as file:
            yield file
    except DataError:
        raise
    # a damaged member makes zipfile, its decompressors and NumPy raise whatever they do
    except Exception as error:
        raise DataError(
            f"{name}: {shown(key)} cannot be read ({type(error).__name__}: damaged, or not "
            "an array); write plain arrays with numpy.savez"
        ) from error
