"""`digits`: every image and label is held against scikit-learn's own loader."""

import gzip

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from trainables.data import digits as module
from trainables.data.digits import digits
from trainables.errors import DataError

COUNTS, LABELS = load_digits().images, load_digits().target  # (1797, 8, 8) in 0 … 16, (1797,)


@pytest.fixture(scope="module")
def source():
    return digits()


@pytest.fixture(scope="module")
def expected():
    """Split → rows of the file, class by class: the first 100, the last 50, and those between."""
    by_class = [np.flatnonzero(digit == LABELS) for digit in range(10)]
    cuts = {"train": slice(100), "validation": slice(100, -50), "test": slice(-50, None)}
    return {
        split: np.sort(np.concatenate([rows[cut] for rows in by_class]))
        for split, cut in cuts.items()
    }


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_images_and_labels_are_those_of_scikit_learns_loader(source, expected, split):
    held, rows = getattr(source, split), expected[split]
    assert held.labels.tolist() == LABELS[rows].tolist()
    pixels = [[[[round(v * 255 / 16) for v in row] for row in image]] for image in COUNTS[rows]]
    assert held.inputs.tolist() == pixels
    assert (held.inputs.dtype, held.labels.dtype) == (torch.uint8, torch.int64)
    assert held.inputs.is_contiguous()


def test_every_digit_of_the_file_is_in_one_split_and_black_is_255(source, expected):
    rows = np.concatenate(list(expected.values()))
    assert sorted(rows.tolist()) == list(range(1797))
    sizes = [len(split) for split in (source.train, source.validation, source.test)]
    assert sizes == [1000, 297, 500]
    assert (source.train.inputs.min(), source.train.inputs.max()) == (0, 255)


def test_ten_classes_balanced_as_far_as_there_are_digits(source):
    assert source.train.labels.bincount().tolist() == [100] * 10
    assert source.test.labels.bincount().tolist() == [50] * 10
    left = np.bincount(LABELS) - 150
    assert source.validation.labels.bincount().tolist() == left.tolist()
    assert (left.min(), left.max()) == (24, 33)
    assert source.class_names == tuple("0123456789")
    assert (source.kind, source.shape) == ("classification", (1, 8, 8))


def test_every_test_digit_comes_after_every_training_digit(expected):
    assert expected["train"].max() < expected["test"].min()


def test_a_file_that_cannot_be_read_is_named_with_its_remedy(tmp_path, monkeypatch):
    path = tmp_path / "digits.csv.gz"
    monkeypatch.setattr(module, "shipped", lambda package, file: path)
    whole = gzip.compress(b"0,1,2\n" * 1000)
    not_deflated = whole[:10] + b"\xff" * 20
    others = (b"no archive", whole[:-9], whole[:20], not_deflated, gzip.compress(b"one,two\n"))
    for content in (None, *others):
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(DataError, match="reinstall scikit-learn from its wheel") as raised:
            digits()
        assert str(raised.value).startswith(f"digits: cannot read {path} (")
        assert "\n" not in str(raised.value)
