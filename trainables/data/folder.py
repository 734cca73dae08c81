"""`folder:PATH`: image files in class folders, the layout of torchvision's ImageFolder.

    PATH/train/<class>/*   PATH/test/<class>/*   and, if wanted, PATH/validation/<class>/*
    PATH/<class>/*         alone: of each class a fifth, drawn once for all, is the test split

`PATH/test/` alone serves as out-of-distribution data. Classes are numbered in the order of their
sorted names, files are found at any depth by their ending, decoded to RGB, and must all have one
size. The images are the same wherever the folder lies.
"""

import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from trainables.data.images import DataError, Images, Source, no_images

# as torchvision's ImageFolder
ENDINGS = {".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp"}
SPLITS = ("train", "validation", "test")
TEST_FRACTION = 0.2

# what Pillow raises on files that are damaged or no images
_UNREADABLE = (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError)

Files = dict[str, list[Path]]  # by class name


def from_folder(name: str, path: Path) -> Source:
    """The images under `path`, as the source `name`."""
    if not path.is_dir():
        raise DataError(f"{name}: no such folder; give one that holds a folder per class")
    layout = [split for split in SPLITS if _folders(path / split)]
    files = _given(name, path) if layout else _drawn(name, _files(name, path))
    class_names = tuple(files["train"] if "train" in files else files["test"])
    size = _size(name, next(iter(files["test"].values()))[0])
    splits = {split: _decode(name, held, class_names, size) for split, held in files.items()}
    train = splits.get("train", no_images(tuple(splits["test"].pixels.shape[1:])))
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


def _decode(name: str, files: Files, class_names: Sequence[str], size: tuple[int, int]) -> Images:
    """All files as RGB; `size` is (width, height)."""
    labelled = [(class_names.index(label), path) for label in files for path in files[label]]
    pixels = np.empty((len(labelled), 3, size[1], size[0]), np.uint8)
    for row, (_, path) in enumerate(labelled):
        pixels[row] = _rgb(name, path, size).transpose(2, 0, 1)
    return Images(torch.from_numpy(pixels), torch.tensor([label for label, _ in labelled]))


def _size(name: str, path: Path) -> tuple[int, int]:
    try:
        with Image.open(path) as image:
            return image.size
    except _UNREADABLE as error:
        raise _undecodable(name, path) from error


def _rgb(name: str, path: Path, size: tuple[int, int]) -> NDArray[np.uint8]:
    try:
        with Image.open(path) as image:
            found = image.size
            if found == size:
                return np.asarray(image.convert("RGB"))
    except _UNREADABLE as error:
        raise _undecodable(name, path) from error
    raise DataError(
        f"{name}: {path} is {found[0]}×{found[1]} pixels and the first test image "
        f"{size[0]}×{size[1]}; resize all images to one size"
    )


def _undecodable(name: str, path: Path) -> DataError:
    return DataError(f"{name}: {path} cannot be decoded as an image; repair or remove it")
