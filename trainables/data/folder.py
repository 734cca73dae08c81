"""`folder:PATH`: image files in class folders, the layout of torchvision's ImageFolder.

    PATH/train/<class>/*   PATH/test/<class>/*   and, if wanted, PATH/validation/<class>/*
    PATH/<class>/*         alone: of each class a fifth, drawn once for all, is the test split

`PATH/test/` alone serves as out-of-distribution data. Classes are numbered in the order of their
sorted names, files are found at any depth by their ending and decoded to RGB. Images of several
sizes are resized to squares of one that the user gives; images of one size stay as they are. The
images are the same wherever the folder lies.
"""

import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from trainables.data.decoding import UNREADABLE, rgb
from trainables.data.examples import Examples, Source, no_examples
from trainables.errors import DataError

# as torchvision's ImageFolder
ENDINGS = {".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp"}
SPLITS = ("train", "validation", "test")
TEST_FRACTION = 0.2

Files = dict[str, list[Path]]  # by class name
Size = tuple[int, int]  # (width, height) in pixels, Pillow's order


def from_folder(name: str, path: Path, side: int | None) -> Source:
    """The images under `path`, as the source `name`; of mixed sizes as `side` × `side` pixels."""
    layout = [split for split in SPLITS if _folders(path / split)]
    files = _given(name, path) if layout else _drawn(name, _files(name, path))
    class_names = tuple(files["train"] if "train" in files else files["test"])
    size = _common_size(name, files, side)
    splits = {split: _decode(name, held, class_names, size) for split, held in files.items()}
    train = splits.get("train", no_examples(splits["test"]))
    return Source(name, train, splits.get("validation"), splits["test"], class_names)


def _given(name: str, path: Path) -> dict[str, Files]:
    """The splits as the user's own folders give them."""
    for folder in _folders(path):
        if folder.name not in SPLITS:
            raise DataError(
                f"{name}: the folder {folder.name!r} stands beside train or test; "
                f"rename it to one of {', '.join(SPLITS)}, or move it away"
            )
    splits = {s: _files(name, path / s) for s in SPLITS if (path / s).is_dir()}
    if not splits.get("test"):
        raise DataError(f"{name}: test/ holds no class folder; give test/<class>/ with images")
    if "train" in splits:
        _at_least_two(name, splits["train"])
    for split, files in splits.items():
        unknown = sorted(files.keys() - splits.get("train", splits["test"]).keys())
        if unknown:
            raise DataError(
                f"{name}: {split}/{unknown[0]} is no class of train/; use the same class names"
            )
    return splits


def _drawn(name: str, files: Files) -> dict[str, Files]:
    """A fifth of each class as the test split, the same in every run."""
    _at_least_two(name, files)
    splits: dict[str, Files] = {"train": {}, "test": {}}
    for label, paths in files.items():
        if len(paths) < 2:
            raise DataError(f"{name}: {label!r} holds one image; give 2 or more, to train and test")
        # of Python's generators, random() alone is promised to repeat in every version
        draw = random.Random(label).random
        shuffled = [path for _, path in sorted((draw(), path) for path in paths)]
        tests = max(1, round(TEST_FRACTION * len(paths)))
        splits["test"][label], splits["train"][label] = shuffled[:tests], shuffled[tests:]
    return splits


def _at_least_two(name: str, files: Files) -> None:
    if len(files) < 2:
        found = f"only the class {next(iter(files))!r}" if files else "no class folder"
        raise DataError(f"{name}: {found}; give at least 2 folders of images, one per class")


def _files(name: str, folder: Path) -> Files:
    """The image files of each class folder, in sorted order."""
    files = {}
    for sub in _folders(folder):
        files[sub.name] = sorted(
            (path for path in sub.rglob("*") if path.suffix.lower() in ENDINGS and path.is_file()),
            key=lambda path: path.relative_to(folder).as_posix(),
        )
        if not files[sub.name]:
            raise DataError(f"{name}: {sub} holds no image; accepted: {', '.join(sorted(ENDINGS))}")
    return files


def _folders(path: Path) -> list[Path]:
    """Visible sub-folders in the order of their names; none where `path` is no folder."""
    if not path.is_dir():
        return []
    found = (sub for sub in path.iterdir() if sub.is_dir() and not sub.name.startswith("."))
    return sorted(found, key=lambda sub: sub.name)


def _common_size(name: str, splits: dict[str, Files], side: int | None) -> Size:
    """The size all images have, read from their headers; of mixed sizes the one asked for."""
    first = _size(name, next(iter(splits["test"].values()))[0])
    for path in (path for files in splits.values() for held in files.values() for path in held):
        found = _size(name, path)
        if found == first:
            continue
        if side is not None:
            return side, side
        raise DataError(
            f"{name}: {path} is {found[0]}×{found[1]} pixels and the first test image "
            f"{first[0]}×{first[1]}; give data.resize, such as --set data.resize=64, "
            "or resize all images to one size"
        )
    return first


def _size(name: str, path: Path) -> Size:
    try:
        with Image.open(path) as image:
            return image.size
    except UNREADABLE as error:
        raise _undecodable(name, path) from error


def _decode(name: str, files: Files, class_names: Sequence[str], size: Size) -> Examples:
    labelled = [(class_names.index(label), path) for label in files for path in files[label]]
    pixels = np.empty((len(labelled), 3, size[1], size[0]), np.uint8)
    for row, (_, path) in enumerate(labelled):
        try:
            with Image.open(path) as image:
                pixels[row] = rgb(image, size)
        except UNREADABLE as error:
            raise _undecodable(name, path) from error
    return Examples(torch.from_numpy(pixels), torch.tensor([label for label, _ in labelled]))


def _undecodable(name: str, path: Path) -> DataError:
    return DataError(f"{name}: {path} cannot be decoded as an image; repair or remove it")
