"""What is left to do of a plan: trial by trial, what MLflow and the storage already hold."""

from dataclasses import dataclass
from functools import cached_property

import torch
from mlflow.entities import Run

from sweep.ledger import Ledger
from sweep.planning import PlannedTrial, StudyPlan
from trainables.life import record_key, warmup_key
from trainables.storage import Storage


@dataclass(frozen=True)
class Worklist:
    """Every planned trial in one of four states, in the plan's order."""

    done: tuple[PlannedTrial, ...]  # in this study's MLflow runs
    adopted: tuple[tuple[PlannedTrial, Run], ...]  # in another study's or scale's
    stored: tuple[PlannedTrial, ...]  # run, and not published yet
    to_run: tuple[PlannedTrial, ...]
    examples: dict[str, int]  # trial id of `to_run` → examples to be trained on
    shared_warmups: int  # warm-ups that trials of `to_run` need not compute themselves

    @property
    def counts(self) -> dict[str, int]:
        """Trials in each state."""
        return {n: len(getattr(self, n)) for n in ("done", "adopted", "stored", "to_run")}

    @cached_property
    def examples_to_train(self) -> int:
        return sum(self.examples.values())


def sort_out(plan: StudyPlan, ledger: Ledger, storage: Storage, device: torch.device) -> Worklist:
    """The state of every planned trial.

    The trials to run are ordered replicate by replicate, so that a study that is cut short is
    complete in its first replicates. Those that share a warm-up come one replicate after the trial
    that computes it: by then it is stored.
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
    leaders, followers = _by_warmup(to_run, storage, device)
    follows = {planned.trial_id for planned in followers}
    to_run.sort(key=lambda p: (p.replicate + (p.trial_id in follows), p.trial_id in follows))
    examples = {
        planned.trial_id: planned.trial.task_examples
        + (0 if planned.trial_id in follows else planned.trial.warmup_examples)
        for planned in (*leaders, *followers)
    }
    return Worklist(
        tuple(done), tuple(adopted), tuple(stored), tuple(to_run), examples, len(followers)
    )


def _by_warmup(
    trials: list[PlannedTrial], storage: Storage, device: torch.device
) -> tuple[list[PlannedTrial], list[PlannedTrial]]:
    """(those that warm up themselves or not at all, those that find their warm-up done)."""
    leaders, followers = [], []
    led: set[str] = set()
    for planned in trials:
        key = warmup_key(planned.trial, device) if planned.trial.warmup else None
        if key is not None and (key in led or key in storage):
            followers.append(planned)
        else:
            leaders.append(planned)
            led |= {key} if key else set()
    return leaders, followers
