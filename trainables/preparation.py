"""From a source of images to the tensors of one trial: subset, splits, normalisation, device.

The training subset is drawn without replacement and not class-balanced (Cheon & Paik, Methods).
Where a source has no validation images, some are held out of its training images, the same for
every trial, before the subset is drawn: validation and training never share an image.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from trainables.data.images import Images, Source
from trainables.seeds import generator
from trainables.trial import Trial

Constants = tuple[tuple[float, ...], tuple[float, ...]]  # mean and std per channel, of [0, 1]


@dataclass(frozen=True)
class Split:
    inputs: Tensor  # float32 (n, channels, height, width), normalised
    labels: Tensor  # int64 (n,)


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
    data = trial.data
    pool, held_out = _training_pool(source, data.validation)
    subset = _draw(pool, data.examples, generator(trial.subset_seed, "subset"))
    constants = _normalisation(trial, subset)
    channels = len(constants[0])
    raw = (0.0,) * channels, (1.0,) * channels
    ood_constants = constants if data.ood_normalised else raw

    def split(images: Images, constants: Constants) -> Split:
        return Split(normalised(images.pixels, *constants).to(device), images.labels.to(device))

    return TaskData(
        train=split(subset, constants),
        validation=split(held_out, constants),
        test=split(_draw(source.test, data.test, generator(0, "test")), constants),
        ood=None
        if ood is None
        else split(_draw(ood.test, data.ood_examples, generator(0, "ood")), ood_constants),
        constants=constants,
        ood_constants=ood_constants,
    )


def available_examples(source: Source, validation: int) -> int:
    """How many images a training subset can be drawn from, with `validation` held out."""
    held_out = 0 if source.validation is not None else validation
    return len(source.train.labels) - held_out


def normalised(pixels: Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    """uint8 pixels (n, channels, height, width) as float32, (pixel / 255 − mean) / std."""
    shape = (1, len(mean), 1, 1)
    scaled = pixels.to(torch.float32).div_(255.0)
    return scaled.sub_(torch.tensor(mean).view(shape)).div_(torch.tensor(std).view(shape))


def _training_pool(source: Source, validation: int) -> tuple[Images, Images]:
    if source.validation is not None:
        return source.train, _draw(source.validation, validation, generator(0, "validation"))
    order = torch.randperm(len(source.train.labels), generator=generator(0, "validation"))
    return _take(source.train, order[validation:]), _take(source.train, order[:validation])


def _draw(images: Images, count: int | None, random: torch.Generator) -> Images:
    if count is None:
        return images
    return _take(images, torch.randperm(len(images.labels), generator=random)[:count])


def _take(images: Images, indices: Tensor) -> Images:
    return Images(images.pixels[indices], images.labels[indices])


def _normalisation(trial: Trial, subset: Images) -> Constants:
    facts = trial.facts
    if facts.mean is not None and facts.std is not None:
        return facts.mean, facts.std
    scaled = subset.pixels.double() / 255.0
    mean, std = scaled.mean(dim=(0, 2, 3)), scaled.std(dim=(0, 2, 3), correction=0)
    # a channel that never changes would otherwise be divided by zero
    return tuple(mean.tolist()), tuple(std.clamp_min(1.0 / 255.0).tolist())
