"""`mosaics`: every cell is looked for in the photograph that its labels name."""

import hashlib

import numpy as np
import pytest
import torch

from trainables.data.mosaics import CELLS, mosaics, mosaics_ood, voronoi
from trainables.data.photos import OOD_PHOTOGRAPHS, PHOTOGRAPHS, SIDE, photograph, regions, whole


@pytest.fixture(scope="module")
def source():
    return mosaics()


@pytest.fixture(scope="module")
def ood():
    return mosaics_ood()


def lies_within(pixels, cell, picture, box):
    """Whether there is a patch within the box that shows all pixels of the cell in their places.

    pixels (3, 32, 32), cell bool (32, 32), picture (3, height, width)
    """
    rows, columns = box.bottom - box.top - SIDE + 1, box.right - box.left - SIDE + 1
    corners = np.ones((rows, columns), bool)
    for y, x in np.argwhere(cell):
        top, left = box.top + y, box.left + x
        shown = picture[:, top : top + rows, left : left + columns]
        corners &= (shown == pixels[:, y, x, None, None]).all(axis=0)
        if not corners.any():
            return False
    return True


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_every_cell_comes_from_its_photograph_and_the_area_of_its_split(source, split):
    pictures = [photograph(name).numpy() for name in source.class_names]
    held = getattr(source, split)
    for pixels, labels in zip(held.inputs[:12].numpy(), held.labels[:12].numpy(), strict=True):
        for label in np.unique(labels):
            picture = pictures[label]
            boxes = regions(*picture.shape[1:])[split]
            assert any(lies_within(pixels, labels == label, picture, box) for box in boxes)


def test_every_ood_cell_comes_from_its_photograph(ood):
    pictures = [photograph(name) for name in ood.class_names]
    held = ood.test
    for pixels, labels in zip(held.inputs[:5].numpy(), held.labels[:5].numpy(), strict=True):
        for label in np.unique(labels):
            picture = pictures[label]
            assert lies_within(pixels, labels == label, picture.numpy(), whole(picture))


def test_a_pixel_belongs_to_the_nearest_seed_and_to_the_first_of_several():
    random = torch.Generator().manual_seed(0)
    seeds = torch.stack([torch.randperm(SIDE * SIDE, generator=random)[:5] for _ in range(3)])
    seeds[0, :2] = torch.tensor([8 * SIDE + 8, 8 * SIDE + 18])  # column 13 is as near to both
    for cells, held in zip(voronoi(seeds).tolist(), seeds.tolist(), strict=True):
        points = [divmod(seed, SIDE) for seed in held]
        for y in range(SIDE):
            for x in range(SIDE):
                away = [(y - row) ** 2 + (x - column) ** 2 for row, column in points]
                assert cells[y][x] == away.index(min(away))


@pytest.mark.parametrize(("split", "count"), [("train", 2000), ("validation", 500), ("test", 1000)])
def test_every_mosaic_shows_four_of_ten_photographs(source, split, count):
    held = getattr(source, split)
    assert held.inputs.shape == (count, 3, SIDE, SIDE)
    assert held.labels.shape == (count, SIDE, SIDE)
    assert (held.inputs.dtype, held.labels.dtype) == (torch.uint8, torch.int64)
    shown = torch.stack([(held.labels == label).flatten(1).any(1) for label in range(10)])
    assert (shown.sum(dim=0) == CELLS).all()
    share = held.labels.flatten().bincount() / held.labels.numel()
    assert share.tolist() == pytest.approx([0.1] * 10, abs=0.02)
    assert (source.kind, source.class_names) == ("segmentation", tuple(PHOTOGRAPHS))


def test_neighbours_are_mostly_of_one_class(source):
    labels = source.test.labels
    assert (labels[:, 1:] == labels[:, :-1]).double().mean() > 0.9
    assert (labels[..., 1:] == labels[..., :-1]).double().mean() > 0.9


def test_no_two_splits_have_the_same_cells_or_mosaics(source):
    splits = [source.train, source.validation, source.test]
    for held in ([s.inputs.numpy() for s in splits], [s.labels.numpy() for s in splits]):
        sets = [{example.tobytes() for example in array} for array in held]
        assert [len(found) for found in sets] == [2000, 500, 1000]
        assert len(set.union(*sets)) == 3500


def test_ood_mosaics_are_of_other_photographs(ood):
    assert ood.test.inputs.shape == (1000, 3, SIDE, SIDE)
    assert ood.test.labels.unique().tolist() == list(range(8))
    assert (ood.kind, ood.class_names) == ("segmentation", tuple(OOD_PHOTOGRAPHS))


def test_the_labels_are_those_of_every_machine(source):
    drawn = hashlib.sha256(source.train.labels.numpy().astype("<i8").tobytes()).hexdigest()
    assert drawn.startswith("cd509f09feac2e77")
