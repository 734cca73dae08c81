"""Data sets in the formats of Hugging Face's library, made and saved here by the library itself."""

import socket
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import ClassLabel, Dataset, DatasetDict, Features, Image, Value
from PIL import Image as Pictures

from trainables.data.sources import DataError, load

RANDOM = np.random.default_rng(0)
COUNT, NAMES = 12, ["cat", "dog", "owl"]
PIXELS = RANDOM.integers(0, 256, (COUNT, 6, 5, 3), dtype=np.uint8)
LABELS = [n % 3 for n in range(COUNT)]
INPUTS = torch.from_numpy(PIXELS).permute(0, 3, 1, 2)


@pytest.fixture(autouse=True)
def _without_network(monkeypatch):
    """No test here may ask the network for anything."""

    def refuse(*_: Any) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def rows(labels: Any = LABELS, kind: Any = None, **columns: Any) -> Dataset:
    pictures = [Pictures.fromarray(image) for image in PIXELS[: len(labels)]]
    features = {"image": Image(), "label": kind or ClassLabel(names=NAMES)}
    features |= {name: each for name, (each, _) in columns.items()}
    values = {"image": pictures, "label": labels} | {n: v for n, (_, v) in columns.items()}
    return Dataset.from_dict(values, features=Features(features))


def split_in_two(**options: Any) -> DatasetDict:
    return DatasetDict(train=rows(**options), test=rows(LABELS[:6]))


def saved(data: Dataset | DatasetDict, folder: Path) -> str:
    data.save_to_disk(str(folder / "saved"))
    return f"hf:{folder / 'saved'}"


def parquet(data: DatasetDict, folder: Path) -> str:
    for split, held in data.items():
        (folder / "parquet").mkdir(exist_ok=True)
        held.to_parquet(folder / "parquet" / f"{split}-00000-of-00001.parquet")
    return f"hf:{folder / 'parquet'}"


def image_folder(data: DatasetDict, folder: Path) -> str:
    for split, held in data.items():
        for number, row in enumerate(held):
            place = folder / "pictures" / split / NAMES[row["label"]]
            place.mkdir(parents=True, exist_ok=True)
            row["image"].save(place / f"{number:03}.png")
    return f"hf:{folder / 'pictures'}"


FORMATS = {"save_to_disk": saved, "parquet": parquet, "imagefolder": image_folder}


@pytest.mark.parametrize("write", FORMATS.values(), ids=FORMATS)
def test_images_labels_splits_and_names_are_found_in_every_format(tmp_path, write):
    found = load(write(split_in_two(), tmp_path))
    # a folder's images come class by class
    order = sorted(range(COUNT), key=LABELS.__getitem__) if write is image_folder else range(COUNT)
    assert torch.equal(found.train.inputs, INPUTS[list(order)])
    assert found.train.labels.tolist() == [LABELS[n] for n in order]
    assert (len(found.test), found.validation) == (6, None)
    assert found.class_names == tuple(NAMES)
    assert (found.notes, found.shape) == ((), (3, 6, 5))


def test_the_digest_follows_from_the_content_alone(tmp_path):
    names = [saved(split_in_two(), tmp_path), parquet(split_in_two(), tmp_path)]
    pair = [load(name) for name in names]
    assert pair[0].digest == pair[1].digest
    changed = split_in_two(labels=[*LABELS[:-1], 0])
    assert load(saved(changed, tmp_path / "other")).digest != pair[0].digest
    assert load(names[0], as_ood=True).digest == pair[0].digest


def test_nothing_is_left_beside_the_data(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    name = parquet(split_in_two(), tmp_path)
    before = sorted(tmp_path.rglob("*"))
    load(name)
    assert sorted(tmp_path.rglob("*")) == before


def test_one_split_alone_and_others_names_are_told(tmp_path):
    found = load(saved(rows(), tmp_path))
    assert (len(found.train), len(found.test)) == (9, 3)
    assert "a fifth of each class" in found.notes[0]
    extra = DatasetDict(train=rows(), validation=rows(), test=rows(), unsupervised=rows())
    found = load(saved(extra, tmp_path / "extra"))
    assert len(found.validation) == COUNT
    assert "not used: unsupervised" in found.notes[0]


def test_columns_are_named_where_there_are_several(tmp_path):
    coarse = (ClassLabel(names=["pet", "bird"]), [n % 2 for n in range(COUNT)])
    inverted = (Image(), [Pictures.fromarray(255 - image) for image in PIXELS])
    name = saved(rows(coarse=coarse, inverted=inverted), tmp_path)
    with pytest.raises(
        DataError, match=r"several columns of images among .*; name one, as \?image"
    ):
        load(name)
    with pytest.raises(DataError, match=r"several columns of labels among .*coarse \(ClassLabel\)"):
        load(f"{name}?image=image")
    found = load(f"{name}?image=inverted&label=coarse", as_ood=False)
    assert found.class_names == ("pet", "bird")
    assert torch.equal(
        torch.cat([found.train.inputs, found.test.inputs]).flatten(1).sum(0),
        (255 - INPUTS).flatten(1).sum(0),
    )
    with pytest.raises(DataError, match="label=colour is no column of labels; there is image"):
        load(f"{name}?image=image&label=colour")


def test_a_column_of_whole_numbers_by_its_usual_name_holds_the_labels(tmp_path):
    assert load(saved(rows(kind=Value("int32")), tmp_path)).class_names == ("0", "1", "2")


def test_a_format_that_it_was_saved_with_changes_nothing(tmp_path):
    data = rows()
    name = saved(data.with_format("torch"), tmp_path)
    assert load(name).digest == load(saved(data, tmp_path / "plain")).digest


def test_as_ood_it_needs_no_labels(tmp_path):
    found = load(saved(rows().remove_columns("label"), tmp_path), as_ood=True)
    assert torch.equal(found.test.inputs, INPUTS)
    assert len(found.train) == 0


def texts() -> Dataset:
    return rows([NAMES[n] for n in LABELS], Value("string"))


def other_names() -> DatasetDict:
    turned = ClassLabel(names=[*reversed(NAMES)])
    return DatasetDict(train=rows(), test=rows(kind=turned))


REFUSED: dict[str, tuple[Any, str, str]] = {
    "texts": (texts, "?label=label", "class_encode_column"),
    "no labels": (lambda: rows().remove_columns("label"), "", "no column of labels among image"),
    "no images": (lambda: rows().remove_columns("image"), "", "no column of images among label"),
    "missing": (lambda: rows([None, *LABELS[1:]], Value("int64")), "", "item 0 has no label"),
    "unlabelled test": (lambda: rows([-1] * COUNT), "", "item 0 has the label -1"),
    "other names": (other_names, "", "classes of label are others in train and test"),
    "no train": (lambda: DatasetDict(extra=rows()), "", "no train and no test split, but extra"),
}  # fmt: skip


@pytest.mark.parametrize(("data", "options", "says"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_read_right_is_refused_in_one_line(tmp_path, data, options, says):
    name = saved(data(), tmp_path)
    with pytest.raises(DataError, match=says) as caught:
        load(name + options)
    assert "\n" not in str(caught.value)


def test_a_name_of_the_hub_is_not_asked_for_without_leave():
    with pytest.raises(
        DataError, match=r"not in the cache of datasets .* with --download"
    ) as caught:
        load("hf:nobody/nothing-at-all")
    assert "\n" not in str(caught.value)


def test_a_folder_that_it_cannot_read(tmp_path):
    (tmp_path / "notes").mkdir()
    with pytest.raises(DataError, match="cannot be loaded by datasets"):
        load(f"hf:{tmp_path / 'notes'}")


def test_where_it_is_not_installed_the_extra_is_named(monkeypatch, tmp_path):
    name = saved(rows(), tmp_path)
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(DataError, match=r"datasets is not installed; pip install 'warmup-sweep\["):
        load(name)
