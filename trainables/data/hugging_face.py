"""`hf:NAME_OR_PATH`: a data set in the formats of Hugging Face's `datasets` (extra `datasets`).

    hf:my_folder                            written by `save_to_disk`, or a folder that
                                            `load_dataset` reads: Parquet files, an image folder
    hf:my_folder?image=photo&label=coarse   the columns by name, where there are several
    hf:ylecun/mnist                         of the hub: from the library's cache, fetched only where
                                            downloading is allowed; `?config=NAME` of several

Images are columns of the type Image, labels of ClassLabel or of whole numbers; splits are known by
their names, and others are left out. No code of a data set is run.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from trainables.config.data_names import hub_options
from trainables.data.examples import Source
from trainables.data.items import Size
from trainables.data.layout import SPLITS
from trainables.data.own_sets import of_splits
from trainables.errors import DataError, shown
from trainables.imported import in_a_line, is_installed, not_installed

Splits = Mapping[str, Any]  # split → datasets.Dataset


def from_hugging_face(name: str, download: bool, size: Size | None, as_ood: bool = False) -> Source:
    """The data set of that name."""
    if not is_installed("datasets"):
        raise DataError(f"{name}: {not_installed('datasets')}")
    where, options = hub_options(name)
    with TemporaryDirectory() as scratch:
        loaded = _loaded(name, where, options.get("config"), download, scratch)
        splits, left_out = _splits(name, loaded)
        first = next(iter(splits.values()))
        images = [column for column in first.features if _kind(first.features[column]) == "Image"]
        image = _column(name, "image", images, first.features, options.get("image"))
        label = _label_column(name, first.features, options.get("label"), as_ood)
        _check_alike(name, splits, label)
        items = {split: _Rows(held, image, label) for split, held in splits.items()}
        names = getattr(first.features[label], "names", ()) if label else ()
        source = of_splits(name, items, size, as_ood, tuple(map(shown, names)))
    notes = (f"Splits of {name} that are not used: {', '.join(left_out)}.",) if left_out else ()
    return replace(source, notes=(*notes, *source.notes))


class _Rows:
    """The rows of a split as (image, label)."""

    def __init__(self, rows: Any, image: str, label: str | None) -> None:
        columns = [image] if label is None else [image, label]
        self._rows = rows.select_columns(columns).with_format(None)  # that it was saved with
        self._columns = columns

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        row = self._rows[index]
        return row[self._columns[0]], row[self._columns[1]] if len(self._columns) > 1 else None


def _loaded(name: str, where: str, config: str | None, download: bool, scratch: str) -> Any:
    datasets: Any = import_module("datasets")  # late: takes a second
    path = Path(where).expanduser()
    datasets.disable_progress_bars()
    try:
        if path.exists():
            with _without_the_hub():
                if any(path.joinpath(f).is_file() for f in ("state.json", "dataset_dict.json")):
                    return datasets.load_from_disk(str(path))
                return datasets.load_dataset(str(path.resolve()), config, cache_dir=scratch)
        if download:
            return datasets.load_dataset(where, config)
        with _without_the_hub():
            return datasets.load_dataset(where, config)
    except Exception as error:  # of a damaged file, or the hub's, anything
        if path.exists() or download:
            raise DataError(
                f"{name}: cannot be loaded by datasets ({in_a_line(error)}); check that "
                "datasets.load_dataset or load_from_disk reads it"
            ) from error
        raise DataError(
            f"{name}: no such folder, and not in the cache of datasets ({in_a_line(error)}); check "
            "the path, or allow fetching it from the hub with --download"
        ) from error


@contextmanager
def _without_the_hub() -> Iterator[None]:
    """Nothing is asked of the network: both libraries look at these constants before they do."""
    places = [import_module(name) for name in ("datasets.config", "huggingface_hub.constants")]
    before = [vars(place)["HF_HUB_OFFLINE"] for place in places]
    try:
        for place in places:
            vars(place)["HF_HUB_OFFLINE"] = True
        yield
    finally:
        for place, was in zip(places, before, strict=True):
            vars(place)["HF_HUB_OFFLINE"] = was


def _splits(name: str, loaded: Any) -> tuple[Splits, list[str]]:
    """Those with names of splits, and the names of the others."""
    if not isinstance(loaded, Mapping):
        return {"train": loaded}, []
    splits: dict[str, Any] = {}
    left_out = []
    for key, rows in loaded.items():
        split = SPLITS.get(str(key).lower())
        if split in splits:
            raise DataError(f"{name}: two splits both mean {split}; leave one out")
        if split is None:
            left_out.append(shown(key))
        else:
            splits[split] = rows
    if not splits.keys() & {"train", "test"}:
        raise DataError(f"{name}: there is no train and no test split, but {', '.join(left_out)}")
    return splits, left_out


def _label_column(
    name: str, features: Mapping[str, Any], asked: str | None, as_ood: bool
) -> str | None:
    """The column of the classes; None where there need be none, and none is found."""
    numbers = [c for c in features if getattr(features[c], "dtype", "").startswith(("int", "uint"))]
    classes = [c for c in numbers if _kind(features[c]) == "ClassLabel"]
    named = [c for c in numbers if c in ("label", "labels")]
    texts = [c for c in features if getattr(features[c], "dtype", "") in ("string", "large_string")]
    try:
        if asked in texts:
            raise DataError(
                f"{name}: the column {shown(asked)} holds texts; number them, with "
                f"class_encode_column({asked!r}), and save the set again"
            )
        return _column(name, "label", numbers if asked else classes or named, features, asked)
    except DataError:
        if not as_ood:
            raise
        return None


def _check_alike(name: str, splits: Splits, label: str | None) -> None:
    """That a class has one number in all splits."""
    known = [getattr(held.features.get(label), "names", None) for held in splits.values()]
    if any(names != known[0] for names in known):
        raise DataError(
            f"{name}: the classes of {label} are others in {' and '.join(splits)}; cast the column "
            "to one ClassLabel in all splits, and save the set again"
        )


def _column(
    name: str, role: str, found: list[str], features: Mapping[str, Any], asked: str | None
) -> str:
    if asked is not None and asked in found:
        return asked
    if asked is None and len(found) == 1:
        return found[0]
    all_of_them = ", ".join(f"{shown(c)} ({_kind(feature)})" for c, feature in features.items())
    if asked is not None:
        raise DataError(
            f"{name}: {role}={shown(asked)} is no column of {role}s; there is {all_of_them}"
        )
    several = f"several columns of {role}s" if found else f"no column of {role}s"
    raise DataError(f"{name}: {several} among {all_of_them}; name one, as ?{role}=COLUMN")


def _kind(feature: Any) -> str:
    """A column's type as the library writes it."""
    kind = type(feature).__name__
    return str(feature.dtype) if kind == "Value" else kind
