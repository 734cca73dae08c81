"""Augmentation in batches against torchvision's functions, one image at a time."""

import pytest
import torch
import torchvision.transforms.functional as one
from support import seeded
from torch import Tensor

from trainables.config.trial import Augmentation
from trainables.tasks import NO_CLASS
from trainables.training.augmentation import augmented

SHAPE = (64, 3, 7, 9)
LABELS = torch.arange(64) % 5


def images() -> Tensor:
    """No two pixels of an image are equal, none is 0."""
    return 1 + torch.arange(64 * 3 * 7 * 9, dtype=torch.float32).reshape(SHAPE)


def candidates(image: Tensor, crop: int, flip: bool) -> list[Tensor]:
    """Every crop of the padded image, and its mirror image."""
    height, width = image.shape[-2:]
    padded = one.pad(image, [crop])
    crops = [
        one.crop(padded, top, left, height, width)
        for top in range(2 * crop + 1)
        for left in range(2 * crop + 1)
    ]
    return crops + [one.hflip(image) for image in crops if flip]


@pytest.mark.parametrize(("crop", "flip"), [(0, True), (1, False), (2, True)])
def test_every_image_becomes_one_of_torchvision_s_crops_and_mirror_images(crop, flip):
    given = images()
    inputs, labels = augmented(given, LABELS, Augmentation(crop=crop, flip=flip), seeded())
    assert torch.equal(labels, LABELS)
    seen = set()
    for image, made in zip(given, inputs, strict=True):
        matches = [i for i, c in enumerate(candidates(image, crop, flip)) if torch.equal(c, made)]
        assert len(matches) == 1
        seen.add(matches[0])
    assert len(seen) >= min(20, len(candidates(given[0], crop, flip)))


def test_places_and_mirroring_are_uniform():
    given = images()[:1].expand(8000, -1, -1, -1)
    labels = torch.zeros(8000, dtype=torch.int64)
    inputs, _ = augmented(given, labels, Augmentation(crop=1, flip=True), seeded())
    every = candidates(given[0], 1, flip=True)
    counts = [int((inputs == c).flatten(1).all(dim=1).sum()) for c in every]
    assert sum(counts) == 8000
    expected, sd = 8000 / 18, (8000 / 18 * 17 / 18) ** 0.5
    assert all(abs(count - expected) < 5 * sd for count in counts)


def test_the_labels_of_pixels_go_with_their_image_and_padding_has_none():
    given = images()
    labels = given[:, 0].long()  # a pixel's label is its first channel
    inputs, moved = augmented(given, labels, Augmentation(crop=2, flip=True), seeded())
    padding = inputs[:, 0] == 0
    assert padding.any()
    assert (moved[padding] == NO_CLASS).all()
    assert torch.equal(moved[~padding], inputs[:, 0][~padding].long())


def test_the_generator_decides_all_and_nothing_else_is_drawn_from():
    settings = Augmentation(crop=2, flip=True)
    before = torch.random.get_rng_state()
    first, again = (augmented(images(), LABELS, settings, seeded(1))[0] for _ in range(2))
    assert torch.equal(first, again)
    assert not torch.equal(first, augmented(images(), LABELS, settings, seeded(2))[0])
    assert torch.equal(torch.random.get_rng_state(), before)


def test_nothing_asked_for_is_nothing_done():
    given = images()
    inputs, labels = augmented(given, LABELS, Augmentation(), seeded())
    assert torch.equal(inputs, given)
    assert torch.equal(labels, LABELS)
