"""`npz:PATH`: keys that are known, types of pixels, headers that lie, out-of-distribution data."""

import struct
import zipfile

import numpy as np
import pytest
from support import one_line

from trainables.data.sources import load

RNG = np.random.default_rng(0)
X = RNG.integers(0, 256, (30, 4, 5), np.uint8)
Y = np.arange(30) % 3
ROWS = {"train": slice(0, 15), "validation": slice(15, 21), "test": slice(21, 30)}


def archive(folder, **arrays):
    np.savez(folder / "a.npz", **arrays)
    return f"npz:{folder / 'a.npz'}"


def keyed(pattern_x, pattern_y, **splits):
    """Arrays under keys made of two patterns; `train="Train"` calls a split so."""
    arrays = {}
    for split, called in splits.items():
        arrays[pattern_x.format(called)] = X[ROWS[split]]
        arrays[pattern_y.format(called)] = Y[ROWS[split]]
    return arrays


def rows(split):
    return None if split is None else split.inputs[:, 0].numpy().tolist()


# --- keys ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern_x", "pattern_y"),
    [
        ("x_{}", "y_{}"),
        ("X_{}", "Y_{}"),
        ("{}_images", "{}_labels"),
        ("images_{}", "labels_{}"),
        ("{}_x", "{}_y"),
    ],
)
@pytest.mark.parametrize("validation", ["val", "valid", "validation", "dev"])
def test_keys_of_keras_and_medmnist_are_known(tmp_path, pattern_x, pattern_y, validation):
    called = {"train": "train", "validation": validation, "test": "test"}
    source = load(archive(tmp_path, **keyed(pattern_x, pattern_y, **called)))
    for split, part in ROWS.items():
        assert rows(getattr(source, split)) == X[part].tolist()
        assert getattr(source, split).labels.tolist() == Y[part].tolist()
    assert source.notes == ()


def test_keys_that_are_not_used_are_said(tmp_path):
    arrays = keyed("x_{}", "y_{}", train="train", test="test")
    source = load(archive(tmp_path, **arrays, names=np.array(["a"]), train=X, x_extra=X))
    assert source.notes == ("Keys that are not used: names, train, x_extra.",)


def test_two_keys_of_one_meaning_are_refused(tmp_path):
    arrays = keyed("x_{}", "y_{}", train="train", test="test")
    name = archive(tmp_path, **arrays, test_images=X)
    one_line(lambda: load(name), "x_test and test_images both mean x_test", "leave one out")


def test_without_a_test_split_validation_serves_as_that(tmp_path):
    source = load(archive(tmp_path, **keyed("x_{}", "y_{}", train="train", validation="val")))
    assert rows(source.test) == X[ROWS["validation"]].tolist()
    assert source.validation is None
    assert "no test split: x_val serves as that" in source.notes[0]


@pytest.mark.parametrize(("x", "y"), [("x", "y"), ("images", "labels"), ("X_train", "y_train")])
def test_of_training_examples_alone_a_fifth_of_each_class_is_drawn(tmp_path, x, y):
    name = archive(tmp_path, **{x: X, y: Y})
    source = load(name)
    assert source.test.labels.bincount().tolist() == [2, 2, 2]
    assert source.train.labels.bincount().tolist() == [8, 8, 8]
    held = dict(zip(map(str, X.tolist()), Y.tolist(), strict=True))
    found = [
        (str(row), label)
        for split in (source.train, source.test)
        for row, label in zip(rows(split), split.labels.tolist(), strict=True)
    ]
    assert dict(found) == held
    assert source.digest == load(name).digest
    assert source.notes[0].startswith(f"{x} stands alone: a fifth of each class, 6 images")
    alone = archive(tmp_path, **{x: X[:3], y: Y[:3]})
    one_line(lambda: load(alone), "holds 1 images of label 0", "2 or more of each")


# --- pixels -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["<u2", ">u2"])
def test_sixteen_bits_are_scaled_by_their_range(tmp_path, kind):
    deep = RNG.integers(0, 65536, X.shape).astype(kind)
    deep[0, 0] = (0, 128, 129, 257, 65535)
    source = load(archive(tmp_path, x=deep, y=Y, x_test=deep, y_test=Y))
    assert rows(source.test) == np.rint(deep / 257).astype(int).tolist()


OF_NO_RANGE = [
    (X / 255, "dtype float64", "(x * 255.0).round().astype('uint8')"),
    (X.astype(np.float32), "dtype float32", "x.round().astype('uint8')"),
    (X > 127, "dtype bool", "(x * 255.0).round().astype('uint8')"),
    (X.astype(np.int64), "dtype int64", "x.round().astype('uint8')"),
    ((X // 2).astype(np.int8), "dtype int8", "x.round().astype('uint8')"),
    (X.astype(np.int32) * 200, "dtype int32", "x.astype('uint16')"),
    (X.astype(np.uint16), "no value is above 255", "x.astype('uint8')"),
]


@pytest.mark.parametrize(("x", "says", "remedy"), OF_NO_RANGE, ids=lambda v: str(v)[:30])
def test_other_numbers_are_refused_with_a_remedy_that_works(tmp_path, x, says, remedy):
    one_line(lambda: load(archive(tmp_path, x=x, y=Y)), "x: ", says, remedy)
    followed = eval(remedy, {"x": x})
    load(archive(tmp_path, x=followed, y=Y))


@pytest.mark.parametrize("x", [X - 128.0, np.where(X > 9, X, np.nan), X.astype(int) * 10**6])
def test_numbers_whose_white_is_not_known_are_refused(tmp_path, x):
    says = "bring what is white to 255"
    one_line(lambda: load(archive(tmp_path, x=x, y=Y)), f"dtype {x.dtype}", says)


# --- archives that lie --------------------------------------------------------------------------


def npy(shape, content, kind="|u1"):
    """A .npy file whose header says what it likes."""
    header = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    header += b" " * (-(10 + len(header) + 1) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + content


def zipped(folder, **members):
    with zipfile.ZipFile(folder / "a.npz", "w", zipfile.ZIP_DEFLATED) as file:
        for key, content in members.items():
            file.writestr(f"{key}.npy", content)
    return f"npz:{folder / 'a.npz'}"


@pytest.mark.parametrize("shape", [(10**12, 4, 4), (10**30,), (30, 4, 6), (30, 4, -5), (29, 4, 5)])
def test_a_header_that_lies_is_refused_before_anything_is_allocated(tmp_path, shape):
    name = zipped(tmp_path, x=npy(shape, X.tobytes()), y=npy((30,), Y.astype("u1").tobytes()))
    one_line(lambda: load(name), "x cannot be read", "numpy.savez")


def test_what_would_not_fit_memory_is_refused_before_it_is_read(tmp_path, little_memory):
    name = archive(tmp_path, x=X, y=Y)
    little_memory(X.nbytes)
    one_line(lambda: load(name), "of memory and", "are available", "fewer or smaller images")


def test_a_member_that_unpacks_to_more_than_memory_is_refused(tmp_path, little_memory):
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        with file.open("x.npy", "w") as member:
            member.write(npy((3 * 10**8, 1, 1), b""))
            member.write(bytes(10**6) * 300)
        file.writestr("y.npy", npy((1,), b"\0"))
    assert path.stat().st_size < 2 * 10**6
    little_memory(10**8)
    one_line(lambda: load(f"npz:{path}"), "0.6 GB of memory and 0.1 GB are available")


@pytest.mark.parametrize(
    "content", [b"", b"no array", npy((2,), b"ab", "|O"), b"\x93NUMPY\x09\x00", npy("x", b"")]
)
def test_members_that_are_no_plain_arrays_are_refused(tmp_path, content):
    name = zipped(tmp_path, x=content, y=npy((30,), Y.astype("u1").tobytes()))
    one_line(lambda: load(name), "x cannot be read", "numpy.savez")


# --- as out-of-distribution data ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("arrays", "key"),
    [
        ({"x_test": X}, "x_test"),
        ({"test_images": X, "train_images": X[:5]}, "test_images"),
        ({"x": X}, "x"),
        ({"images": X}, "images"),
        ({"x_train": X, "y_train": Y / 2}, "x_train"),
        ({"x_test": X, "y_test": np.eye(30)}, "x_test"),
        ({"x_test": X, "x_train": X / 255, "y_train": Y}, "x_test"),
        ({"val_images": X}, "val_images"),
    ],
)
def test_ood_images_need_no_labels(tmp_path, arrays, key):
    name = archive(tmp_path, **arrays)
    source = load(name, as_ood=True)
    assert rows(source.test) == X.tolist()
    assert len(source.train) == 0
    assert source.notes == (f"{key} serves as out-of-distribution data, without classes.",)


def test_ood_images_that_serve_as_other_data_too_are_the_same(tmp_path):
    name = archive(tmp_path, **keyed("x_{}", "y_{}", train="train", test="test"))
    assert load(name, as_ood=True).digest == load(name).digest
    alone = archive(tmp_path, x_test=X, y_test=Y)
    assert load(alone, as_ood=True).digest == load(alone).digest
    assert load(alone, as_ood=True).classes == 3


@pytest.mark.parametrize("arrays", [{"arr_0": X}, {"y_test": Y}, {"x_test": X[0]}])
def test_ood_data_without_images_are_refused(tmp_path, arrays):
    name = archive(tmp_path, **arrays)
    one_line(lambda: load(name, as_ood=True), name, "give ")
