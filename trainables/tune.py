"""One network's life as a Ray Tune trainable: with `train.py`, for several workers, the only file
here that knows Ray.

A worker process is reused for many trials, so each sets what the last one may have left otherwise.
Nothing is reported but progress: what a trial leaves is in storage, under its own id.
"""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from ray import tune

from trainables.data.examples import Source
from trainables.life import run_trial
from trainables.models.build import State
from trainables.storage import Storage
from trainables.trial import Trial

if TYPE_CHECKING:
    from trainables.train import Team

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
    """Live the trial in `config["work"]["trial"]`.

    Args:
        sources: decoded data sets by name, from Ray's object store.
        weights: what networks start from, by digest, likewise.
        storage: a folder that every node sees, or the URL of an object store.
        device: `cpu`, or `cuda` for the GPU that Ray has given the worker.
        commit: of the code, for the record.
        team: the workers that live the trial together; they, and not this one, have the data.

    Reports `examples`: those trained on since the last report.
    """
    reporter = _Reporter()
    _live(config["work"]["trial"], sources, weights, storage, device, commit, reporter, team)
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
        _live(fields, sources, weights, storage, device, commit, reporter, team)
        reporter.seeds += 1
        reporter.send()


def _live(
    fields: Mapping[str, Any],
    sources: Mapping[str, Source],
    weights: Mapping[str, State],
    storage: str,
    device: str,
    commit: str,
    reporter: "_Reporter",
    team: "Team | None",
) -> None:
    if team is not None:
        from trainables.train import live_together  # late: one worker has no need of Ray Train

        live_together(team, fields, storage, device, commit)
        return
    # two processes of two threads each are five times slower than of one each, on two cores
    torch.set_num_threads(1)
    trial = Trial.model_validate(fields)
    data, ood = trial.data, trial.data.ood
    run_trial(
        trial,
        sources[data.loaded(data.source)],
        None if ood is None else sources[data.loaded(ood)],
        Storage(storage),
        torch.device(device),
        reporter.count,
        commit=commit,
        weights=weights.get(trial.model.facts.weights or ""),
    )


class _Reporter:
    def __init__(self) -> None:
        self.seeds = 0  # trials lived
        self._examples = 0
        self._sent_at = time.perf_counter()

    def count(self, _: int, new: int) -> None:
        self._examples += new
        if time.perf_counter() - self._sent_at > REPORT_SECONDS:
            self.send()

    def send(self) -> None:
        tune.report({"examples": self._examples, "seeds": self.seeds})
        self._examples = 0
        self._sent_at = time.perf_counter()
