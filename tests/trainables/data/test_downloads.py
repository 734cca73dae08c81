"""torchvision's sets: read from files in each set's own format, and fetched only where allowed."""

import gzip
import hashlib
import io
import pickle
import struct
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import scipy.io
import torch
import torch.nn.functional as F
import torchvision.datasets as tv
from pictures import image
from PIL import Image
from support import one_line

from trainables.config.data_names import DOWNLOADED
from trainables.data.sources import load
from trainables.tasks import NO_CLASS

RNG = np.random.default_rng(0)
COUNTS = {"train": 20, "test": 10}


def random_images(*shape):
    return {split: RNG.integers(0, 256, (n, *shape), np.uint8) for split, n in COUNTS.items()}


# --- labelled images -----------------------------------------------------------------------------


def cifar10(root, pixels, labels):
    """Five training batches and one of test images: rows of red, green and blue planes."""
    folder = root / "cifar-10-batches-py"
    folder.mkdir()
    rows = {split: planes(held) for split, held in pixels.items()}
    for batch in range(5):
        part = slice(4 * batch, 4 * batch + 4)
        content = {"data": rows["train"][part], "labels": labels["train"][part].tolist()}
        (folder / f"data_batch_{batch + 1}").write_bytes(pickle.dumps(content))
    content = {"data": rows["test"], "labels": labels["test"].tolist()}
    (folder / "test_batch").write_bytes(pickle.dumps(content))
    names = {"label_names": [f"class {label}" for label in range(10)]}
    (folder / "batches.meta").write_bytes(pickle.dumps(names))


def cifar100(root, pixels, labels):
    """A file a split, with two kinds of labels."""
    folder = root / "cifar-100-python"
    folder.mkdir()
    for split, held in pixels.items():
        fine = labels[split].tolist()
        content = {"data": planes(held), "fine_labels": fine, "coarse_labels": [0] * len(fine)}
        (folder / split).write_bytes(pickle.dumps(content))
    names = {"fine_label_names": [f"class {label}" for label in range(100)]}
    (folder / "meta").write_bytes(pickle.dumps(names))


def planes(pixels):
    return pixels.transpose(0, 3, 1, 2).reshape(len(pixels), -1)


def svhn(root, pixels, labels):
    """Matlab files with the images along the last axis, in which the digit 0 is labelled 10."""
    for split, held in pixels.items():
        tens = np.where(labels[split] == 0, 10, labels[split])[:, None]
        content = {"X": held.transpose(1, 2, 3, 0), "y": tens}
        scipy.io.savemat(root / f"{split}_32x32.mat", content)


def mnist(root, pixels, labels, folder="MNIST"):
    """idx files: a magic number and the shape, big-endian, and the bytes."""
    raw = root / folder / "raw"
    raw.mkdir(parents=True)
    for file, content in idx(pixels, labels).items():
        (raw / file).write_bytes(content)


def idx(pixels, labels):
    files = {}
    for split, start in (("train", "train"), ("test", "t10k")):
        for array, kind in ((pixels[split], "images-idx3"), (labels[split], "labels-idx1")):
            header = struct.pack(f">I{array.ndim}I", 0x800 + array.ndim, *array.shape)
            files[f"{start}-{kind}-ubyte"] = header + array.astype(np.uint8).tobytes()
    return files


def fashion_mnist(root, pixels, labels):
    mnist(root, pixels, labels, "FashionMNIST")


def stl10(root, pixels, labels):
    """Planes column by column, labels from 1."""
    folder = root / "stl10_binary"
    folder.mkdir()
    for split, held in pixels.items():
        (folder / f"{split}_X.bin").write_bytes(held.transpose(0, 3, 2, 1).tobytes())
        (folder / f"{split}_y.bin").write_bytes((labels[split] + 1).astype(np.uint8).tobytes())
    (folder / "unlabeled_X.bin").write_bytes(bytes(3 * 96 * 96))


LABELLED = [
    (cifar10, (32, 32, 3), 10, "class 3"),
    (cifar100, (32, 32, 3), 100, "class 3"),
    (svhn, (32, 32, 3), 10, "3"),
    (mnist, (28, 28), 10, "3 - three"),
    (fashion_mnist, (28, 28), 10, "Dress"),
    (stl10, (96, 96, 3), 10, "cat"),
]


@pytest.fixture
def unchecked(monkeypatch):
    """Files that are not the real ones pass for them."""
    for dataset in (tv.CIFAR10, tv.CIFAR100, tv.SVHN, tv.STL10):
        monkeypatch.setattr(dataset, "_check_integrity", lambda self: True)
    for dataset in (tv.CIFAR10, tv.CIFAR100):
        monkeypatch.setattr(dataset, "meta", {**dataset.meta, "md5": None})


@pytest.mark.parametrize(("write", "shape", "classes", "third"), LABELLED)
def test_labelled_images_are_read_as_their_makers_store_them(
    tmp_path, unchecked, write, shape, classes, third
):
    pixels = random_images(*shape)
    labels = {split: RNG.permutation(classes)[:10].repeat(n // 10) for split, n in COUNTS.items()}
    write(tmp_path, pixels, labels)
    source = load(write.__name__, tmp_path, side=8)
    assert source.validation is None
    assert source.kind == "classification"
    assert (source.classes, source.class_names[3]) == (classes, third)
    for split, held in pixels.items():
        found = getattr(source, split)
        channels_last = found.inputs.permute(0, 2, 3, 1).numpy()
        assert (channels_last == held.reshape(channels_last.shape)).all()
        assert found.labels.tolist() == labels[split].tolist()
        assert (found.inputs.dtype, found.labels.dtype) == (torch.uint8, torch.int64)
    assert source.shape == (3 if len(shape) == 3 else 1, *shape[:2])


def test_damaged_idx_files_are_named(tmp_path):
    pixels = random_images(28, 28)
    mnist(tmp_path, pixels, {split: np.arange(n) % 10 for split, n in COUNTS.items()})
    for content in (b"", b"no idx file"):
        (tmp_path / "MNIST/raw/train-images-idx3-ubyte").write_bytes(content)
        one_line(lambda: load("mnist", tmp_path), "mnist: damaged in", "fetch it again")


# --- segmentation --------------------------------------------------------------------------------

# (height, width) of the photographs of each split
SIZES = {"train": [(48, 64), (96, 32), (20, 30)], "test": [(32, 32), (70, 50)]}


def photographs(values):
    """Pixels and masks of many sizes; {split: [(pixels, mask), …]}."""
    return {
        split: [
            (RNG.integers(0, 256, (*size, 3), np.uint8), RNG.choice(values, size).astype(np.uint8))
            for size in sizes
        ]
        for split, sizes in SIZES.items()
    }


def pet(root, pairs):
    """Photographs and trimaps, and a list of each split with the species and breed."""
    annotations = root / "oxford-iiit-pet" / "annotations"
    for split, part in (("train", "trainval"), ("test", "test")):
        names = [f"great_dane_{split}_{number}" for number in range(len(pairs[split]))]
        for name, (pixels, mask) in zip(names, pairs[split], strict=True):
            image(root / "oxford-iiit-pet" / "images" / f"{name}.jpg", pixels, quality=95)
            image(annotations / "trimaps" / f"{name}.png", mask)
        (annotations / f"{part}.txt").write_text("".join(f"{name} 1 2 1\n" for name in names))
    (annotations / "list.txt").write_text("not read")


def voc(root, pairs):
    """Photographs, masks with a palette, and a list of each split."""
    home = root / "VOCdevkit" / "VOC2012"
    lists = home / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    for split, part in (("train", "train"), ("test", "val")):
        names = [f"2007_{split}{number}" for number in range(len(pairs[split]))]
        for name, (pixels, mask) in zip(names, pairs[split], strict=True):
            image(home / "JPEGImages" / f"{name}.jpg", pixels, quality=95)
            indexed = Image.fromarray(mask)
            indexed.putpalette([7, 7, 7] * 256)  # colours say nothing, entries do
            image(home / "SegmentationClass" / f"{name}.png", indexed)
        (lists / f"{part}.txt").write_text("".join(f"{name}\n" for name in names))


PET = ([1, 2, 3], {1: 0, 2: 1, 3: 2})
VOC = ([0, 1, 20, 255], {0: 0, 1: 1, 20: 20, 255: NO_CLASS})
SEGMENTED = [  # and the names of every so-manieth class
    (pet, *PET, 1, ("pet", "background", "border")),
    (voc, *VOC, 5, ("background", "bottle", "cow", "person", "tvmonitor")),
]


@pytest.mark.parametrize(("write", "values", "class_of", "every", "names"), SEGMENTED)
@pytest.mark.parametrize("side", [None, 16, 32])
def test_photographs_and_their_masks_are_decoded_at_one_size(
    tmp_path, write, values, class_of, every, names, side
):
    pairs = photographs(values)
    write(tmp_path, pairs)
    source = load(write.__name__, tmp_path, side=side)
    side = side or 64
    assert (source.kind, source.shape) == ("segmentation", (3, side, side))
    assert source.validation is None
    assert source.class_names[::every] == names
    for split, held in pairs.items():
        found = getattr(source, split)
        assert (found.inputs.dtype, found.labels.dtype) == (torch.uint8, torch.int64)
        files = sorted(tmp_path.rglob(f"*_{split}*.jpg"))
        for row, ((_, mask), file) in enumerate(zip(held, files, strict=True)):
            with Image.open(file) as photograph:
                stored = torch.from_numpy(np.array(photograph)).permute(2, 0, 1)[None].float()
            resized = F.interpolate(stored, (side, side), mode="bilinear", antialias=True)[0]
            assert (found.inputs[row] - resized).abs().max() <= 1.5  # Pillow rounds twice
            y, x = (
                ((np.arange(side) + 0.5) * length / side).astype(int)  # the pixel at the centre
                for length in mask.shape
            )
            expected = np.vectorize(class_of.get)(mask[y][:, x])
            assert (found.labels[row].numpy() == expected).all()


def test_what_has_no_class_in_voc_counts_for_nothing(tmp_path):
    pairs = photographs([0, 255])
    voc(tmp_path, pairs)
    labels = load("voc", tmp_path, side=32).test.labels[:1]  # the photograph of 32×32
    logits = torch.randn(1, 21, 32, 32)
    there = labels[0] == 0
    expected = F.cross_entropy(logits[0].permute(1, 2, 0)[there], labels[0][there])
    assert F.cross_entropy(logits, labels) == pytest.approx(expected.item())


@pytest.mark.parametrize(("write", "values", "unknown"), [(pet, [1, 2], 4), (voc, [0, 20], 21)])
def test_a_value_that_is_no_class_is_named(tmp_path, write, values, unknown):
    pairs = photographs(values)
    pairs["test"][1][1][:] = unknown
    write(tmp_path, pairs)
    name = write.__name__
    one_line(lambda: load(name, tmp_path), f"{name}: test photograph 1", f"holds {unknown}")


@pytest.mark.parametrize("write", [pet, voc])
@pytest.mark.parametrize("ending", ["jpg", "png"])
def test_a_damaged_photograph_or_mask_is_named(tmp_path, write, ending):
    write(tmp_path, photographs([1]))
    file = sorted(tmp_path.rglob(f"*_train*.{ending}"))[2]
    for content in (file.read_bytes()[:-40], b"no image"):
        file.write_bytes(content)
        one_line(lambda: load(write.__name__, tmp_path), "training photograph 2", "fetch it again")


@pytest.mark.parametrize("write", [pet, voc])
def test_photographs_that_are_not_there_were_not_fetched(tmp_path, write):
    write(tmp_path, photographs([1]))
    next(tmp_path.rglob("*_test*.jpg")).unlink()
    one_line(lambda: load(write.__name__, tmp_path), "not found in", "--download")


# --- fetching ------------------------------------------------------------------------------------


@pytest.fixture
def network(monkeypatch):
    """What it holds, by the end of the address: at first nothing; and the addresses asked for."""
    files: dict[str, bytes] = {}
    asked: list[str] = []

    def urlopen(request):
        asked.append(request.full_url)
        if Path(request.full_url).name not in files:
            raise URLError("Name or service\nnot known")
        response = io.BytesIO(files[Path(request.full_url).name])
        response.url, response.length = request.full_url, len(response.getvalue())
        return response

    monkeypatch.setattr("urllib.request.urlopen", urlopen)
    return files, asked


@pytest.mark.parametrize("name", DOWNLOADED)
def test_nothing_is_fetched_unless_allowed(tmp_path, name, network):
    one_line(lambda: load(name, tmp_path / "x"), f"{name}: ", "not found in", "--download", "npz:")
    assert network[1] == []


@pytest.mark.parametrize("name", DOWNLOADED)
def test_a_download_without_internet_says_so(tmp_path, name, network):
    one_line(lambda: load(name, tmp_path, download=True), "could not be fetched", "npz:")
    assert network[1]


def test_a_set_is_fetched_and_unpacked_once(tmp_path, network, monkeypatch):
    files, asked = network
    pixels = random_images(28, 28)
    labels = {split: np.arange(n) % 10 for split, n in COUNTS.items()}
    for name, content in idx(pixels, labels).items():
        files[f"{name}.gz"] = gzip.compress(content)
    checked = [(name, hashlib.md5(content).hexdigest()) for name, content in files.items()]
    monkeypatch.setattr(tv.MNIST, "resources", checked)
    source = load("mnist", tmp_path, download=True)
    assert (source.train.inputs[:, 0].numpy() == pixels["train"]).all()
    assert {Path(address).name for address in asked} == set(files)
    before = len(asked)
    assert load("mnist", tmp_path, download=True).digest == source.digest
    assert len(asked) == before


@pytest.mark.parametrize("write", [pet, voc])
def test_what_is_there_is_not_fetched_again(tmp_path, network, write):
    write(tmp_path, photographs([1]))
    assert len(load(write.__name__, tmp_path, download=True).test) == len(SIZES["test"])
    assert network[1] == []
