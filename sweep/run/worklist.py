"""What is left to do of a plan: trial by trial, what MLflow and the storage already hold."""

from dataclasses import dataclass

import torch
from mlflow.entities import Run

from sweep.plan.plan import PlannedTrial, StudyPlan
from sweep.tracking.ledger import Ledger
from trainables.storage.keys import record_key, warmup_key
from trainables.storage.storage import Storage


@dataclass(frozen=True)
class Worklist:
    """Every planned trial in one of four states, in the plan's order."""

    done: tuple[PlannedTrial, ...]  # in this study's MLflow runs
    adopted: tuple[tuple[PlannedTrial, Run], ...]  # in another study's or scale's
    stored: tuple[PlannedTrial, ...]  # run, and not published yet
    to_run: tuple[PlannedTrial, ...]
    examples: dict[str, int]  # trial id of `to_run` → examples to be trained on
    warmups: dict[str, str]  # trial id of `to_run` → its warm-up's key, where that is not stored
    shared_warmups: int  # warm-ups that trials of `to_run` need not compute themselves

    @property
    def counts(self) -> dict[str, int]:
        return {n: len(getattr(self, n)) for n in ("done", "adopted", "stored", "to_run")}


def make_worklist(
    plan: StudyPlan, ledger: Ledger, storage: Storage, device: torch.device
) -> Worklist:
    """The state of every planned trial.

    The trials to run are ordered replicate by replicate, so that a study that is cut short is
    complete in its first replicates. In each, those that find their warm-up made come last, and
    otherwise the longest first, so that the workers are done at about the same time.
    """
    done, adopted, stored, to_run = [], [], [], []
    for planned in plan.trials:
        if planned.trial_id in ledger.done:
            done.append(planned)
        elif planned.trial_id in ledger.elsewhere:
            adopted.append((planned, ledger.elsewhere[planned.trial_id]))
        elif storage.get(record_key(planned.trial_id)) is not None:  # whole, not only there
            stored.append(planned)
        else:
            to_run.append(planned)
    keys = {p.trial_id: warmup_key(p.trial, device) for p in to_run if p.trial.warmup}
    missing = {key for key in keys.values() if key not in storage}
    follows = _followers(to_run, keys, missing)
    examples = {
        planned.trial_id: planned.trial.task_examples
        + (0 if planned.trial_id in follows else planned.trial.warmup_examples)
        for planned in to_run
    }
    to_run.sort(key=lambda p: (p.replicate, p.trial_id in follows, -examples[p.trial_id]))
    return Worklist(
        done=tuple(done),
        adopted=tuple(adopted),
        stored=tuple(stored),
        to_run=tuple(to_run),
        examples=examples,
        warmups={trial_id: key for trial_id, key in keys.items() if key in missing},
        shared_warmups=len(follows),
    )


def _followers(trials: list[PlannedTrial], keys: dict[str, str], missing: set[str]) -> set[str]:
    """The ids of the trials that find their warm-up made: all with it but the shortest, which makes
    it and is the soonest done."""
    followers, led = set(), set()
    for planned in sorted(trials, key=lambda p: p.trial.task_examples):
        key = keys.get(planned.trial_id)
        if key is not None and (key in led or key not in missing):
            followers.add(planned.trial_id)
        elif key is not None:
            led.add(key)
    return followers
