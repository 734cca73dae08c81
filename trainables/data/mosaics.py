"""`mosaics`: segmentation of pictures made of several photographs, without any download.

A mosaic is 32×32 pixels, divided into the Voronoi cells of four random points. Every cell shows a
patch of a photograph of its own, out of the ten of `photos`, and the class of a pixel is the
photograph it comes from. Training mosaics are made of the training areas of the photographs,
validation and test mosaics of theirs (`photos.regions`): no pixel belongs to two splits.

`mosaics_ood`: mosaics of the eight further photographs of `photos_ood`, all in its test split; its
classes are those eight.

Measured: both load in 0.5 s on one CPU core. A mosaic's cells cover 41, 28, 19 and 12 % of it on
average. The colour of a pixel alone, one of 512, tells the class of 50 % of the test pixels.
"""

import random
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from trainables.data.examples import Examples, Source, no_examples
from trainables.data.photos import (
    OOD_PHOTOGRAPHS,
    PHOTOGRAPHS,
    SIDE,
    Box,
    Split,
    cut,
    distinct,
    photograph,
    regions,
    whole,
)

CELLS = 4  # of a mosaic
EXAMPLES: dict[Split, int] = {"train": 2000, "validation": 500, "test": 1000}
OOD_EXAMPLES = 1000


def mosaics() -> Source:
    """2,000 training, 500 validation and 1,000 test mosaics of ten classes."""
    pictures = {name: photograph(name) for name in PHOTOGRAPHS}
    splits = {}
    for split, count in EXAMPLES.items():
        boxes = {name: regions(*pictures[name].shape[1:])[split] for name in pictures}
        splits[split] = _mosaics(pictures, boxes, count, split)
    train, validation, test = splits["train"], splits["validation"], splits["test"]
    return Source("mosaics", train, validation, test, tuple(pictures), "segmentation")


def mosaics_ood() -> Source:
    """1,000 test mosaics of photographs that are no class of `mosaics`."""
    pictures = {name: photograph(name) for name in OOD_PHOTOGRAPHS}
    boxes = {name: [whole(picture)] for name, picture in pictures.items()}
    test = _mosaics(pictures, boxes, OOD_EXAMPLES, "test")
    return Source("mosaics_ood", no_examples(test), None, test, tuple(pictures), "segmentation")


def voronoi(seeds: Tensor) -> Tensor:
    """The cell of each pixel, which is the seed nearest to it: (n, 32, 32), in 0 … cells − 1.

    The first of several that are equally near. In integers: the same on every machine.

    Args:
        seeds: (n, cells), each a pixel, counted along the rows.
    """
    seeds, cells = seeds.int(), seeds.shape[1]  # int32 takes a fifth of the time of int64
    axis, number = torch.arange(SIDE).int(), torch.arange(cells).int()
    down = (axis - seeds[..., None] // SIDE).square()  # (n, cells, rows)
    across = (axis - seeds[..., None] % SIDE).square()  # (n, cells, columns)
    # squared distance · cells + the cell's number, so that no two are alike
    ranked = (cells * down + number[:, None])[..., None] + (cells * across)[..., None, :]
    return (ranked.amin(dim=1) % cells).long()


def _mosaics(
    pictures: Mapping[str, Tensor], boxes: Mapping[str, Sequence[Box]], count: int, split: Split
) -> Examples:
    """`count` mosaics of photographs (3, height, width), each cut within its boxes."""
    # of Python's generators, random() alone is promised to repeat in every version
    draw = random.Random(f"mosaics/{split}/{'/'.join(pictures)}").random
    drawn = [
        (distinct(draw, CELLS, len(pictures)), distinct(draw, CELLS, SIDE * SIDE))
        for _ in range(count)
    ]
    chosen = torch.tensor([photographs for photographs, _ in drawn])  # (n, cells)
    cell = voronoi(torch.tensor([seeds for _, seeds in drawn]))  # (n, 32, 32)
    patches = torch.empty((count, CELLS, 3, SIDE, SIDE), dtype=torch.uint8)
    for label, (name, picture) in enumerate(pictures.items()):
        used = chosen == label
        patches[used] = cut(picture, boxes[name], int(used.sum()), "mosaics", split, name)
    pixels = patches.gather(1, cell[:, None, None].expand(-1, 1, 3, -1, -1)).squeeze(1)
    labels = chosen.gather(1, cell.flatten(1)).view_as(cell)
    return Examples(pixels, labels)
