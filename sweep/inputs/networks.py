"""The networks a plan needs: each made once and tried, and what they start from, read once."""

from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from sweep.errors import InputError
from trainables.config.model import NAMES, Network, NetworkFacts, Own, kinds_of
from trainables.config.trial import Trial
from trainables.models.build import State, build
from trainables.models.code import code_digest
from trainables.models.shared_norm import unshareable
from trainables.models.weights import read_weights, torchvision_weights, weights_digest
from trainables.preflight.repetition import rehearse

FROM_TORCHVISION = "torchvision"
PREFIX = "study:"


class Networks:
    """What networks start from, by digest."""

    def __init__(
        self,
        download: bool = False,
        trained_by: Callable[[str], State] | None = None,
        workers: int = 1,
        device: str = "cpu",
    ) -> None:
        """trained_by: a study's name → the weights that it has left.
        workers: that train one network together.
        device: that trials are run on; where it is not here, networks are tried on the CPU."""
        there = device if device != "cuda" or torch.cuda.is_available() else "cpu"
        self._device = torch.device(there)
        self._workers = workers
        self._download = download
        self._trained_by = trained_by
        self._weights: dict[str, State] = {}
        self._facts: dict[tuple[str, str | None], NetworkFacts] = {}
        self._tried: dict[str, NetworkFacts] = {}
        self._notes: dict[str, None] = {}
        self._reading: set[str] = set()  # the studies that are on the way to be read, or read

    @property
    def weights(self) -> Mapping[str, State]:
        return self._weights

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know of the networks that were looked at, in sentences."""
        return tuple(self._notes)

    def resolve(self, trial: Trial) -> Trial:
        """The trial, whose data have been looked at, with the facts of its network filled in.

        Raises:
            InputError: the network cannot be made, is for another task, or its output does not fit.
        """
        _check_kind(trial)
        model = trial.model
        try:
            key = (model.name, model.weights)
            if key not in self._facts:
                self._facts[key] = self._find_facts(model)
            with_facts = model.model_copy(update={"facts": self._facts[key]})
            looked = self._try(trial.model_copy(update={"model": with_facts}))
        except InputError:
            raise
        except ValueError as error:  # NetworkError, or a constructor's: a patch that fits nowhere
            raise InputError(str(error)) from error
        return looked

    def _find_facts(self, model: Network) -> NetworkFacts:
        code = code_digest(model.name) if isinstance(model, Own) else None
        if model.weights is None:
            return NetworkFacts(code=code)
        weights = self._read(model.name, model.weights)
        digest = weights_digest(weights)
        self._weights[digest] = weights
        return NetworkFacts(code=code, weights=digest)

    def _read(self, network: str, weights: str) -> State:
        if weights.startswith(PREFIX) and self._trained_by is not None:
            if weights in self._reading:
                raise InputError(f"model.weights: {weights} starts from itself; name another study")
            self._reading.add(weights)
            return self._trained_by(weights.removeprefix(PREFIX))
        if weights != FROM_TORCHVISION:
            return read_weights(Path(weights).expanduser())
        if not self._download:
            raise InputError(
                "model.weights: torchvision's are fetched; allow it with --download, or give a file"
            )
        return torchvision_weights(network)

    def _try(self, trial: Trial) -> Trial:
        """Try the network, once for all trials that share it; the trial, with what was found."""
        facts = trial.facts
        task = (facts.kind, facts.shape, facts.classes)
        key = repr((trial.model, trial.compute, task, _asks(trial)))
        if key not in self._tried:
            weights = self._weights.get(trial.model.facts.weights or "")
            tried = rehearse(trial, self._device, weights)
            self._refuse_unshareable(tried.trial, weights)
            self._tried[key] = tried.trial.model.facts
            self._notes |= dict.fromkeys(tried.notes)
        model = trial.model.model_copy(update={"facts": self._tried[key]})
        return trial.model_copy(update={"model": model})

    def _refuse_unshareable(self, trial: Trial, weights: State | None) -> None:
        if self._workers == 1:
            return
        own = unshareable(build(trial, torch.device("cpu"), weights))
        if own is not None:
            raise InputError(
                f"resources.workers: {self._workers} is refused: {trial.model.name} has {own}, "
                "a batch normalisation with statistics of its own; give 1, or use PyTorch's"
            )


def _asks(trial: Trial) -> tuple[object, ...]:
    """What a trial asks of its network beside to be trained."""
    return trial.uses_head, trial.warmup and trial.warmup.keep


def _check_kind(trial: Trial) -> None:
    kind, name = trial.facts.kind, trial.model.name
    if kind not in kinds_of(name):
        other = next(other for other in NAMES if kind in kinds_of(other))
        raise InputError(
            f"model: {name} is for {' and '.join(kinds_of(name))}, and {trial.data.source} is "
            f"{kind}; use --set model={other}, or a network of your own"
        )
