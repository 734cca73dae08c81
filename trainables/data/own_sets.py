"""`dataset:my_data:make`: any `torch.utils.data.Dataset` of the user's own, by import path.

    def make():
        return MyImages("train"), MyImages("test")

A function without arguments, a class, or what it would return: a data set with numbered items
(image, label); a pair of them, train and test; three, train, validation and test; or a dict by the
names that splits have. What an item may be says `trainables.data.items`. As out-of-distribution
data, items need no labels. Class names are those of the data set's `classes`, as torchvision has
them.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch.utils.data import Dataset, IterableDataset

from trainables.data.assembly import assembled
from trainables.data.examples import Examples, Source, no_examples
from trainables.data.items import Size, decoded
from trainables.data.layout import SPLITS
from trainables.errors import DataError, shown
from trainables.imported import NotImported, in_a_line, named
from trainables.seeds import global_state

_EXAMPLE = "my_data:make"
_ORDERS = {1: ("train",), 2: ("train", "test"), 3: ("train", "validation", "test")}
_WANTED = "give a torch.utils.data.Dataset, a pair of train and test, or a dict of those"

Splits = Mapping[str, Any]  # split → data set


def from_own(name: str, size: Size | None, as_ood: bool = False) -> Source:
    """The source of what the name's import path stands for."""
    # what the user's code draws is the same in every launch
    with global_state(0, "data", torch.device("cpu")):
        splits = _splits(name, _made(name))
        return of_splits(name, splits, size, as_ood, _class_names(name, splits))


def of_splits(
    name: str, splits: Splits, size: Size | None, as_ood: bool, class_names: tuple[str, ...]
) -> Source:
    """The source of data sets that give their items one at a time."""
    called = {split: f"the {split} split" for split in splits}
    try:
        given = decoded(name, called, splits, size, labelled=True)
        source = assembled(name, given, called, called, class_names=class_names)
        return replace(source, notes=tuple(map(_sentence, source.notes)))
    except DataError:
        if not as_ood:
            raise
    split = next(split for split in ("test", "validation", "train") if split in splits)
    images = decoded(name, called, {split: splits[split]}, size, labelled=False)[split].inputs
    test = Examples(images, torch.zeros(len(images), dtype=torch.int64))
    note = _sentence(f"{called[split]} serves as out-of-distribution data, without classes.")
    return Source(name, no_examples(test), None, test, ("images",), notes=(note,))


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]


def _made(name: str) -> Any:
    try:
        found = named(name.partition(":")[2], _EXAMPLE)
    except NotImported as error:
        raise DataError(f"{name}: {error}") from error
    if not callable(found) or isinstance(found, Dataset):
        return found
    try:
        return found()
    except (Exception, SystemExit) as error:  # of a user's function, anything
        raise DataError(
            f"{name}, called without arguments, raises {in_a_line(error)}; let it return data sets"
        ) from error


def _splits(name: str, made: Any) -> Splits:
    if isinstance(made, Mapping):
        splits = _by_name(name, made)
    elif isinstance(made, tuple | list):
        if len(made) not in _ORDERS:
            raise DataError(f"{name}: {len(made)} data sets; {_WANTED}")
        splits = dict(zip(_ORDERS[len(made)], made, strict=True))
    else:
        splits = {"train": made}
    for split, items in splits.items():
        if isinstance(items, IterableDataset):
            raise DataError(
                f"{name}: the {split} split is an IterableDataset, whose items have no numbers; "
                "give a Dataset with __len__ and __getitem__"
            )
        if not (hasattr(items, "__getitem__") and hasattr(items, "__len__")):
            raise DataError(f"{name}: the {split} split is {type(items).__name__}; {_WANTED}")
    return splits


def _by_name(name: str, made: Mapping[Any, Any]) -> Splits:
    splits: dict[str, Any] = {}
    for key, items in made.items():
        split = SPLITS.get(str(key).lower())
        if split is None or split in splits:
            raise DataError(
                f"{name}: the key {shown(key)!r} is no split, or one that is there already; give "
                "train and test, and validation if wanted"
            )
        splits[split] = items
    if not splits.keys() & {"train", "test"}:
        raise DataError(f"{name}: there is no train and no test split; {_WANTED}")
    return splits


def _class_names(name: str, splits: Splits) -> tuple[str, ...]:
    found: dict[tuple[str, ...], str] = {}
    for split, items in splits.items():
        names = getattr(items, "classes", None)
        if isinstance(names, tuple | list) and all(isinstance(each, str) for each in names):
            found.setdefault(tuple(map(shown, names)), split)
    if len(found) > 1:  # torchvision's ImageFolder numbers the folders that a split has
        raise DataError(
            f"{name}: the `classes` of {' and '.join(found.values())} differ, so that a number may "
            "mean two classes; give all splits the same"
        )
    return next(iter(found), ())
