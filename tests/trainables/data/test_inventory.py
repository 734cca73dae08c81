"""What was found in a data set is said in full, and what two of them have in common is counted."""

import json

import numpy as np
import pytest
import torch

from trainables.data.examples import Examples, Source, no_examples
from trainables.data.inspection import of_data, of_ood, training_digests
from trainables.data.inventory import sentences

PETS = ("cat", "dog")


def examples(count, seed, shape=(3, 4, 6), classes=2):
    pixels = np.random.default_rng(seed).integers(0, 256, (count, *shape), np.uint8)
    return Examples(torch.from_numpy(pixels), torch.arange(count) % classes)


def joined(*splits):
    return Examples(
        torch.cat([split.inputs for split in splits]), torch.cat([split.labels for split in splits])
    )


def first(split, count):
    return Examples(split.inputs[:count], split.labels[:count])


def words(source, ood=None):
    digests = training_digests(source)
    found = of_data(source, digests) if ood is None else of_ood(ood, source, digests)
    return list(sentences(found))


def test_the_first_sentence_says_what_there_is():
    source = Source("folder:pets", examples(40, 0), examples(9, 1), examples(12, 2), PETS)
    assert words(source) == [
        "Data folder:pets: 40 training, 9 validation and 12 test images of 6×4 pixels in colour, "
        "2 classes: cat, dog."
    ]
    ood = Source("npz:other.npz", examples(0, 0), None, examples(1500, 3, (1, 4, 6)), ("x",))
    assert words(source, ood) == [
        "Out of distribution npz:other.npz: 1,500 images of 6×4 pixels in grey."
    ]


def test_choices_left_out_files_and_small_classes_are_said():
    train = Examples(examples(23, 0).inputs, torch.tensor([0] * 20 + [1] * 3))
    source = Source(
        "folder:pets",
        train,
        None,
        examples(4, 1),
        PETS,
        notes=("A fifth of each class was drawn as the test split.",),
        left_out={".txt": 3, "hidden": 1},
    )
    assert words(source)[1:] == [
        "A fifth of each class was drawn as the test split.",
        "4 files are left out of folder:pets: 3 .txt, 1 hidden.",
        "Classes with fewer than 10 training images: dog (3).",
    ]


def test_of_many_classes_the_first_are_named():
    names = tuple(f"c{label}" for label in range(100))
    train = examples(1000, 0, classes=100)
    said = words(Source("npz:many.npz", train, None, examples(100, 1, classes=100), names))
    assert said[0].endswith("100 classes: " + ", ".join(names[:12]) + " and 88 more.")
    assert len(said) == 1  # ten of each


def test_examples_that_are_in_the_training_set_too_are_counted():
    train, test, validation = examples(30, 0), examples(12, 1), examples(6, 2)
    test = joined(first(train, 5), first(test, 7))
    validation = joined(first(validation, 5), first(train, 1))
    source = Source("npz:set.npz", train, validation, test, PETS)
    found = of_data(source, training_digests(source))
    brute = {
        name: sum(any(torch.equal(x, y) for y in train.inputs) for x in split.inputs)
        for name, split in (("validation", validation), ("test", test))
    }
    assert dict(found.seen) == brute == {"validation": 1, "test": 5}
    assert words(source)[1:] == [
        "1 of 6 validation images of npz:set.npz is in the training set too.",
        "5 of 12 test images of npz:set.npz are in the training set too.",
    ]


def test_out_of_distribution_examples_that_were_trained_on_are_counted():
    source = Source("photos", examples(30, 0), None, examples(5, 1), PETS)
    test = joined(examples(10, 2), first(source.train, 2))
    ood = Source("npz:ood.npz", no_examples(test), None, test, PETS)
    assert words(source, ood)[1:] == [
        "2 of 12 out-of-distribution images of npz:ood.npz are in the training set too."
    ]
    smaller = Source("npz:small.npz", examples(0, 0), None, examples(9, 0, (3, 4, 4)), PETS)
    assert not of_ood(smaller, source, training_digests(source)).seen


def test_equal_bytes_of_another_shape_are_no_equal_images():
    train = examples(3, 0, (1, 4, 6))
    turned = Examples(train.inputs.reshape(3, 1, 6, 4), train.labels)
    source = Source("a", train, None, examples(2, 1, (1, 4, 6)), PETS)
    ood = Source("b", no_examples(turned), None, turned, PETS)
    assert words(source, ood)[1:] == []


@pytest.mark.parametrize(
    ("shape", "kind", "says"),
    [
        ((64,), "language", "texts of 64 tokens"),
        ((2,), "classification", "examples of 2 values, 2 classes: cat, dog"),
        ((4, 5, 6), "classification", "images of 6×5 pixels of 4 channels, 2 classes: cat, dog"),
        ((3, 5, 6), "segmentation", "images of 6×5 pixels in colour, 2 classes: cat, dog"),
    ],
)
def test_other_data_are_described_as_what_they_are(shape, kind, says):
    train, test = examples(40, 0, shape), examples(3, 1, shape)
    (said,) = words(Source("x", train, None, test, PETS, kind))
    assert said == f"Data x: 40 training and 3 test {says}."


def test_an_inventory_goes_into_the_plan_with_its_sentences():
    source = Source("x", examples(40, 0), None, examples(3, 1), PETS, left_out={".txt": 2})
    found = of_data(source, training_digests(source)).as_json()
    again = json.loads(json.dumps(found))
    assert again["classes"] == ["cat", "dog"]
    assert again["training_by_class"] == [20, 20]
    assert again["left_out"] == {".txt": 2}
    assert again["sentences"] == words(source)
