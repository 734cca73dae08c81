"""`photos` and `textures`: patches are looked for in the photographs, as their own libraries load
them."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view
from skimage import data as skimage_data
from sklearn.datasets import load_sample_image

from trainables.data import photos as module
from trainables.data.photos import (
    OOD_PHOTOGRAPHS,
    PHOTOGRAPHS,
    SIDE,
    Box,
    cut,
    photograph,
    photos,
    photos_ood,
    regions,
    textures,
)
from trainables.errors import DataError

# the libraries' own way to each photograph
LOADERS = {
    "astronaut": skimage_data.astronaut,
    "chelsea": skimage_data.chelsea,
    "china": lambda: load_sample_image("china.jpg"),
    "coffee": skimage_data.coffee,
    "flower": lambda: load_sample_image("flower.jpg"),
    "hubble": skimage_data.hubble_deep_field,
    "immunohistochemistry": skimage_data.immunohistochemistry,
    "motorcycle": lambda: skimage_data.stereo_motorcycle()[0],
    "retina": skimage_data.retina,
    "rocket": skimage_data.rocket,
}
SHRINK = {"hubble": 2, "retina": 3}
BLANK = 3  # a patch of fewer grey levels lies at too many places to say where it came from


@pytest.fixture(scope="module", params=[photos, textures])
def source(request):
    return request.param()


@pytest.fixture(scope="module")
def ood():
    return photos_ood()


def positions_of(patch, picture):
    """Every (row, column) of a picture (3, height, width) at which the patch is found."""
    windows = sliding_window_view(picture[0], (SIDE, SIDE))
    corners = np.argwhere(windows[..., 0, 0] == patch[0, 0, 0])
    return [
        (int(y), int(x))
        for y, x in corners
        if np.array_equal(picture[:, y : y + SIDE, x : x + SIDE], patch)
    ]


@pytest.mark.parametrize("name", sorted(LOADERS))
def test_a_photograph_is_the_one_its_library_loads(name):
    expected = LOADERS[name]().astype(float)
    step = SHRINK.get(name, 1)
    height, width = (side // step * step for side in expected.shape[:2])
    blocks = expected[:height, :width].reshape(height // step, step, width // step, step, 3)
    means = blocks.mean(axis=(1, 3)).transpose(2, 0, 1)
    ours = photograph(name).numpy()[:, : means.shape[1], : means.shape[2]]
    assert np.abs(ours - means).max() < 0.6  # rounded, in Pillow's fixed-point arithmetic


@pytest.mark.parametrize("name", OOD_PHOTOGRAPHS)
def test_an_ood_photograph_is_grey_in_three_channels(name):
    expected = getattr(skimage_data, name)()
    assert (photograph(name).numpy() == expected).all()


def test_a_photograph_that_cannot_be_read_is_named_with_its_remedy(tmp_path, monkeypatch):
    path = tmp_path / "flower.jpg"
    monkeypatch.setattr(module, "shipped", lambda package, file: path)
    for content in (None, b"no image"):
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(DataError, match="reinstall scikit-learn from its wheel") as raised:
            photograph("flower")
        assert str(raised.value).startswith(f"photos: cannot read {path} (")
        assert "\n" not in str(raised.value)


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_patches_lie_in_the_area_of_their_split(source, split):
    images = getattr(source, split)
    for label, name in enumerate(source.class_names):
        picture = photograph(name).numpy()
        boxes = regions(*picture.shape[1:])[split]
        for patch in images.inputs[images.labels == label][:3].numpy():
            if len(np.unique(patch)) < BLANK:
                continue
            assert any(
                box.top <= y and y + SIDE <= box.bottom and box.left <= x and x + SIDE <= box.right
                for y, x in positions_of(patch, picture)
                for box in boxes
            ), f"{name}: a {split} patch from elsewhere"


def test_ood_patches_come_from_the_photograph_of_their_label(ood):
    for label, name in enumerate(ood.class_names):
        patch = ood.test.inputs[ood.test.labels == label][0].numpy()
        assert positions_of(patch, photograph(name).numpy())


@given(st.integers(96, 1000), st.integers(105, 1000))
def test_no_pixel_belongs_to_two_splits_and_every_box_holds_a_patch(height, width):
    claimed = np.zeros((height, width), int)
    for boxes in regions(height, width).values():
        for box in boxes:
            claimed[box.top : box.bottom, box.left : box.right] += 1
            assert box.positions > 0
    assert (claimed == 1).all()


@pytest.mark.parametrize(("height", "bands"), [(96, 3), (191, 3), (192, 6), (1000, 6)])
def test_low_photographs_are_cut_into_fewer_bands(height, bands):
    boxes = regions(height, 105)
    assert len(boxes["validation"]) == bands // 3
    assert len(boxes["test"]) == 2 * bands // 3


def test_every_photograph_is_large_enough():
    for name in (*PHOTOGRAPHS, *OOD_PHOTOGRAPHS):
        _, height, width = photograph(name).shape
        assert height >= (192 if name in PHOTOGRAPHS else 96)
        assert width >= 105


def test_textures_are_of_the_photographs_of_photos_ood_and_none_of_photos(ood):
    source = textures()
    assert source.class_names == ood.class_names
    assert not set(source.class_names) & set(photos().class_names)
    for split in (source.train, source.validation, source.test):
        assert (split.inputs == split.inputs[:, :1]).all()  # three equal channels


@given(st.integers(1, 60), st.integers(1, 60))
def test_positions_are_the_places_where_a_patch_fits(height, width):
    fits = sum(y + SIDE <= height and x + SIDE <= width for y in range(60) for x in range(60))
    assert Box(0, height, 0, width).positions == fits


def test_patches_are_drawn_at_distinct_positions_and_reach_all_of_them():
    picture = torch.arange(40 * 50).reshape(1, 40, 50).repeat(3, 1, 1)
    boxes = [Box(0, 33, 10, 44), Box(5, 38, 0, 32)]
    corners = cut(picture, boxes, sum(box.positions for box in boxes), "any")[:, 0, 0, 0]
    first = {y * 50 + x for y in (0, 1) for x in (10, 11, 12)}
    second = {5 * 50, 6 * 50}
    assert set(corners.tolist()) == first | second
    assert len(corners) == 8
    with pytest.raises(ValueError, match="9 distinct patches from 8 positions"):
        cut(picture, boxes, 9, "any")


@pytest.mark.parametrize(
    ("split", "examples"), [("train", 4000), ("validation", 1000), ("test", 2000)]
)
def test_balanced_classes(source, split, examples):
    images, classes = getattr(source, split), {"photos": 10, "textures": 8}[source.name]
    assert images.inputs.shape == (examples, 3, 32, 32)
    assert images.inputs.dtype == torch.uint8
    assert images.labels.dtype == torch.int64
    assert images.labels.bincount().tolist() == [examples // classes] * classes
    assert images.labels[: 2 * classes].bincount().tolist() == [2] * classes
    assert (source.classes, source.shape) == (classes, (3, 32, 32))


def test_ood_images_are_balanced_and_of_other_photographs(ood):
    assert ood.test.inputs.shape == (2000, 3, 32, 32)
    assert ood.test.labels.bincount().tolist() == [250] * 8
    assert not set(OOD_PHOTOGRAPHS) & set(PHOTOGRAPHS)
