"""The data sets a plan needs: each decoded once, looked at, and held against what trials ask."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import torch

from sweep.errors import DoesNotApply, InputError
from sweep.inputs.amounts import check_amounts
from trainables.config.noise import DISTRIBUTIONS
from trainables.config.probes import PROBES
from trainables.config.trial import Data, DataFacts, Trial
from trainables.data.examples import Channels, Source, stated_normalisation
from trainables.data.inspection import of_data, of_ood, training_digests
from trainables.data.inventory import Inventory
from trainables.data.sources import load
from trainables.data.splits import in_channels


class Sources:
    """Decoded data sets, by the name a trial's data section holds them under. `DataError` of the
    loaders passes through."""

    def __init__(self, root: Path | None = None, download: bool = False) -> None:
        self._root = root
        self._download = download
        self._loaded: dict[str, Source] = {}
        self._facts: dict[tuple[object, ...], DataFacts] = {}
        self._enough: set[Data] = set()  # which there is as much of as is asked for

    def get(self, data: Data, name: str) -> Source:
        key = data.loaded(name)
        if key not in self._loaded:
            self._loaded[key] = load(name, self._root, self._download, data.resize)
        return self._loaded[key]

    def get_ood(self, data: Data, shape: tuple[int, ...]) -> Source | None:
        """The out-of-distribution examples for networks that take inputs of `shape`."""
        if data.ood is None:
            return None
        key = data.loaded_ood(shape)
        if key not in self._loaded:
            size = (shape[1], shape[2]) if len(shape) == 3 else None
            self._loaded[key] = load(
                data.ood, self._root, self._download, data.resize, as_ood=True, size=size
            )
        return self._loaded[key]

    @property
    def loaded(self) -> Mapping[str, Source]:
        return self._loaded

    def inventories(self, looked: Iterable[Trial]) -> tuple[Inventory, ...]:
        """What was found in every data set of these trials, each once and in their order."""
        found: dict[tuple[str, ...], Inventory] = {}
        trained_on: dict[str, frozenset[bytes]] = {}
        for trial in looked:
            data, shape = trial.data, trial.facts.shape
            key, source = data.loaded(data.source), self.get(data, data.source)
            if key not in trained_on:
                trained_on[key] = training_digests(source)
                found[key,] = of_data(source, trained_on[key])
            ood = self.get_ood(data, shape)
            if ood is not None and (key, data.loaded_ood(shape)) not in found:
                found[key, data.loaded_ood(shape)] = of_ood(ood, source, trained_on[key])
        return tuple(found.values())

    def resolve(self, trial: Trial) -> Trial:
        """The trial with the facts of its data filled in.

        Raises:
            InputError: the data cannot give what the trial asks for.
        """
        data = trial.data
        key = (
            *(data.source, data.ood, data.resize, data.channels),
            *(data.classes, data.normalisation),
        )
        if key not in self._facts:
            self._facts[key] = self._find_facts(data)
        looked = trial.model_copy(
            update={"data": data.model_copy(update={"facts": self._facts[key]})}
        )
        if looked.data not in self._enough:  # else anew for every seed, and choosing classes copies
            check_amounts(data, self.get(data, data.source), self.get_ood(data, looked.facts.shape))
            self._enough.add(looked.data)
        _check_kind(looked)
        return looked

    def _find_facts(self, data: Data) -> DataFacts:
        source = self.get(data, data.source)
        if not len(source.train):
            raise InputError(
                f"data.source: {data.source} holds no training examples; "
                "it can only be used as data.ood"
            )
        _check_classes(data, source)
        shape = _network_shape(data, source)
        ood = self.get_ood(data, shape)
        if ood is not None:
            _check_alike(data, source, ood, shape)
        mean, std = _constants(data, source, shape)
        return DataFacts(
            kind=source.kind,
            digest=source.digest,
            ood_digest=None if ood is None else ood.digest,
            shape=shape,
            classes=data.classes or source.classes,
            mean=mean,
            std=std,
        )


def _check_classes(data: Data, source: Source) -> None:
    if data.classes is None:
        return
    if source.kind != "classification":
        raise InputError(f"data.classes: {data.source} is {source.kind}; leave it out")
    if data.classes > source.classes:
        raise InputError(
            f"data.classes: {data.classes} asked for, {data.source} has {source.classes}; "
            f"give at most {source.classes}"
        )


def _network_shape(data: Data, source: Source) -> tuple[int, ...]:
    if len(source.shape) != 3:
        for field in ("resize", "channels"):
            if getattr(data, field) is not None:
                raise InputError(f"data.{field}: {data.source} holds no images; leave it out")
        return source.shape
    channels, height, width = source.shape
    if data.channels:
        _check_channels("data.channels", data.source, channels, data.channels)
    size = (height, width) if data.resize is None else (data.resize, data.resize)
    return (data.channels or channels, *size)


def _check_alike(data: Data, source: Source, ood: Source, shape: tuple[int, ...]) -> None:
    """That the OOD examples can be brought to the shape of the others."""
    if len(shape) == len(ood.shape) == 3:
        _check_channels("data.ood", str(data.ood), ood.shape[0], shape[0])
    elif ood.shape != source.shape or (ood.kind == "language") != (source.kind == "language"):
        raise InputError(
            f"data.ood: examples of {data.ood} are {_described(ood)}, those of {data.source} "
            f"{_described(source)}; give a set like that with --ood, or --ood none"
        )


def _described(source: Source) -> str:
    if source.kind == "language":
        return f"texts of {source.shape[0]} tokens"
    return f"{'images' if len(source.shape) == 3 else 'values'} of shape {source.shape}"


def _check_channels(field: str, name: str, stored: int, wanted: int) -> None:
    try:
        in_channels(torch.empty((1, stored, 1, 1), dtype=torch.uint8), (wanted, 1, 1))
    except ValueError as error:
        raise InputError(f"{field}: {name}: {error}; store images of {wanted}") from error


def _constants(
    data: Data, source: Source, shape: tuple[int, ...]
) -> tuple[Channels | None, Channels | None]:
    """The stated (mean, std); (None, None) where they are those of the training subset, and empty
    ones where there is nothing to normalise."""
    if len(shape) != 3:
        return (), ()
    chosen = data.normalisation
    mean, std = stated_normalisation(data.source if chosen == "source" else chosen) or (None, None)
    if mean is None or std is None or len(mean) == shape[0]:
        return mean, std
    if len(mean) == 1:  # grey, repeated
        return mean * shape[0], std * shape[0]
    if chosen == "source":
        return None, None
    raise InputError(
        f"data.normalisation: {chosen} is for {len(mean)} channels and {data.source} has "
        f"{shape[0]}; use subset"
    )


_FITS: Mapping[str, Callable[[tuple[int, ...]], bool]] = {  # what a probe's inputs may be of
    "examples": lambda shape: True,
    "images": lambda shape: len(shape) == 3,
    "images or text": lambda shape: len(shape) == 3 and shape[0] in (1, 3),
    "points of the plane": lambda shape: shape == (2,),
}

_WANTED = {"images or text": "the classification of grey or colour images, and for text"}


def _check_kind(trial: Trial) -> None:
    data, facts = trial.data, trial.facts
    images = len(facts.shape) == 3
    if data.balanced and facts.kind != "classification":
        raise InputError(f"data.balanced: {data.source} is {facts.kind}; leave it out")
    if trial.task.augmentation and not images:
        raise InputError(f"task.augmentation: {data.source} holds no images; leave it out")
    for probe in trial.probes:
        wanted = PROBES[probe].of
        if wanted == "anything" or (wanted == "images or text" and facts.kind == "language"):
            continue
        if facts.kind != "classification" or not _FITS[wanted](facts.shape):
            raise InputError(
                f"probes: {probe} is for {_WANTED.get(wanted, f'the classification of {wanted}')}, "
                f"and {data.source} is {facts.kind} of shape {facts.shape}; leave it out"
            )
    if trial.warmup:
        noise = trial.warmup.noise.distribution
        if DISTRIBUTIONS[noise].images_only and not images:
            raise DoesNotApply(
                f"warmup.noise.distribution: {noise} is for images, "
                f"and examples of {data.source} have shape {facts.shape}"
            )
