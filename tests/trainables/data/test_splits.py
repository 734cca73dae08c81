"""From a source to a trial's tensors: which examples, at which size, in which channels."""

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from trainables.config.base import Kind
from trainables.config.trial import Data, DataFacts, Trial
from trainables.data.examples import Examples, Source
from trainables.data.splits import TaskData, in_channels, prepare
from trainables.tasks import Shape

CLASSES = 3
RNG = torch.Generator().manual_seed(0)


def source(shape: tuple[int, ...] = (3, 6, 6), kind: Kind = "classification") -> Source:
    """300 training examples, two thirds of them of class 0, and 60 to test on."""

    def split(count: int) -> Examples:
        inputs = torch.randint(256, (count, *shape), generator=RNG, dtype=torch.uint8)
        targets = {"classification": (), "segmentation": shape[1:], "language": shape}[kind]
        labels = torch.randint(CLASSES, (count, *targets), generator=RNG)
        if kind == "classification":
            labels[torch.rand(count, generator=RNG) < 0.5] = 0
        return Examples(inputs, labels)

    return Source("made", split(300), split(40), split(60), ("a", "b", "c"), kind)


def prepared(
    made: Source, shape: Shape | None = None, ood: Source | None = None, **data: Any
) -> TaskData:
    """A trial's tensors, of the source's own shape unless another is given."""
    shape = shape or made.shape
    mean, std = ((0.5,) * shape[0], (0.25,) * shape[0]) if len(shape) == 3 else ((), ())
    facts = DataFacts(
        kind=made.kind, digest="d", ood_digest="o", shape=shape, classes=CLASSES, mean=mean, std=std
    )
    trial = Trial(data=Data(**{"validation": 20, "facts": facts} | data))
    return prepare(trial, made, ood, torch.device("cpu"))


def unnormalised(inputs: Tensor) -> Tensor:
    return (inputs * 0.25 + 0.5) * 255


# The subset


@pytest.mark.parametrize("examples", [6, 7, 8, 90])
def test_a_balanced_subset_has_as_many_of_each_class_to_within_one(examples):
    labels = prepared(source(), examples=examples, balanced=True).train.labels
    counts = torch.bincount(labels, minlength=CLASSES)
    assert int(counts.sum()) == examples
    assert int(counts.max() - counts.min()) <= 1


def test_an_unbalanced_subset_has_the_classes_as_they_come():
    labels = prepared(source(), examples=200).train.labels
    assert (labels == 0).double().mean() > 0.55


@pytest.mark.parametrize("balanced", [False, True])
def test_a_subset_holds_each_example_once_and_the_seed_decides_which(balanced):
    made = source()
    drawn = {}
    for seed in (0, 1):
        data = prepared(made, examples=60, balanced=balanced, subset_seed=seed)
        drawn[seed] = unnormalised(data.train.inputs).round()
    for inputs in drawn.values():
        assert len(torch.unique(inputs.flatten(1), dim=0)) == 60
        pool = {bytes(image.numpy()) for image in made.train.inputs}
        assert {bytes(image.to(torch.uint8).numpy()) for image in inputs} <= pool
    assert not torch.equal(drawn[0], drawn[1])


# Size and channels


def test_images_are_resized_as_pillow_does_batch_by_batch():
    smooth = torch.linspace(0, 255, 12)[:, None] * torch.linspace(0.2, 1, 12)
    inputs = smooth.to(torch.uint8).expand(4, 3, 12, 12).contiguous()
    few = Examples(inputs, torch.tensor([0, 1, 2, 0]))
    made = Source("made", few, few, few, ("a", "b", "c"))
    for side in (6, 5, 20):
        data = prepared(made, (3, side, side), examples=4, resize=side)
        assert data.test.inputs.shape == (4, 3, 12, 12)
        taken, labels = data.test.taken(torch.tensor([1, 3]))
        assert labels.tolist() == [1, 0]
        theirs = Image.fromarray(inputs[0].permute(1, 2, 0).numpy()).resize(
            (side, side), Image.Resampling.BILINEAR
        )
        expected = torch.from_numpy(np.array(theirs)).permute(2, 0, 1).float()
        assert (unnormalised(taken[0]) - expected).abs().max() < 1.5  # Pillow rounds twice


def test_labels_of_pixels_are_resized_without_mixing_classes():
    made = source((3, 6, 6), "segmentation")
    data = prepared(made, (3, 12, 12), examples=5, resize=12)
    _, labels = data.train.taken(slice(0, 5))
    doubled = data.train.labels.repeat_interleave(2, 1).repeat_interleave(2, 2)
    assert torch.equal(labels, doubled)


def test_ood_images_are_brought_to_the_shape_of_the_others():
    data = prepared(source(), ood=source((1, 10, 8)), examples=5)
    assert data.ood is not None
    inputs, _ = data.ood.taken(slice(0, 7))
    assert inputs.shape == (7, 3, 6, 6)
    assert torch.equal(inputs[:, 0], inputs[:, 1])


def test_grey_is_repeated_and_colour_is_weighed_as_pillow_does():
    colour = torch.randint(256, (5, 3, 4, 4), generator=RNG, dtype=torch.uint8)
    grey = in_channels(colour, (1, 4, 4))
    for image, made in zip(colour, grey, strict=True):
        theirs = Image.fromarray(image.permute(1, 2, 0).numpy()).convert("L")
        assert np.abs(made[0].numpy().astype(int) - np.array(theirs).astype(int)).max() <= 1
    assert torch.equal(in_channels(grey, (3, 4, 4)), grey.expand(-1, 3, -1, -1))
    assert in_channels(colour, (3, 9, 9)) is colour
    with pytest.raises(ValueError, match="no way from 3 channels to 2"):
        in_channels(colour, (2, 4, 4))


# Where an example has many targets


def test_the_positions_measured_are_the_same_for_every_trial_and_differ_by_example():
    made = source((3, 6, 6), "segmentation")
    one, other = (prepared(made, examples=50, positions=4, subset_seed=seed) for seed in (0, 1))
    assert torch.equal(one.test.positions, other.test.positions)
    assert one.test.positions.shape == (60, 4)
    assert len(torch.unique(one.test.positions, dim=0)) > 50
    assert set(one.test.positions.flatten().tolist()) == set(range(36))


def test_all_positions_are_measured_where_there_are_no_more():
    made = source((8,), "language")
    data = prepared(made, examples=50, positions=9)
    assert torch.equal(data.test.positions, torch.arange(8).expand(60, 8))


def test_tokens_come_as_whole_numbers_and_values_as_they_are():
    made = source((8,), "language")
    tokens = prepared(made, examples=50).test
    assert tokens.inputs.dtype == torch.int64
    assert torch.equal(tokens.inputs, made.test.inputs.long())
    values = Examples(torch.randn(9, 2, generator=RNG), torch.arange(9) % 3)
    points = Source("points", values, values, values, ("a", "b", "c"))
    data = prepared(points, examples=9, validation=9)
    assert torch.equal(data.test.inputs, values.inputs)
