"""The data sets a plan needs: each decoded once, looked at, and held against what trials ask."""

from collections.abc import Mapping
from pathlib import Path

from sweep.errors import InputError
from trainables.data.images import Source, stated_normalisation
from trainables.data.sources import load
from trainables.noise import DISTRIBUTIONS
from trainables.preparation import available_examples
from trainables.trial import Data, DataFacts, Trial


class Sources:
    """Decoded data sets by name. `DataError` of the loaders passes through."""

    def __init__(self, root: Path | None = None, download: bool = False) -> None:
        self._root = root
        self._download = download
        self._loaded: dict[str, Source] = {}
        self._facts: dict[tuple[str, str | None, str], DataFacts] = {}

    def get(self, name: str) -> Source:
        if name not in self._loaded:
            self._loaded[name] = load(name, self._root, self._download)
        return self._loaded[name]

    @property
    def loaded(self) -> Mapping[str, Source]:
        return self._loaded

    def look(self, trial: Trial) -> Trial:
        """The trial with the facts of its data filled in.

        Raises:
            InputError: the data cannot give what the trial asks for.
        """
        data = trial.data
        key = (data.source, data.ood, data.normalisation)
        if key not in self._facts:
            self._facts[key] = self._find_facts(data)
        looked = trial.model_copy(
            update={"data": data.model_copy(update={"facts": self._facts[key]})}
        )
        _check(looked, self.get(data.source), None if data.ood is None else self.get(data.ood))
        return looked

    def _find_facts(self, data: Data) -> DataFacts:
        source = self.get(data.source)
        if not len(source.train):
            raise InputError(
                f"data.source: {data.source} holds no training images; "
                "it can only be used as data.ood"
            )
        ood = None if data.ood is None else self.get(data.ood)
        if ood is not None and ood.shape != source.shape:
            raise InputError(
                f"data.ood: images of {data.ood} are (channels, height, width) {ood.shape}, those "
                f"of {data.source} {source.shape}; give a set of that shape with --ood, "
                "or --ood none"
            )
        mean, std = _constants(data, source)
        return DataFacts(
            digest=source.digest,
            ood_digest=None if ood is None else ood.digest,
            shape=source.shape,
            classes=source.classes,
            mean=mean,
            std=std,
        )


def _constants(
    data: Data, source: Source
) -> tuple[tuple[float, ...] | None, tuple[float, ...] | None]:
    """The stated (mean, std); (None, None) where they are those of the training subset."""
    name = data.source if data.normalisation == "source" else data.normalisation
    mean, std = stated_normalisation(name) or (None, None)
    if mean is not None and len(mean) != source.shape[0]:
        raise InputError(
            f"data.normalisation: {data.normalisation} is for {len(mean)} channels and "
            f"{data.source} has {source.shape[0]}; use subset"
        )
    return mean, std


def _check(trial: Trial, source: Source, ood: Source | None) -> None:
    """That there is as much as is asked for, and that the noise fits the images."""
    data = trial.data
    train = available_examples(source, data.validation)
    most = {
        "validation": len(source.train if source.validation is None else source.validation),
        "examples": train,
        "test": len(source.test),
        "ood_examples": len(ood.test) if ood else None,
    }
    for field, there in most.items():
        asked = getattr(data, field)
        if asked is not None and there is not None and asked > there:
            name = data.ood if field == "ood_examples" else data.source
            left = max(there, 0)
            raise InputError(
                f"data.{field}: {asked} asked for, {name} has {left}; give at most {left}"
            )
    if trial.warmup:
        noise = trial.warmup.noise.distribution
        if DISTRIBUTIONS[noise].images_only and len(source.shape) != 3:
            raise InputError(
                f"warmup.noise.distribution: {noise} is for images, "
                f"and examples of {data.source} have shape {source.shape}"
            )
