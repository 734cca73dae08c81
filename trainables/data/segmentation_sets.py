"""`pet` and `voc`: photographs with a class for every pixel, as torchvision's classes read them.

| name  | photographs   | classes                           | source                             |
|-------|---------------|-----------------------------------|------------------------------------|
| `pet` | 3,680 + 3,669 | pet, background, border           | Parkhi et al. 2012, Oxford-IIIT    |
| `voc` | 1,464 + 1,449 | background and 20 kinds of object | Everingham et al., Pascal VOC 2012 |

Oxford-IIIT's `trainval` photographs are trained on and its `test` ones tested; of VOC, whose test
labels are not public, `val` is the test split. VOC's outlines and unsure areas, value 255, have no
class. The photographs have many sizes: they are decoded to squares, 64 pixels a side unless told.
Measured: a photograph of 500×375 pixels and its mask take 2.6 ms on one CPU core, so that `pet`
loads in some 20 s.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainables.data.decoding import classes, pixels, refusals
from trainables.data.examples import Examples, Source
from trainables.data.memory import check_fits
from trainables.errors import DataError
from trainables.tasks import NO_CLASS

SIDE = 64  # pixels

_VOC_CLASSES = (
    "background aeroplane bicycle bird boat bottle bus car cat chair cow diningtable dog horse "
    "motorbike person pottedplant sheep sofa train tvmonitor"
)
_UNKNOWN = -1  # a value that stands for nothing


Pairs = Sequence[tuple[Path, Path]]  # the files of a photograph and of its mask


class PixelSet(NamedTuple):
    found: Callable[[Path, bool], tuple[Pairs, Pairs]]  # (folder, fetch) → training and test files
    class_of: Mapping[int, int]  # value in a mask → class, or NO_CLASS
    class_names: tuple[str, ...]


def _pet(root: Path, download: bool) -> tuple[Pairs, Pairs]:
    from torchvision.datasets import OxfordIIITPet  # late: takes a second to import

    train, test = (
        OxfordIIITPet(root, split, target_types="segmentation", download=download)
        for split in ("trainval", "test")
    )
    return _pairs(train._images, train._segs), _pairs(test._images, test._segs)


def _voc(root: Path, download: bool) -> tuple[Pairs, Pairs]:
    from torchvision.datasets import VOCSegmentation  # late: takes a second to import

    # one archive holds both, and torchvision unpacks it whenever it is asked to fetch
    train = VOCSegmentation(root, image_set="train", download=download)
    test = VOCSegmentation(root, image_set="val")
    return _pairs(train.images, train.masks), _pairs(test.images, test.masks)


def _pairs(images: Sequence[str | Path], masks: Sequence[str | Path]) -> Pairs:
    return [(Path(image), Path(mask)) for image, mask in zip(images, masks, strict=True)]


SEGMENTED = {
    "pet": PixelSet(_pet, {1: 0, 2: 1, 3: 2}, ("pet", "background", "border")),
    "voc": PixelSet(
        _voc,
        {value: value for value in range(21)} | {255: NO_CLASS},
        tuple(_VOC_CLASSES.split()),
    ),
}


def segmentation(name: str, root: Path, download: bool, side: int) -> Source:
    """One of `SEGMENTED`, decoded at `side` × `side` pixels."""
    found, class_of, class_names = SEGMENTED[name]
    train, test = (
        _decoded(f"{name}: {split} photograph", pairs, side, class_of)
        for split, pairs in zip(("training", "test"), found(root, download), strict=True)
    )
    return Source(name, train, None, test, class_names, "segmentation")


def _decoded(field: str, pairs: Pairs, side: int, class_of: Mapping[int, int]) -> Examples:
    """Photographs and their masks, at one size."""
    # 3 bytes a pixel, one of its mask and 8 of its label
    check_fits(field, 12 * len(pairs) * side * side, "give a smaller data.resize")
    held = np.empty((len(pairs), 3, side, side), np.uint8)
    values = np.empty((len(pairs), side, side), np.uint8)
    for row, (photograph, mask) in enumerate(pairs):
        try:
            # as it is stored, as its mask is
            with refusals(f"{field} {row}", photograph):
                held[row] = pixels(photograph, (side, side), upright=False)
            with refusals(f"{field} {row}", mask):
                values[row] = classes(mask, (side, side))
        except DataError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                raise error.__cause__ from None  # not damaged: it was never fetched
            raise DataError(f"{error}; or remove the set's folder and fetch it again") from error
    return Examples(torch.from_numpy(held), _labels(field, values, class_of))


def _labels(field: str, values: NDArray[np.uint8], class_of: Mapping[int, int]) -> Tensor:
    """The class of each pixel: (n, height, width), int64."""
    table = torch.full((256,), _UNKNOWN)
    for value, label in class_of.items():
        table[value] = label
    labels = table[torch.from_numpy(values).int()]
    unknown = (labels == _UNKNOWN).nonzero()
    if len(unknown):
        row, y, x = unknown[0].tolist()
        raise DataError(
            f"{field} {row}: its mask holds {values[row, y, x]}, which is no class "
            f"({', '.join(map(str, class_of))} are); remove the set's folder and fetch it again"
        )
    return labels
