"""What trials are made from and where they are run: values that always travel together."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from trainables.config.trial import Trial
from trainables.data.examples import Source
from trainables.models.build import State
from trainables.storage.storage import Storage

CHECKPOINT_SECONDS = 15.0


@dataclass(frozen=True)
class TrialInputs:
    """What one trial is made from, or several of one data set and one start."""

    source: Source
    ood: Source | None = None
    weights: State | None = None  # what the network starts from, where the trial names some


@dataclass(frozen=True)
class Inputs:
    sources: Mapping[str, Source]  # decoded data sets, by name
    weights: Mapping[str, State]  # by digest

    def of(self, trial: Trial) -> TrialInputs:
        data = trial.data
        return TrialInputs(
            source=self.sources[data.loaded(data.source)],
            ood=None if data.ood is None else self.sources[data.loaded_ood(trial.facts.shape)],
            weights=self.weights.get(trial.model.facts.weights or ""),
        )


@dataclass(frozen=True)
class RunContext:
    """Where trials are run, and where they leave what comes of them."""

    storage: Storage
    device: torch.device
    commit: str = "unknown"  # of the code, for the record
    # a checkpoint is written after the first epoch that ends so long after the last one; 0: after
    # every epoch
    checkpoint_seconds: float = CHECKPOINT_SECONDS
