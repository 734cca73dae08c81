"""A user's own torch data sets: read right, or refused in one line."""

import sys
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import Dataset, IterableDataset, TensorDataset
from torchvision.transforms import v2 as transforms

from trainables.config.data_names import check_name
from trainables.data.sources import DataError, load

RANDOM = np.random.default_rng(0)
COUNT, CLASSES = 12, 3
PIXELS = RANDOM.integers(0, 256, (COUNT, 6, 5, 3), dtype=np.uint8)  # channels last
LABELS = np.arange(COUNT) % CLASSES


class Images(Dataset):
    """Any images with labels, through any transform."""

    def __init__(self, pixels: Any = PIXELS, labels: Any = LABELS, transform: Any = None) -> None:
        self.pixels, self.labels, self.transform = pixels, labels, transform

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image = self.pixels[index]
        return self.transform(image) if self.transform else image, self.labels[index]


class Stream(IterableDataset):
    def __iter__(self):
        return iter(zip(PIXELS, LABELS, strict=True))


@pytest.fixture
def source(monkeypatch):
    """The source of what a module of the user's holds."""

    def make(value: Any, **options: Any):
        module = type(sys)("my_data")
        module.make = value
        monkeypatch.setitem(sys.modules, "my_data", module)
        return load("dataset:my_data:make", **options)

    return make


def test_a_pair_is_train_and_test_and_the_pixels_are_the_items(source):
    found = source((Images(), Images(PIXELS[:6], LABELS[:6])))
    assert torch.equal(found.train.inputs, torch.from_numpy(PIXELS).permute(0, 3, 1, 2))
    assert torch.equal(found.train.labels, torch.from_numpy(LABELS))
    assert torch.equal(found.test.inputs, found.train.inputs[:6])
    assert (found.validation, found.classes, found.notes) == (None, CLASSES, ())


TO_TENSOR = transforms.Compose(
    [transforms.ToImage(), transforms.ToDtype(torch.float32, scale=True)]
)
SAME = {  # what gives the same pixels as the array does
    "PIL images": Image.fromarray,
    "tensors": lambda image: torch.from_numpy(image).permute(2, 0, 1),
    "ToTensor": lambda image: TO_TENSOR(Image.fromarray(image)),
    "float64": lambda image: image / 255.0,
    "16 bits": lambda image: image.astype(np.uint16) * 257,
    "opaque": lambda image: Image.fromarray(image).convert("RGBA"),
}


@pytest.mark.parametrize("transform", SAME.values(), ids=SAME)
def test_the_same_pixels_have_one_digest_however_an_item_holds_them(source, transform):
    plain, other = (source((Images(transform=t),) * 2) for t in (None, transform))
    assert torch.equal(plain.train.inputs, other.train.inputs)
    assert plain.digest == other.digest


LABELLED = {
    "int": [int(n) for n in LABELS],
    "tensor": torch.from_numpy(LABELS),
    "tensors of one": torch.from_numpy(LABELS)[:, None],
    "uint8": LABELS.astype(np.uint8),
}


@pytest.mark.parametrize("labels", LABELLED.values(), ids=LABELLED)
def test_labels_are_any_whole_numbers(source, labels):
    assert torch.equal(source((Images(labels=labels),) * 2).test.labels, torch.from_numpy(LABELS))


def test_a_function_a_class_an_instance_and_a_dict_will_do(source):
    made = [source(value) for value in (lambda: Images(), Images, Images(), {"Training": Images()})]
    assert len({one.digest for one in made}) == 1
    three = source({"train": Images(), "val": Images(PIXELS[:3], LABELS[:3]), "test": Images()})
    assert len(three.validation) == 3


def test_of_one_set_alone_a_fifth_of_each_class_is_drawn(source):
    found = source(Images())
    assert (len(found.train), len(found.test)) == (COUNT - CLASSES, CLASSES)
    assert "a fifth of each class" in found.notes[0]
    rows = torch.cat([found.train.inputs, found.test.inputs]).flatten(1).unique(dim=0)
    assert len(rows) == COUNT


def test_grey_images_have_one_channel_and_among_coloured_ones_three(source):
    grey = [Image.fromarray(image[..., 0]) for image in PIXELS]
    assert source((Images(grey),) * 2).shape == (1, 6, 5)
    mixed = source((Images([*grey[:6], *map(Image.fromarray, PIXELS[6:])]),) * 2)
    assert mixed.shape == (3, 6, 5)
    expected = torch.from_numpy(PIXELS[:6, ..., 0])[:, None].expand(-1, 3, -1, -1)
    assert torch.equal(mixed.train.inputs[:6], expected)


def test_images_of_several_sizes_are_resized_where_it_is_asked_for(source):
    pictures = [Image.fromarray(p).resize((5 + n % 2, 6)) for n, p in enumerate(PIXELS)]
    with pytest.raises(DataError, match=r"5×6 and 6×6 pixels; give data.resize"):
        source((Images(pictures),) * 2)
    found = source((Images(pictures),) * 2, side=4)
    assert found.shape == (3, 4, 4)
    expected = np.asarray(pictures[1].resize((4, 4), Image.Resampling.BILINEAR)).transpose(2, 0, 1)
    assert np.array_equal(found.train.inputs[1].numpy(), expected)


def test_where_one_split_is_resized_the_others_are_too(source):
    pictures = [Image.fromarray(p).resize((5 + n % 2, 6)) for n, p in enumerate(PIXELS)]
    found = source((Images(pictures), Images([Image.fromarray(p[..., 0]) for p in PIXELS])), side=4)
    assert found.train.inputs.shape[1:] == found.test.inputs.shape[1:] == (3, 4, 4)


def test_vectors_are_values_used_as_they_are(source):
    values = torch.randn(COUNT, 7)
    found = source((TensorDataset(values, torch.from_numpy(LABELS)),) * 2)
    assert torch.equal(found.train.inputs, values)
    assert found.shape == (7,)


def test_what_it_draws_itself_is_the_same_in_every_launch_and_disturbs_nothing(source):
    def drawn():
        return Images(np.random.randint(0, 256, PIXELS.shape, dtype=np.uint8))

    before = torch.get_rng_state(), np.random.get_state()[1].tolist()
    assert source(drawn).digest == source(drawn).digest
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1] == np.random.get_state()[1].tolist()


def test_class_names_are_the_data_set_s(source):
    named = Images()
    named.classes = ["cat", "dog", "owl"]
    assert source((named, Images())).class_names == ("cat", "dog", "owl")
    other = Images()
    other.classes = ["cat", "owl"]
    with pytest.raises(DataError, match="`classes` of train and test differ"):
        source((named, other))


def test_as_ood_no_labels_are_needed_and_where_they_are_it_is_the_same(source):
    for labels in ([None] * COUNT, ["cat"] * COUNT):
        found = source(Images(labels=labels), as_ood=True)
        assert len(found.train) == 0
        assert torch.equal(found.test.inputs, torch.from_numpy(PIXELS).permute(0, 3, 1, 2))
    alone = source([PIXELS] * 2, as_ood=True)
    assert torch.equal(alone.test.inputs, found.test.inputs)
    pair = (Images(), Images(PIXELS[:6], LABELS[:6]))
    assert source(pair, as_ood=True).digest == source(pair).digest


class Raises(Images):
    def __getitem__(self, index: int) -> tuple[Any, Any]:
        if index == 7:
            raise OSError("gone\nfor good")
        return super().__getitem__(index)


def noise() -> np.ndarray:
    return np.random.randint(2, size=PIXELS[0].shape, dtype=np.uint8)


FLIP = transforms.RandomHorizontalFlip()
REFUSED: dict[str, tuple[Any, str]] = {
    "normalised": (
        Images(transform=lambda image: (image / 255.0 - 0.5) / 0.2),
        "item 0 holds float64 from .* no 8-bit values divided by 255; .*leave out Normalize",
    ),
    "random transform": (
        Images(transform=lambda image: FLIP(Image.fromarray(image))),
        "is another one each time, as of a random transform",
    ),
    "noise": (Images(transform=lambda i: i // 2 + noise()), "is another one each time"),
    "stream": (Stream(), "is an IterableDataset, whose items have no numbers"),
    "texts": (Images(labels=["cat"] * COUNT), "item 0 has the label 'cat', a text; number the"),
    "no label": (Images(labels=[0, 1, 2, None] * 3), "item 3 has no label"),
    "one-hot": (Images(labels=np.eye(3)[LABELS]), r"a label of float64 and shape \(3,\)"),
    "float label": (Images(labels=LABELS * 1.0), "a label of float64"),
    "negative": (Images(labels=LABELS - 1), "item 0 has the label -1; number the classes from 0"),
    "gap": (Images(labels=LABELS * 2), "no image has label 1, the largest is 4"),
    "one class": (Images(labels=LABELS * 0), "every label is 0"),
    "test label": ((Images(), Images(labels=LABELS + 1)), "label 3 is out of range"),
    "mixed kinds": (Images([*PIXELS[:6], *torch.randn(6, 3)]), "item 6 holds float32 and item 0"),
    "mixed shapes": (Images([*PIXELS[:6], *PIXELS[6:, :, :, :2]]), r"\(3, 6, 5\) and \(2, 6, 5\)"),
    "channels last": (Images(torch.from_numpy(PIXELS)), r"of shape \(6, 5, 3\); give an im"),
    "int64": (Images(PIXELS.astype(np.int64)), "item 0 holds int64; give 8-bit pixels"),
    "not finite": (Images(torch.full((COUNT, 4), torch.nan)), "values that are not finite"),
    "unlabelled": ([PIXELS] * 2, "item 0 is ndarray; let it be"),
    "three values": (TensorDataset(*[torch.arange(4)] * 3), "is 3 values"),
    "raises": (Raises(), "item 7 raises OSError: for good"),
    "empty": (Images(PIXELS[:0]), "holds no item"),
    "four sets": ((Images(),) * 4, "4 data sets; give a torch.utils.data.Dataset"),
    "unknown split": ({"train": Images(), "extra": Images()}, "the key 'extra' is no split"),
    "number": (lambda: 3, "the train split is int; give a torch.utils.data.Dataset"),
    "needs arguments": (lambda root: root, "called without arguments, raises TypeError"),
    "sizes of splits": ((Images(), Images(PIXELS[:, :5])), "5×6 and 5×5 pixels; give data.resize"),
}  # fmt: skip


@pytest.mark.parametrize(("value", "says"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_read_right_is_refused_in_one_line(source, value, says):
    with pytest.raises(DataError, match=says) as caught:
        source(value)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("dataset:my_data:make")


class Huge(Images):
    def __len__(self) -> int:
        return 10**12

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        return super().__getitem__(index % COUNT)


def test_more_than_memory_holds_is_refused_before_it_is_decoded(source):
    with pytest.raises(DataError, match=r"GB of memory and .* are available; give fewer"):
        source(Huge())


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("dataset:", "write dataset:my_data:make"),
        ("dataset:my_data", "no import path"),
        ("dataset:my data:make", "no import path"),
        ("hf:", "the name is missing"),
        ("hf:a/b/c", "no such folder"),
        ("hf:x?colour=red", "none of image=NAME, label=NAME, config=NAME"),
    ],
)
def test_a_name_that_cannot_be_is_refused_before_anything_is_imported(name, says):
    with pytest.raises(DataError, match=says):
        check_name(name)


def test_a_module_or_a_name_that_is_not_there():
    with pytest.raises(DataError, match=r"no module my_dta; .* my_data\.py in it is my_data:make"):
        load("dataset:my_dta:make")
    with pytest.raises(DataError, match="no such attribute; did you mean 'dump"):
        load("dataset:json:dumsp")
