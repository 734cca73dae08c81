"""`npz:PATH`: a NumPy archive with the keys of Keras's own data sets.

`x_test`, `y_test` are needed; `x_train`, `y_train` too, unless the set only serves as
out-of-distribution data; `x_validation`, `y_validation` are used where they are there. Pixels are
uint8 with the channels last, labels integers from 0. Pickled objects are never loaded.
"""

import zlib
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.lib.npyio import NpzFile

from trainables.data.arrays import Array, classes_of, images
from trainables.data.examples import Examples, Source, no_examples
from trainables.errors import DataError

# what NumPy and zipfile raise on files that are damaged or something else
_UNREADABLE = (OSError, ValueError, EOFError, BadZipFile, zlib.error, NotImplementedError)


def from_archive(name: str, path: Path) -> Source:
    """The archive at `path`, as the source `name`."""
    with _opened(name, path) as archive:
        found = {split: _split(name, archive, split) for split in ("train", "validation", "test")}
    splits = {split: content for split, content in found.items() if content is not None}
    test = splits["test"]
    for split, content in splits.items():
        ours, expected = tuple(content.inputs.shape[1:]), tuple(test.inputs.shape[1:])
        if ours != expected:
            raise DataError(
                f"{name}: x_{split} holds images of (channels, height, width) {ours} and x_test "
                f"of {expected}; give all splits one size"
            )
    names = tuple(str(label) for label in range(classes_of(name, splits)))
    train = splits.get("train", no_examples(test))
    return Source(name, train, splits.get("validation"), test, names)


def _opened(name: str, path: Path) -> NpzFile:
    try:
        archive = np.load(path, allow_pickle=False)
    except _UNREADABLE as error:
        raise DataError(
            f"{name}: not a readable .npz archive ({type(error).__name__}); "
            "write one with numpy.savez"
        ) from error
    if not isinstance(archive, NpzFile):
        raise DataError(f"{name}: a single array, not an .npz archive; write one with numpy.savez")
    return archive


def _split(name: str, archive: NpzFile, split: str) -> Examples | None:
    """One split; None where the archive has neither of its keys and need not have them."""
    keys = (f"x_{split}", f"y_{split}")
    missing = [key for key in keys if key not in archive.files]
    if len(missing) == 2 and split != "test":
        return None
    if missing:
        found = ", ".join(archive.files) or "nothing"
        raise DataError(
            f"{name}: the key {missing[0]} is missing, the archive holds {found}; "
            "give x_train, y_train, x_test and y_test"
        )
    return images(name, split, *(_array(name, archive, key) for key in keys))


def _array(name: str, archive: NpzFile, key: str) -> Array:
    try:
        return np.asarray(archive[key])
    except _UNREADABLE as error:
        raise DataError(
            f"{name}: {key} cannot be read ({type(error).__name__}: damaged, or Python objects); "
            "write plain arrays with numpy.savez"
        ) from error
