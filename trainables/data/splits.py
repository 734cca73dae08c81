"""From a source of examples to the tensors of one trial: subset, splits, normalisation, device.

The training subset is drawn without replacement and, unless asked for, not class-balanced (Cheon &
Paik, Methods). Where a source has no validation examples, some are held out of its training
examples, the same for every trial, before the subset is drawn: the two never share one.

Images lie on the device as they are stored, normalised. Those that a network takes at another size
are resized batch by batch, for 50,000 images of 32×32 fit where they would not at 224×224.
"""

import math
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from trainables.config.trial import Trial
from trainables.data.examples import Examples, Source
from trainables.seeds import Purpose, generator
from trainables.tasks import Shape, target_shape

# mean and std per channel, of pixels in [0, 1]; empty where inputs are no images
Constants = tuple[tuple[float, ...], tuple[float, ...]]

LUMA = (0.299, 0.587, 0.114)  # of red, green and blue, ITU-R BT.601


@dataclass(frozen=True)
class Split:
    """Examples on a device, and how a network takes them."""

    inputs: Tensor  # (n, *stored shape): float32 and normalised, or int64 tokens
    labels: Tensor  # int64 (n, *stored targets)
    shape: Shape  # of one input as the network takes it
    positions: Tensor | None  # int64 (n, k), which of its targets are measured; None: the only one

    def __len__(self) -> int:
        return len(self.labels)

    def taken(self, chosen: Tensor | slice) -> tuple[Tensor, Tensor]:
        """Some examples' (inputs, labels), at the network's size."""
        inputs, labels = self.inputs[chosen], self.labels[chosen]
        if inputs.shape[1:] == self.shape:
            return inputs, labels
        size = self.shape[1:]
        inputs = F.interpolate(inputs, size, mode="bilinear", antialias=True)
        if labels.ndim == 3:
            labels = F.interpolate(labels[:, None].double(), size, mode="nearest")[:, 0].long()
        return inputs, labels


@dataclass(frozen=True)
class TaskData:
    """What one trial trains and is measured on, on its device."""

    train: Split
    validation: Split
    test: Split
    ood: Split | None
    constants: Constants  # with which train, validation and test are normalised
    ood_constants: Constants


def prepare(trial: Trial, source: Source, ood: Source | None, device: torch.device) -> TaskData:
    """The trial's own tensors; the same for both members of a pair."""
    data, facts = trial.data, trial.facts
    source = of_classes(source, data.classes)
    pool, held_out = _training_pool(source, data.validation)
    subset = _subset(trial, pool)
    constants = _normalisation(trial, subset)
    raw = (0.0,) * len(constants[0]), (1.0,) * len(constants[0])
    ood_constants = constants if data.ood_normalised else raw

    def split(examples: Examples, constants: Constants) -> Split:
        inputs = normalised(in_channels(examples.inputs, facts.shape), *constants)
        positions = _positions(trial, len(examples))
        return Split(
            inputs.to(device),
            examples.labels.to(device),
            facts.shape,
            None if positions is None else positions.to(device),
        )

    return TaskData(
        train=split(subset, constants),
        validation=split(held_out, constants),
        test=split(_draw(source.test, data.test, "test"), constants),
        ood=None
        if ood is None
        else split(_draw(ood.test, data.ood_examples, "ood"), ood_constants),
        constants=constants,
        ood_constants=ood_constants,
    )


def of_classes(source: Source, classes: int | None) -> Source:
    """The source's examples of its first `classes` classes; None: all of them."""
    if classes is None or classes == source.classes:
        return source

    def chosen(examples: Examples) -> Examples:
        return _take(examples, torch.nonzero(examples.labels < classes).flatten())

    return replace(
        source,
        train=chosen(source.train),
        validation=None if source.validation is None else chosen(source.validation),
        test=chosen(source.test),
        class_names=source.class_names[:classes],
    )


def available_labels(source: Source, validation: int) -> Tensor:
    """Of the examples that a training subset can be drawn from, with `validation` held out."""
    if source.validation is not None:
        return source.train.labels
    return source.train.labels[_held_out_first(source)[validation:]]


def in_channels(inputs: Tensor, shape: Shape) -> Tensor:
    """Images with as many channels as the network takes: grey is repeated, colour weighed by luma.

    Args:
        inputs: uint8 (n, channels, height, width), or what is no image and stays as it is.
        shape: of one input as the network takes it.

    Raises:
        ValueError: there is no way from so many channels to so many.
    """
    if inputs.ndim != 4 or inputs.shape[1] == shape[0]:
        return inputs
    match inputs.shape[1], shape[0]:
        case 1, 3:
            return inputs.expand(-1, 3, -1, -1)
        case 3, 1:
            weights = torch.tensor(LUMA).view(1, 3, 1, 1)
            return (inputs * weights).sum(dim=1, keepdim=True).round_().to(torch.uint8)
    raise ValueError(f"there is no way from {inputs.shape[1]} channels to {shape[0]}")


def normalised(inputs: Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    """uint8 pixels (n, channels, height, width) as float32, (pixel / 255 − mean) / std.

    Without constants, tokens as int64, and values as they are.
    """
    if not mean:
        return inputs if inputs.is_floating_point() else inputs.long()
    shape = (1, len(mean), 1, 1)
    scaled = inputs.to(torch.float32).div_(255.0)
    return scaled.sub_(torch.tensor(mean).view(shape)).div_(torch.tensor(std).view(shape))


def per_channel(constants: Constants, inputs: Tensor) -> tuple[Tensor, Tensor]:
    """(mean, std) as inputs (n, channels, height, width) take them, (1, channels, 1, 1) each."""
    mean, std = (inputs.new_tensor(values).view(1, -1, 1, 1) for values in constants)
    return mean, std


def _training_pool(source: Source, validation: int) -> tuple[Examples, Examples]:
    if source.validation is not None:
        return source.train, _draw(source.validation, validation, "validation")
    order = _held_out_first(source)
    return _take(source.train, order[validation:]), _take(source.train, order[:validation])


def _held_out_first(source: Source) -> Tensor:
    """The order of the training examples in which the first are those that are held out."""
    return torch.randperm(len(source.train.labels), generator=generator(0, "validation"))


def _subset(trial: Trial, pool: Examples) -> Examples:
    """The trial's training examples, drawn without replacement."""
    count = trial.data.examples
    order = torch.randperm(len(pool.labels), generator=generator(trial.subset_seed, "subset"))
    if not trial.data.balanced:
        return _take(pool, order[:count])
    labels = pool.labels[order]
    # an example's rank among those of its class: the lowest ranks of all classes are taken
    rank = torch.empty_like(labels)
    for label in range(trial.facts.classes):
        members = labels == label
        rank[members] = torch.arange(int(members.sum()))
    return _take(pool, order[torch.argsort(rank, stable=True)[:count]])


def _draw(examples: Examples, count: int | None, purpose: Purpose) -> Examples:
    """So many examples, the same for every trial; None: all of them."""
    if count is None:
        return examples
    order = torch.randperm(len(examples.labels), generator=generator(0, purpose))
    return _take(examples, order[:count])


def _take(examples: Examples, indices: Tensor) -> Examples:
    return Examples(examples.inputs[indices], examples.labels[indices])


def _positions(trial: Trial, examples: int) -> Tensor | None:
    """Which pixels or tokens of each example are measured: drawn with replacement, all where there
    are no more."""
    targets = target_shape(trial.facts.kind, trial.facts.shape)
    if not targets:
        return None
    there, asked = math.prod(targets), trial.data.positions
    if there <= asked:
        return torch.arange(there).expand(examples, -1)
    return torch.randint(there, (examples, asked), generator=generator(0, "positions"))


def _normalisation(trial: Trial, subset: Examples) -> Constants:
    facts = trial.facts
    if facts.mean is not None and facts.std is not None:
        return facts.mean, facts.std
    scaled = in_channels(subset.inputs, facts.shape).double() / 255.0
    mean, std = scaled.mean(dim=(0, 2, 3)), scaled.std(dim=(0, 2, 3), correction=0)
    # a channel that never changes would otherwise be divided by zero
    return tuple(mean.tolist()), tuple(std.clamp_min(1.0 / 255.0).tolist())
