"""Sources of the user's own images, and examples in general: round trips, digests, messages."""

import os
import pickle
import re
from pathlib import Path

import fingerprints
import numpy as np
import pytest
import torch
import torch.nn.functional as F
import torchvision.datasets as tv
from fingerprints import SHIPPED, WITH_OOD
from pictures import classes, image
from support import one_line

from trainables.config.data_names import ACCEPTED
from trainables.data.examples import Examples, Source, no_examples, stated_normalisation
from trainables.data.sources import load

RNG = np.random.default_rng(0)
X_TRAIN = RNG.integers(0, 256, (12, 6, 5, 3), np.uint8)
Y_TRAIN = np.arange(12) % 3
X_TEST = RNG.integers(0, 256, (4, 6, 5, 3), np.uint8)
Y_TEST = np.array([2, 0, 1, 1])
ARRAYS = {"x_train": X_TRAIN, "y_train": Y_TRAIN, "x_test": X_TEST, "y_test": Y_TEST}


def archive(folder, **changes):
    """Write the archive with some arrays replaced or, by None, left out; its source name."""
    arrays = {key: array for key, array in (ARRAYS | changes).items() if array is not None}
    np.savez(folder / "images.npz", **arrays)
    return f"npz:{folder / 'images.npz'}"


def as_stored(images):
    """(n, height, width, channels)"""
    return images.inputs.permute(0, 2, 3, 1).numpy()


# --- npz ---------------------------------------------------------------------------------------


def test_an_archive_comes_back_as_it_was_written(tmp_path):
    name = archive(tmp_path)
    source = load(name)
    assert source.name == name
    assert (as_stored(source.train) == X_TRAIN).all()
    assert (as_stored(source.test) == X_TEST).all()
    assert source.train.labels.tolist() == Y_TRAIN.tolist()
    assert source.test.labels.tolist() == Y_TEST.tolist()
    assert source.validation is None
    assert source.shape == (3, 6, 5)
    assert source.class_names == ("0", "1", "2")
    for split in (source.train, source.test):
        assert split.inputs.dtype == torch.uint8
        assert split.inputs.is_contiguous()
        assert split.labels.dtype == torch.int64


def test_labels_may_be_a_column_of_any_integer_type(tmp_path):
    column = archive(tmp_path, y_train=Y_TRAIN.astype(np.uint8)[:, None], y_test=Y_TEST[:, None])
    assert load(column).train.labels.tolist() == Y_TRAIN.tolist()
    assert load(column).test.labels.tolist() == Y_TEST.tolist()


def test_grey_images_have_one_channel(tmp_path):
    source = load(archive(tmp_path, x_train=X_TRAIN[..., 0], x_test=X_TEST[..., 0]))
    assert source.shape == (1, 6, 5)
    assert (source.train.inputs[:, 0].numpy() == X_TRAIN[..., 0]).all()


def test_an_archive_of_test_images_only_has_an_empty_training_split(tmp_path):
    source = load(archive(tmp_path, x_train=None, y_train=None))
    assert len(source.train) == 0
    assert source.train.inputs.shape == (0, 3, 6, 5)
    assert len(source.test) == 4


def test_a_path_may_start_at_the_home_folder(tmp_path, monkeypatch):
    archive(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert load("npz:~/images.npz").classes == 3


BAD_ARCHIVES = [
    ({"x_test": None}, "key x_test is missing", "x_test and y_test"),
    ({"y_train": None}, "key y_train is missing", "x_test and y_test"),
    ({"x_train": None, "y_train": None, "x_test": None, "y_test": None}, "nothing", "give x_train"),
    ({"x_train": X_TRAIN / 255}, "x_train: dtype float64", "uint8"),
    ({"x_train": X_TRAIN.reshape(12, -1)}, "x_train: shape (12, 90)", "channels last"),
    ({"x_train": X_TRAIN.transpose(0, 3, 1, 2)}, "x_train: shape (12, 3, 6, 5)", "channels last"),
    ({"x_train": X_TRAIN[:0], "y_train": Y_TRAIN[:0]}, "holds no image", "at least one"),
    ({"x_test": X_TEST[:, :5]}, "(3, 5, 5)", "one size"),
    ({"x_test": X_TEST[..., 0]}, "(1, 6, 5)", "one size"),
    ({"y_train": Y_TRAIN[:11]}, "12 images and y_train 11 labels", "one label per image"),
    ({"y_train": Y_TRAIN.astype(float)}, "y_train: dtype float64", "integer"),
    ({"y_train": Y_TRAIN > 0}, "y_train: dtype bool", "integer"),
    ({"y_train": np.eye(3, dtype=int)[Y_TRAIN]}, "y_train: shape (12, 3)", "one-hot"),
    ({"y_train": Y_TRAIN - 1}, "y_train: label -1", "from 0"),
    ({"y_train": Y_TRAIN + 1}, "no image has label 0, the largest is 3", "without a gap"),
    ({"y_train": Y_TRAIN * 2}, "no image has label 1, the largest is 4", "without a gap"),
    ({"y_train": Y_TRAIN * 0}, "every label is 0", "at least 2 classes"),
    ({"y_test": Y_TEST + 1}, "y_test: label 3 is out of range", "0 … 2"),
    ({"y_test": np.array([0, 0, 0, 2**64 - 1], np.uint64)}, "label 18446744073709551615", "from 0"),
    ({"x_train": None, "y_train": None, "y_test": Y_TEST * 10**9}, "label 2000000000", "0 … 3"),
    ({"x_train": np.array([{}] * 12)}, "x_train cannot be read", "numpy.savez"),
]


@pytest.mark.parametrize(("changes", "value", "remedy"), BAD_ARCHIVES, ids=lambda v: str(v)[:40])
def test_a_bad_archive_is_named_with_its_remedy(tmp_path, changes, value, remedy):
    name = archive(tmp_path, **changes)
    one_line(lambda: load(name), name, value, remedy)


def test_files_that_are_no_archive(tmp_path):
    path = tmp_path / "images.npz"
    one_line(lambda: load(f"npz:{path}"), str(path), "no such file", ".npz")
    one_line(lambda: load(f"npz:{tmp_path}"), str(tmp_path), "no such file", ".npz")
    for content in (b"", b"text", b"PK\x03\x04 cut short", pickle.dumps([1])):
        path.write_bytes(content)
        one_line(lambda: load(f"npz:{path}"), str(path), "not a readable", "numpy.savez")
    with path.open("wb") as file:
        np.save(file, X_TEST)
    one_line(lambda: load(f"npz:{path}"), str(path), "a single array", "numpy.savez")


def test_a_damaged_member_is_named(tmp_path):
    name = archive(tmp_path)
    path = tmp_path / "images.npz"
    content = bytearray(path.read_bytes())
    where = content.index(X_TRAIN.tobytes())
    content[where] ^= 255
    path.write_bytes(content)
    one_line(lambda: load(name), name, "x_train cannot be read", "numpy.savez")


# --- folder ------------------------------------------------------------------------------------


def test_class_folders_alone_are_split_four_to_one_in_each_class(tmp_path):
    written = classes(tmp_path, 10)
    source = load(f"folder:{tmp_path}")
    assert source.class_names == ("ant", "bee")
    assert source.train.labels.bincount().tolist() == [8, 8]
    assert source.test.labels.bincount().tolist() == [2, 2]
    found = np.concatenate([as_stored(source.train), as_stored(source.test)])
    labels = source.train.labels.tolist() + source.test.labels.tolist()
    expected = {(p.tobytes(), source.class_names.index(f.parent.name)) for f, p in written.items()}
    assert {(p.tobytes(), label) for p, label in zip(found, labels, strict=True)} == expected


def test_given_splits_are_kept(tmp_path):
    written = {s: classes(tmp_path / s, 3) for s in ("train", "validation", "test")}
    source = load(f"folder:{tmp_path}")
    for split, files in written.items():
        images = getattr(source, split)
        assert (as_stored(images) == np.stack(list(files.values()))).all()
        assert images.labels.tolist() == [0, 0, 0, 1, 1, 1]


def test_agrees_with_torchvisions_image_folder(tmp_path):
    classes(tmp_path / "train", 3, size=(5, 6))
    classes(tmp_path / "test", 2, size=(5, 6))
    image(tmp_path / "test/bee/deeper/grey.jpg", X_TEST[0, ..., 0])
    (tmp_path / "test/bee/notes.txt").write_text("no image")
    ours = load(f"folder:{tmp_path}").test
    theirs = tv.ImageFolder(str(tmp_path / "test"))
    assert as_stored(ours).tolist() == np.stack([np.asarray(i) for i, _ in theirs]).tolist()
    assert ours.labels.tolist() == theirs.targets


def test_a_test_folder_alone_serves_as_ood(tmp_path):
    classes(tmp_path / "test", 3, ["any"], size=(5, 6))
    source = load(f"folder:{tmp_path}")
    assert source.train.inputs.shape == (0, 3, 6, 5)
    assert len(source.test) == 3


def test_a_folder_gives_the_same_images_wherever_it_lies(tmp_path):
    classes(tmp_path / "here")
    first = load(f"folder:{tmp_path / 'here'}").digest
    (tmp_path / "here").rename(tmp_path / "there")
    assert load(f"folder:{tmp_path / 'there'}").digest == first


def test_images_of_mixed_sizes_are_resized_on_request(tmp_path):
    written = {}
    for height, width in [(12, 5), (40, 30), (8, 9), (20, 64), (16, 16), (3, 2)]:
        for label in ("ant", "bee"):
            path = tmp_path / "test" / label / f"{height}.png"
            written[label, height] = RNG.integers(0, 256, (height, width, 3), np.uint8)
            image(path, written[label, height])
    found = load(f"folder:{tmp_path}", side=8).test
    assert found.inputs.shape == (12, 3, 8, 8)
    expected = sorted(written, key=lambda at: (at[0], f"{at[1]}.png"))
    assert found.labels.tolist() == [("ant", "bee").index(label) for label, _ in expected]
    for pixels, at in zip(found.inputs, expected, strict=True):
        stored = torch.from_numpy(written[at]).permute(2, 0, 1)[None].float()
        resized = F.interpolate(stored, (8, 8), mode="bilinear", antialias=True)[0]
        assert (pixels - resized).abs().max() <= 1.5  # Pillow rounds after each direction


def test_images_of_one_size_stay_as_they_are_whatever_is_asked_for(tmp_path):
    classes(tmp_path)
    assert load(f"folder:{tmp_path}", side=8).digest == load(f"folder:{tmp_path}").digest
    name = archive(tmp_path)
    assert load(name, side=8).digest == load(name).digest


def test_what_is_no_folder_is_named_with_its_remedy(tmp_path):
    (tmp_path / "file").write_text("")
    for root in (tmp_path / "file", tmp_path / "gone"):
        name = f"folder:{root}"
        one_line(lambda name=name: load(name), f"{name}: ", "no such folder", "a folder per class")


def test_a_class_of_one_image_is_named_with_its_remedy(tmp_path):
    classes(tmp_path)
    image(tmp_path / "cow/1.png", X_TEST[0])
    name = f"folder:{tmp_path}"
    one_line(lambda: load(name), f"{name}: ", "'cow' holds one image", "2 or more")


def test_an_image_of_another_size_is_named_with_its_remedy(tmp_path):
    for split in ("train", "test"):
        classes(tmp_path / split, size=(5, 6))
    image(tmp_path / "train/bee/large.png", X_TRAIN[0].repeat(2, axis=0))
    name = f"folder:{tmp_path}"
    says = "large.png is 5×12 pixels and the first test image 5×6"
    remedy = "--set data.resize=64, or resize all images to one size"
    one_line(lambda: load(name), f"{name}: ", says, remedy)


# --- names --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["imagenet", "", "Photos", "zip:a", "cifar10:x", "npz", "folder", "pet:x"]
)
def test_an_unknown_name_lists_what_is_accepted(name):
    one_line(lambda: load(name), repr(name), *ACCEPTED)


@pytest.mark.parametrize("kind", ["npz", "folder", "text"])
def test_a_name_without_its_path(kind):
    one_line(lambda: load(f"{kind}:"), f"{kind}:", "the path is missing", f"{kind}:PATH")


# --- digest and constants ----------------------------------------------------------------------


def small(name="a", classes=2, **splits):
    images = Examples(torch.arange(8, dtype=torch.uint8).view(2, 1, 2, 2), torch.tensor([0, 1]))
    names = tuple(str(label) for label in range(classes))
    kept = {"train": images, "validation": None, "test": images} | splits
    return Source(name, class_names=names, **kept)


def test_the_digest_depends_on_every_array_and_on_the_number_of_classes():
    images = small().train
    other_pixels = Examples(images.inputs + 1, images.labels)
    other_labels = Examples(images.inputs, images.labels.flip(0))
    other_shape = Examples(images.inputs.view(2, 1, 1, 4), images.labels)
    changes = [{}, {"classes": 3}, {"validation": images}, {"train": no_examples(images)}]
    for split in ("train", "validation", "test"):
        changes += [{split: i} for i in (other_pixels, other_labels, other_shape)]
    digests = [small(**change).digest for change in changes]
    assert len(set(digests)) == len(digests)
    assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in digests)


def test_the_digest_does_not_depend_on_the_name_or_on_memory_layout():
    pixels = small().test.inputs
    laid_out = Examples(pixels.transpose(2, 3).contiguous().transpose(2, 3), small().test.labels)
    assert small("a").digest == small("b").digest == small(test=laid_out).digest


def test_what_ships_has_the_same_digest_in_another_process(elsewhere):
    assert elsewhere["sources"] == fingerprints.sources()
    assert len(set(elsewhere["sources"].values())) == len(SHIPPED)
    assert set(SHIPPED) <= set(ACCEPTED)


def test_the_digest_is_computed_once_and_travels_with_the_source():
    source = small()
    digest = source.digest
    source.test.inputs.zero_()
    assert source.digest == digest
    assert pickle.loads(pickle.dumps(source)).digest == digest


def test_constants_are_stated_for_known_sets_only():
    (_, paper), (_, older) = (stated_normalisation(n) for n in ("cifar10", "cifar10-pixels"))
    assert paper == (0.20220212, 0.19931542, 0.20086346)
    assert older == (0.24703223, 0.24348513, 0.26158784)
    assert stated_normalisation("npz:images.npz") is None


@pytest.mark.parametrize(
    ("name", "mean_of_means", "channels"),
    [
        ("cifar100", 0.478, 3),
        ("svhn", 0.4514, 3),
        ("mnist", 0.1307, 1),
        ("fashion_mnist", 0.286, 1),
        ("stl10", 0.431, 3),
        ("imagenet", 0.4490, 3),
    ],
)
def test_published_constants_are_one_a_channel(name, mean_of_means, channels):
    mean, std = stated_normalisation(name)
    assert len(mean) == len(std) == channels
    assert np.mean(mean) == pytest.approx(mean_of_means, abs=5e-4)
    assert all(0.15 < value < 0.4 for value in std)


@pytest.mark.parametrize("name", ["photos", "textures", "mosaics", "digits"])
def test_constants_of_what_ships_are_those_of_its_training_images(name):
    mean, std = stated_normalisation(name)
    pixels = load(name).train.inputs.numpy() / 255.0
    assert mean == pytest.approx(pixels.mean(axis=(0, 2, 3)), abs=1e-6)
    assert std == pytest.approx(pixels.std(axis=(0, 2, 3)), abs=1e-6)


@pytest.mark.parametrize("name", WITH_OOD)
def test_what_ships_as_out_of_distribution_is_there_to_test_on_alone(name):
    ood = load(f"{name}_ood")
    assert ood.validation is None
    for kind in ("inputs", "labels"):
        held, none = (getattr(split, kind) for split in (ood.test, ood.train))
        assert (none.shape, none.dtype) == ((0, *held.shape[1:]), held.dtype)


def test_no_examples_are_of_the_same_types_and_shapes():
    like = Examples(torch.rand(5, 2), torch.arange(20).view(5, 2, 2))
    empty = no_examples(like)
    assert (empty.inputs.shape, empty.inputs.dtype) == ((0, 2), torch.float32)
    assert (empty.labels.shape, empty.labels.dtype) == ((0, 2, 2), torch.int64)
    assert len(empty) == 0


@pytest.fixture(scope="module")
def real_data():
    """A folder with the real cifar10.npz and svhn.npz."""
    folder = os.environ.get("REAL_IMAGES")
    if not folder:
        pytest.skip("REAL_IMAGES names no folder with cifar10.npz and svhn.npz")
    return Path(folder)


def test_real_cifar10_has_the_papers_mean(real_data):
    source = load(f"npz:{real_data / 'cifar10.npz'}")
    assert source.train.labels.bincount().tolist() == [5000] * 10
    assert source.test.labels.bincount().tolist() == [1000] * 10
    mean, _ = stated_normalisation("cifar10")
    _, std = stated_normalisation("cifar10-pixels")
    some = source.train.inputs[::10].double() / 255
    assert some.mean(dim=(0, 2, 3)).tolist() == pytest.approx(mean, abs=0.01)
    assert some.std(dim=(0, 2, 3)).tolist() == pytest.approx(std, abs=0.01)


def test_real_svhn_has_test_images_only(real_data):
    source = load(f"npz:{real_data / 'svhn.npz'}")
    assert (len(source.train), len(source.test)) == (0, 10_000)
    assert source.classes == 10
