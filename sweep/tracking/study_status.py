"""How a study stands: what MLflow and the storage say of its planned trials. Reading only."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from analysis.results import tags as tag
from analysis.results.loading import best_runs, children, outcome_of, read_plan
from analysis.results.mlflow_store import all_runs
from analysis.results.plan import Plan, PlannedTrial
from analysis.results.study_results import OUTCOMES, ResultsError
from sweep.errors import InputError
from sweep.storage.contents import checkpoint_ages, recorded
from sweep.storage.location import launch_folder, open_storage
from sweep.storage.locks import LAUNCHER, holders
from sweep.tracking.experiments import refuse_deleted
from sweep.tracking.ledger import is_done
from trainables.errors import choices


@dataclass(frozen=True)
class StorageContents:
    recorded: set[str]  # trial ids
    checkpoints: Mapping[str, float]  # trial id → age in seconds
    locks: Mapping[str, str]  # that are held on this machine → by which process


@dataclass(frozen=True)
class TrialStatus:
    trial_id: str
    name: str
    outcome: str  # finished, diverged, failed or missing
    error: str = ""  # of one that failed
    node: str = ""  # that it ran on; "": nobody has said
    running: bool = False  # MLflow shows its curves so far
    stored: bool = False  # its record is stored, and MLflow lacks it
    checkpoint_age: float | None = None  # seconds, of one that is not finished


@dataclass(frozen=True)
class StudyStatus:
    """A study at one scale on one data set."""

    study: str
    scale: str
    data: str
    run_id: str
    status: str  # of the parent run: RUNNING, FINISHED, FAILED, KILLED
    launched_at: str
    last_finished: float | None  # seconds since 1970, of the trial that finished last
    trials: tuple[TrialStatus, ...]
    process: str | None = None  # that holds its lock
    note: str = ""  # why there are no trials
    ended_by: str = ""  # what ended the last launch, where that is no trial's failure

    @property
    def running(self) -> bool:
        return self.status == "RUNNING"

    @cached_property
    def counts(self) -> dict[str, int]:
        """Outcome → trials."""
        found = Counter(trial.outcome for trial in self.trials)
        return {outcome: found[outcome] for outcome in OUTCOMES}

    @property
    def nodes(self) -> dict[str, int]:
        """Node → trials that ran on it; "" where nobody has said."""
        ran = (t.node for t in self.trials if t.outcome in ("finished", "diverged"))
        return dict(sorted(Counter(ran).items()))

    @property
    def failures(self) -> dict[str, list[TrialStatus]]:
        """Error → the trials that failed of it."""
        found: dict[str, list[TrialStatus]] = {}
        for trial in self.trials:
            if trial.outcome == "failed":
                found.setdefault(trial.error, []).append(trial)
        return found

    @property
    def unpublished(self) -> list[TrialStatus]:
        return [trial for trial in self.trials if trial.stored]

    @property
    def well(self) -> bool:
        """Nothing has failed; a running launch is still to publish what it has stored."""
        return not (self.counts["failed"] or self.note or (self.unpublished and not self.running))


def look_at(location: Path | str) -> StorageContents | None:
    """What is stored there; None where the folder is not there.

    Raises:
        InputError: there is no such kind of store.
        OSError: it does not answer.
    """
    if isinstance(location, Path) and not location.is_dir():
        return None
    storage, locks = open_storage(location), holders(launch_folder(location))
    return StorageContents(recorded(storage), checkpoint_ages(storage, time.time()), locks)


def study_statuses(
    client: MlflowClient,
    study: str | None,
    scale: str | None,
    data: str | None,
    contents: StorageContents | None,
) -> list[StudyStatus]:
    """Of every study that was launched, or of the one; last launched first.

    Raises:
        InputError: MLflow has no such study, or it was deleted there.
    """
    experiments = {e.name: e.experiment_id for e in client.search_experiments()}
    if study is not None and study not in experiments:
        refuse_deleted(client, client.get_experiment_by_name(study))
        known = [name for name in experiments if name != "Default"]
        raise InputError(f"no study {study!r} in MLflow; {choices(study, known)}")
    chosen = list(experiments.values()) if study is None else [experiments[study]]
    launched = all_runs(client, chosen, tag.STUDIES) if chosen else []
    parents = tag.launched_so(launched, scale, data)
    if not parents and (study, scale, data) != (None, None, None):
        have = sorted(
            {f"{r.data.tags.get(tag.SCALE)} on {r.data.tags.get(tag.DATA)}" for r in launched}
        )
        raise InputError(
            f"{study or 'a study'} was never launched so; there is {', '.join(have) or 'none'}"
        )
    parents.sort(key=lambda run: run.data.tags.get(tag.LAUNCHED_AT, ""), reverse=True)
    return [_status_of(client, parent, contents) for parent in parents]


def _status_of(client: MlflowClient, parent: Run, contents: StorageContents | None) -> StudyStatus:
    tags = parent.data.tags
    study, note, plan = tags.get(tag.STUDY, ""), "", None
    try:
        plan = read_plan(client, parent)
    except ResultsError as error:
        note = str(error)
    runs = best_runs(children(client, parent))
    done = (run for run in runs.values() if is_done(client, run))
    ended = [run.info.end_time for run in done if run.info.end_time]
    return StudyStatus(
        study=study,
        scale=tags.get(tag.SCALE, ""),
        data=tags.get(tag.DATA, ""),
        run_id=parent.info.run_id,
        status=parent.info.status,
        launched_at=tags.get(tag.LAUNCHED_AT, ""),
        last_finished=max(ended) / 1000 if ended else None,
        trials=tuple(_trials(client, plan.trials if plan else (), runs, contents)),
        process=_process(study, plan, contents),
        note=note,
        ended_by=tags.get(tag.ENDED_BY, ""),
    )


def _trials(
    client: MlflowClient,
    planned: Sequence[PlannedTrial],
    runs: Mapping[str, Run],
    contents: StorageContents | None,
) -> list[TrialStatus]:
    found = []
    for trial in planned:
        run = runs.get(trial.trial_id)
        outcome = _outcome(client, run)
        tags = run.data.tags if run else {}
        left = contents if outcome in ("failed", "missing") else None
        found.append(
            TrialStatus(
                trial_id=trial.trial_id,
                name=f"{trial.condition or 'control'} #{trial.replicate}",
                outcome=outcome,
                error=tags.get(tag.ERROR, "its publication was cut short")
                if outcome == "failed"
                else "",
                node="" if outcome == "missing" else tags.get(tag.NODE, ""),
                running=run is not None and outcome == "missing" and run.info.status == "RUNNING",
                stored=left is not None and trial.trial_id in left.recorded,
                checkpoint_age=left.checkpoints.get(trial.trial_id) if left else None,
            )
        )
    return found


def _outcome(client: MlflowClient, run: Run | None) -> str:
    """As a report has it, and as the next launch: without its record a trial is run again."""
    outcome = "missing" if run is None else outcome_of(run)
    lost = run is not None and outcome in ("finished", "diverged") and not is_done(client, run)
    return "missing" if lost else outcome


def _process(study: str, plan: Plan | None, contents: StorageContents | None) -> str | None:
    """A search has another lock than the study's while it proposes."""
    locks = contents.locks if contents else {}
    if study in locks or not (plan and plan.search):
        return locks.get(study)
    return next((pid for name, pid in locks.items() if name.startswith(LAUNCHER)), None)
