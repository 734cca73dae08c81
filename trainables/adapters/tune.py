"""One network's life, or several together, as a Ray Tune trainable: with `train.py`, for several
workers, the only file here that knows Ray.

A worker process is reused for many trials, so each sets what the last one may have left otherwise.
Nothing is reported but progress: what a trial leaves is in storage, under its own id.
"""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from ray import tune

from trainables.config.trial import Trial
from trainables.data.examples import Source
from trainables.fused.trials import run_trials
from trainables.models.build import State
from trainables.storage.storage import Storage

if TYPE_CHECKING:
    from trainables.adapters.train import Team

REPORT_SECONDS = 1.0  # a report costs the worker a round trip to the driver


def live(
    config: Mapping[str, Any],
    sources: Mapping[str, Source],
    weights: Mapping[str, State],
    storage: str,
    device: str,
    commit: str,
    team: "Team | None" = None,
) -> None:
    """Live the trials in `config["work"]["trials"]`, together where they are several.

    Args:
        sources: decoded data sets by name, from Ray's object store.
        weights: what networks start from, by digest, likewise.
        storage: a folder that every node sees, or the URL of an object store.
        device: `cpu`, or `cuda` for the GPU that Ray has given the worker.
        commit: of the code, for the record.
        team: the workers that live the only trial; they, and not this one, have the data.

    Reports `examples`: those trained on since the last report, `by_trial`: the same by trial id,
    and `left`: the trials that have left their record.
    """
    reporter = _Reporter()
    trials = config["work"]["trials"]
    _live(trials, sources, weights, storage, device, commit, reporter, team)
    reporter.send()


def live_by_seed(
    config: Mapping[str, Any],
    sources: Mapping[str, Source],
    weights: Mapping[str, State],
    storage: str,
    device: str,
    commit: str,
    team: "Team | None" = None,
) -> None:
    """Live the trials in `config["work"]["trials"]` one after another.

    The arguments are those of `live`. Reports `examples` as that does, and `seeds`: how many of the
    trials have left their record. Whoever is told may stop the others.
    """
    reporter = _Reporter()
    for fields in config["work"]["trials"]:
        _live([fields], sources, weights, storage, device, commit, reporter, team)
        reporter.seeds += 1
        reporter.send()


def _live(
    trials: Sequence[Mapping[str, Any]],
    sources: Mapping[str, Source],
    weights: Mapping[str, State],
    storage: str,
    device: str,
    commit: str,
    reporter: "_Reporter",
    team: "Team | None",
) -> None:
    if team is not None:
        from trainables.adapters.train import (
            live_together,  # late: one worker has no need of Ray Train
        )

        (fields,) = trials
        live_together(team, fields, storage, device, commit)
        return
    # two processes of two threads each are five times slower than of one each, on two cores
    torch.set_num_threads(1)
    group = [Trial.model_validate(fields) for fields in trials]
    data, model = group[0].data, group[0].model  # of all of them
    run_trials(
        group,
        sources[data.loaded(data.source)],
        None if data.ood is None else sources[data.loaded_ood(group[0].facts.shape)],
        Storage(storage),
        torch.device(device),
        reporter.count,
        reporter.has_left,
        commit=commit,
        weights=weights.get(model.facts.weights or ""),
    )


class _Reporter:
    def __init__(self) -> None:
        self.seeds = 0  # trials lived
        self._examples: Counter[str] = Counter()  # by trial
        self._left: list[str] = []
        self._sent_at = time.perf_counter()

    def count(self, trial_id: str, new: int) -> None:
        self._examples[trial_id] += new
        if time.perf_counter() - self._sent_at > REPORT_SECONDS:
            self.send()

    def has_left(self, trial_id: str) -> None:
        self._left.append(trial_id)

    def send(self) -> None:
        by_trial = dict(self._examples)
        tune.report(
            {
                "examples": sum(by_trial.values()),
                "by_trial": by_trial,
                "left": list(self._left),
                "seeds": self.seeds,
            }
        )
        self._examples.clear()
        self._sent_at = time.perf_counter()
