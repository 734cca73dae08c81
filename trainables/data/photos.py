"""`photos`: ten colour photographs as ten classes, for studies without any download.

An example is a 32×32 RGB patch, its class the photograph it was cut from. The photographs ship as
files in the wheels of scikit-image and scikit-learn; they are read from there, so nothing is
fetched and pooch is not needed. Training patches come from the left 70 % of a photograph,
validation and test patches from separate bands of the right 30 %: no pixel belongs to two splits.
Within a split patches lie at random, distinct positions and overlap. None is chosen by its
content: the black corners of the retina and empty sky are among them, as unsure cases.

The retina (1411×1411) and the Hubble field (1000×872) are first shrunk by the mean of 3×3 and 2×2
pixels, to the size of the others (300–741 pixels a side): unshrunk, a patch shows no structure.

`photos_ood`: patches of eight further photographs, grey, repeated over the three channels. All
are in its test split; it has nothing to train on.

`textures`: the eight photographs of `photos_ood` as eight classes, cut as `photos` are. As it
shares them with `photos_ood`, that must not be its out-of-distribution data; `photos` may be.

Measured: each loads within 0.4 s on one CPU core. The MLP of depth 6, trained on 500 patches for 30
epochs (Adam, lr 1e-4, batch 128, no warm-up), has a test accuracy of .51–.59 over three seeds, on
`textures` of .48–.49.

Credits (licence notes of skimage.data's functions and of sklearn/datasets/images/README.txt):
public domain or CC0: astronaut (NASA), chelsea (S. van der Walt), coffee (R. Michetti), hubble
(NASA), retina (M. Häggström), rocket (SpaceX), camera (L. Varshney), brick and gravel
(CC0Textures), grass (linolafett); no known restrictions: coins (Brooklyn Museum), text; CC BY 2.0:
china (danielbuechele), flower (vultilion); none stated: motorcycle (Middlebury stereo, Scharstein
et al. 2014), immunohistochemistry, moon, page.
"""

import random
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from trainables.data.decoding import pixels, refusals
from trainables.data.examples import Examples, Source, no_examples
from trainables.data.wheels import damaged, shipped
from trainables.errors import DataError

SIDE = 32  # pixels
Split = Literal["train", "validation", "test"]
# classes balanced
EXAMPLES: dict[Split, int] = {"train": 4000, "validation": 1000, "test": 2000}
OOD_EXAMPLES = 2000


class Photograph(NamedTuple):
    package: str
    file: str
    shrink: int = 1  # mean of shrink × shrink pixels


PHOTOGRAPHS = {
    "astronaut": Photograph("skimage", "data/astronaut.png"),
    "chelsea": Photograph("skimage", "data/chelsea.png"),
    "china": Photograph("sklearn", "datasets/images/china.jpg"),
    "coffee": Photograph("skimage", "data/coffee.png"),
    "flower": Photograph("sklearn", "datasets/images/flower.jpg"),
    "hubble": Photograph("skimage", "data/hubble_deep_field.jpg", shrink=2),
    "immunohistochemistry": Photograph("skimage", "data/ihc.png"),
    "motorcycle": Photograph("skimage", "data/motorcycle_left.png"),
    "retina": Photograph("skimage", "data/retina.jpg", shrink=3),
    "rocket": Photograph("skimage", "data/rocket.jpg"),
}
OOD_PHOTOGRAPHS = {
    name: Photograph("skimage", f"data/{name}.png")
    for name in ("brick", "camera", "coins", "grass", "gravel", "moon", "page", "text")
}


class Box(NamedTuple):
    """Rows top … bottom − 1 and columns left … right − 1 of a photograph."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def positions(self) -> int:
        """Places where a patch fits."""
        return max(0, self.bottom - self.top - SIDE + 1) * max(0, self.right - self.left - SIDE + 1)


def photos() -> Source:
    """4,000 training, 1,000 validation and 2,000 test patches of ten classes."""
    return _divided("photos", PHOTOGRAPHS)


def textures() -> Source:
    """4,000 training, 1,000 validation and 2,000 test patches of the photographs of `photos_ood`,
    which is therefore not out of distribution for it."""
    return _divided("textures", OOD_PHOTOGRAPHS)


def _divided(source: str, names: Iterable[str]) -> Source:
    """Photographs as classes, with three splits from areas of their own."""
    pictures = {name: photograph(name) for name in names}
    splits = {}
    for split, examples in EXAMPLES.items():
        patches = [
            cut(picture, regions(*picture.shape[1:])[split], examples // len(pictures), split, name)
            for name, picture in pictures.items()
        ]
        splits[split] = _interleave(patches)
    train, validation, test = splits["train"], splits["validation"], splits["test"]
    return Source(source, train, validation, test, tuple(pictures))


def photos_ood() -> Source:
    """2,000 test patches of photographs that are no class of `photos`."""
    patches = []
    for name in OOD_PHOTOGRAPHS:
        picture = photograph(name)
        count = OOD_EXAMPLES // len(OOD_PHOTOGRAPHS)
        patches.append(cut(picture, [whole(picture)], count, "test", name))
    test = _interleave(patches)
    return Source("photos_ood", no_examples(test), None, test, tuple(OOD_PHOTOGRAPHS))


def photograph(name: str) -> Tensor:
    """A photograph by its class name, as the patches are cut from it: (3, height, width), uint8."""
    package, file, shrink = {**PHOTOGRAPHS, **OOD_PHOTOGRAPHS}[name]
    path = shipped(package, file)
    try:
        with refusals("photos", path):
            stored = pixels(path, None)
    except DataError as error:
        raise damaged("photos", package, path, error.__cause__ or error) from error
    shrunk = Image.fromarray(stored.transpose(1, 2, 0)).reduce(shrink)
    return torch.from_numpy(np.array(shrunk)).permute(2, 0, 1).contiguous()


def regions(height: int, width: int) -> dict[Split, list[Box]]:
    """Where each split's patches lie: disjoint boxes of a photograph of this size.

    Training: the left 70 %. The rest is cut into six bands from top to bottom; the second and the
    fifth are validation and the others test, so that both see all heights of the picture. Where
    six are too low for a patch, three: the second is validation. Every box holds a patch from a
    size of 96 (height) × 105 (width) on.
    """
    border = width * 7 // 10
    cuts = 6 if height >= 6 * SIDE else 3
    edges = [height * band // cuts for band in range(cuts + 1)]
    bands = [Box(top, bottom, border, width) for top, bottom in pairwise(edges)]
    return {
        "train": [Box(0, height, 0, border)],
        "validation": bands[1::3],
        "test": [band for place, band in enumerate(bands) if place % 3 != 1],
    }


def whole(picture: Tensor) -> Box:
    return Box(0, picture.shape[1], 0, picture.shape[2])


def cut(picture: Tensor, boxes: Sequence[Box], count: int, *stream: str) -> Tensor:
    """`count` patches at distinct random positions within the boxes: (count, 3, 32, 32).

    `stream` names the random numbers: the same names give the same patches.
    """
    # of Python's generators, random() alone is promised to repeat in every version
    draw = random.Random("/".join(stream)).random
    total = sum(box.positions for box in boxes)
    if count > total:
        raise ValueError(f"{count} distinct patches from {total} positions")
    corners = [_corner(boxes, position) for position in distinct(draw, count, total)]
    return torch.stack([picture[:, y : y + SIDE, x : x + SIDE] for y, x in corners])


def distinct(draw: Callable[[], float], count: int, total: int) -> list[int]:
    """`count` different numbers of 0 … total − 1, from draws in [0, 1)."""
    chosen: dict[int, None] = {}
    while len(chosen) < count:
        chosen[int(draw() * total)] = None
    return list(chosen)


def _corner(boxes: Sequence[Box], position: int) -> tuple[int, int]:
    """Top left corner (row, column) of the patch at a position counted through all boxes."""
    for box in boxes:
        if position < box.positions:
            row, column = divmod(position, box.right - box.left - SIDE + 1)
            return box.top + row, box.left + column
        position -= box.positions
    raise IndexError(position)


def _interleave(patches: list[Tensor]) -> Examples:
    """Classes take turns, so that the first examples of a split are balanced too."""
    pixels = torch.stack(patches, dim=1).flatten(0, 1)  # (per class · classes, 3, 32, 32)
    return Examples(pixels, torch.arange(len(patches)).repeat(len(patches[0])))
