"""`folder:PATH`: image files in class folders, the layout of torchvision's ImageFolder.

Which files are which split and class says `trainables.data.layout`, which are left out
`trainables.data.files`, what becomes of their pixels `trainables.data.decoding`. Classes are
numbered in the order of their sorted names. Images of several sizes are resized to the one asked
for; images of one size stay as they are, unless they are photographs too large to be kept: those
are shrunk while they are decoded, one at a time. The images are the same wherever the folder lies.

As out-of-distribution data serve images of any size, with or without classes.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from trainables.data.decoding import LARGE, Header, Size, header, pixels, refusals
from trainables.data.examples import Examples, Source, no_examples
from trainables.data.layout import Files, Layout, layout, layout_of_ood
from trainables.data.memory import check_fits
from trainables.errors import DataError, shown

# Images of one size that take more bytes than this are shrunk to the size asked for, where that is
# smaller: as float32 for training they would take four times as much.
MUCH = 512 * 2**20

Headers = Mapping[Path, Header]


class _OtherSize(Exception):
    """An image has another size than its header said."""


def from_folder(name: str, path: Path, side: int | None) -> Source:
    """The images under `path`, as the source `name`; of mixed sizes as `side` × `side` pixels."""
    found = layout(name, path)
    headers = _headers(name, found)
    asked = None if side is None else (side, side)
    return _source(name, found, headers, _size(name, found, headers, asked), asked)


def ood_from_folder(name: str, path: Path, size: Size | None) -> Source:
    """The images under `path` to be used as out-of-distribution data; those of mixed sizes at
    `size`, or that of the first."""
    found = layout_of_ood(name, path)
    headers = _headers(name, found)
    size = size or headers[_first(found)].size
    return _source(name, found, headers, _size(name, found, headers, size), size)


def _source(
    name: str, found: Layout, headers: Headers, size: Size | None, asked: Size | None
) -> Source:
    """Decoded at `size`, or as they are stored where that is None."""
    labels = found.splits.get("train", found.splits["test"])
    height, width = (size or headers[_first(found)].size)[::-1]
    remedy = (
        "give fewer images or a smaller data.resize"
        if asked
        else "give data.resize, such as --set data.resize=64"
    )
    check_fits(name, len(headers) * 3 * height * width, remedy)
    try:
        splits = {
            split: _decode(name, files, tuple(labels), (height, width), resized=size is not None)
            for split, files in found.splits.items()
        }
    except _OtherSize as other:
        if asked is None:
            raise DataError(f"{name}: {other}") from other
        return _source(name, found, headers, asked, asked)
    _check_depth(name, splits, found, headers)
    train = splits.get("train", no_examples(splits["test"]))
    return Source(
        name,
        train,
        splits.get("validation"),
        splits["test"],
        tuple(map(shown, labels)),
        notes=(*found.notes, *_notes(headers)),
        left_out=dict(found.left_out),
    )


def _headers(name: str, found: Layout) -> Headers:
    headers = {}
    for files in found.splits.values():
        for path in (path for held in files.values() for path in held):
            with refusals(name, path):
                headers[path] = header(path)
    return headers


def _first(found: Layout) -> Path:
    return next(iter(found.splits["test"].values()))[0]


def _size(name: str, found: Layout, headers: Headers, asked: Size | None) -> Size | None:
    """That to which the images are resized; None where they stay as they are."""
    first = headers[_first(found)].size
    for path, (size, *_) in headers.items():
        if size != first and asked is None:
            raise DataError(f"{name}: {_differs(path, size, first)}")
        if size != first:
            return asked
    area = first[0] * first[1]
    if asked is None or (asked[0] >= first[0] and asked[1] >= first[1]):
        return None
    return asked if area > LARGE or len(headers) * 3 * area > MUCH else None


def _differs(path: Path, size: Size, first: Size) -> str:
    return (
        f"{shown(path)} is {size[0]}×{size[1]} pixels and the first test image "
        f"{first[0]}×{first[1]}; give data.resize, such as --set data.resize=64, "
        "or resize all images to one size"
    )


def _decode(
    name: str, files: Files, class_names: tuple[str, ...], shape: tuple[int, int], resized: bool
) -> Examples:
    """`shape`: (height, width) of all images, to which they are resized where they are to be."""
    labelled = [(class_names.index(label), path) for label in files for path in files[label]]
    held = np.empty((len(labelled), 3, *shape), np.uint8)
    for row, (_, path) in enumerate(labelled):
        with refusals(name, path):
            image = pixels(path, shape[::-1] if resized else None)
        if image.shape[1:] != shape:
            size = (image.shape[2], image.shape[1])
            raise _OtherSize(_differs(path, size, (shape[1], shape[0])))
        held[row] = image
    return Examples(torch.from_numpy(held), torch.tensor([label for label, _ in labelled]))


def _check_depth(
    name: str, splits: Mapping[str, Examples], found: Layout, headers: Headers
) -> None:
    """That images of 16 bits use more of their range than images of 8 bits stored so would."""
    deep = [path for path, image in headers.items() if image.deep]
    if not deep:
        return
    brightest = max(
        int(splits[split].inputs[row].max())
        for split, files in found.splits.items()
        for row, path in enumerate(path for held in files.values() for path in held)
        if headers[path].deep
    )
    if brightest <= 1:
        raise DataError(
            f"{name}: {shown(deep[0])} and all other images of 16 bits are black, with no value "
            "of more than 1/255 of the range; store values of 0 to 255 as images of 8 bits"
        )


def _notes(headers: Headers) -> tuple[str, ...]:
    several = sum(image.several for image in headers.values())
    unreadable = sum(not image.side_up for image in headers.values())
    notes = []
    if several:
        notes.append(
            f"In {several} of {len(headers)} files there are several pages or frames, "
            "of which the first is used."
        )
    if unreadable:
        notes.append(
            f"In {unreadable} of {len(headers)} files the EXIF data cannot be read; "
            "these pictures are taken as they are stored."
        )
    return tuple(notes)
