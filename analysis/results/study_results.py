"""Reading a study back from MLflow: its plan, and what became of each planned trial.

Everything a report shows comes through here, from MLflow alone. Runs are searched once, page by
page, whatever their number; records are read by `analysis.results.download`, several at a time. In
memory stay each trial's numbers, not its arrays. What cannot be found raises `ResultsError`, in one
line that says what there is instead.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from mlflow.entities import LifecycleStage, Metric, Run, RunData, RunTag
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from analysis.cache import Cache
from analysis.errors import one_line
from analysis.results import tags as tag
from analysis.results.download import artifact_bytes, read_run
from analysis.results.mlflow_store import all_runs, each_run
from analysis.results.plan import Plan, PlanError, PlannedTrial, parse_plan
from analysis.results.published import names_sealed
from analysis.results.records import Record, RecordError
from analysis.results.summary import summarise

OUTCOMES = ("finished", "diverged", "failed", "missing")

_THREADS = 8  # that read or download records


class ResultsError(Exception):
    """MLflow does not hold what was asked for."""


@dataclass(frozen=True)
class TrialResult:
    """What became of one planned trial."""

    trial_id: str
    arm: str
    condition: str
    replicate: int
    pair: str  # the control's trial id
    outcome: str  # finished, diverged, failed or missing
    record: Record | None = None
    run_id: str | None = None
    note: str = ""  # why there is no record, where that needs saying
    summary: Mapping[str, float] | None = None  # the record's numbers, where they are known already

    @cached_property
    def numbers(self) -> Mapping[str, float]:
        """Final metrics, see `analysis.results.summary`; empty unless the trial finished."""
        if self.record is None or self.outcome != "finished":
            return {}
        return summarise(self.record) if self.summary is None else self.summary


@dataclass(frozen=True)
class StudyResults:
    """A study's plan and the results of its planned trials, in the plan's order."""

    plan: Plan
    trials: tuple[TrialResult, ...]
    parent_run_id: str
    launched_at: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)  # of the study's run

    @cached_property
    def by_id(self) -> Mapping[str, TrialResult]:
        return {trial.trial_id: trial for trial in self.trials}

    @cached_property
    def members(self) -> Mapping[str, Sequence[TrialResult]]:
        """The trials that are no controls, by condition, in the order of replicates."""
        found: dict[str, list[TrialResult]] = {}
        for trial in sorted(self.trials, key=lambda trial: trial.replicate):
            if trial.arm != "control":
                found.setdefault(trial.condition, []).append(trial)
        return found

    @cached_property
    def commits(self) -> tuple[str, ...]:
        """Of the code that ran the trials; of the launch where none has."""
        ran = {trial.record.commit for trial in self.trials if trial.record}
        return tuple(sorted(ran)) or (self.plan.commit,)

    def count(self, outcome: str) -> int:
        return sum(trial.outcome == outcome for trial in self.trials)


Pair = tuple[TrialResult, TrialResult]


def planned_pairs(results: StudyResults, condition: str) -> list[Pair]:
    """(without, with) of every planned pair of a condition by replicate, finished or not."""
    members = results.members.get(condition, ())
    return [(results.by_id[t.pair], t) for t in members if t.pair in results.by_id]


def pairs(results: StudyResults, condition: str) -> list[Pair]:
    """(without, with) of a condition's complete pairs, those both of whose trials finished."""
    return [p for p in planned_pairs(results, condition) if all(t.outcome == "finished" for t in p)]


def load_study(
    client: MlflowClient,
    study: str,
    scale: str | None = None,
    data: str | None = None,
    parent_run_id: str | None = None,
) -> StudyResults:
    """The study's results; of the launch last begun that matches, where no parent run is named."""
    parent = (
        _named_parent(client, study, parent_run_id)
        if parent_run_id
        else _newest_parent(client, study, scale, data)
    )
    plan, cache = read_plan(client, parent), Cache()
    runs = best_runs(children(client, parent))
    with ThreadPoolExecutor(_THREADS) as pool:
        trials = pool.map(
            lambda trial: _result(client, trial, runs.get(trial.trial_id), cache), plan.trials
        )
        tags = parent.data.tags
        return StudyResults(
            plan, tuple(trials), parent.info.run_id, tags.get(tag.LAUNCHED_AT, ""), tags
        )


def _newest_parent(client: MlflowClient, study: str, scale: str | None, data: str | None) -> Run:
    experiment = client.get_experiment_by_name(study)
    if experiment is None:
        names = [e.name for e in client.search_experiments() if e.name != "Default"]
        raise ResultsError(f"no study {study!r} in MLflow; {_there_is(names)}")
    if experiment.lifecycle_stage == LifecycleStage.DELETED:
        number = experiment.experiment_id
        raise ResultsError(
            f"study {study!r} was deleted in MLflow; `mlflow experiments restore --experiment-id "
            f"{number}` brings it back"
        )
    launched = all_runs(client, [experiment.experiment_id], tag.STUDIES)
    parents = tag.launched_so(launched, scale, data)
    if not parents:
        asked = "".join((f" at scale {scale}" if scale else "", f" on data {data}" if data else ""))
        have = [f"{r.data.tags.get(tag.SCALE)} on {r.data.tags.get(tag.DATA)}" for r in launched]
        raise ResultsError(f"study {study!r} was never launched{asked}; {_there_is(have)}")
    # launching again goes on under the same parent and renews its tag
    return max(parents, key=lambda r: (r.data.tags.get(tag.LAUNCHED_AT, ""), r.info.start_time))


def _named_parent(client: MlflowClient, study: str, run_id: str) -> Run:
    try:
        run = client.get_run(run_id)
    except MlflowException as error:
        raise ResultsError(f"no run {run_id!r} in MLflow") from error
    if run.data.tags.get(tag.KIND) != "study" or run.data.tags.get(tag.STUDY, study) != study:
        raise ResultsError(f"run {run_id} is not a launch of study {study!r}")
    return run


def children(client: MlflowClient, parent: Run) -> Iterator[Run]:
    """The trials' runs below a study's run, newest first, with their tags and the metrics that are
    their records' numbers: parameters and other metrics would be most of what is in memory."""
    condition = f"{tag.below(parent)} and {tag.TRIALS}"
    for run in each_run(client, [parent.info.experiment_id], condition):
        tags, metrics = run.data.tags, run.data.metrics
        kept = [Metric(n, metrics[n], 0, 0) for n in names_sealed(run) if n in metrics]
        yield Run(run.info, RunData(kept, tags=[RunTag(*tag) for tag in tags.items()]))


def best_runs(runs: Iterable[Run]) -> dict[str, Run]:
    """Each trial's best run: one that finished before one that failed, the newest of equals."""
    best: dict[str, Run] = {}
    for run in runs:  # newest first
        trial_id = run.data.tags.get(tag.TRIAL_ID, "")
        if trial_id not in best or _rank(run) < _rank(best[trial_id]):
            best[trial_id] = run
    return best


def _rank(run: Run) -> int:
    return OUTCOMES.index(outcome_of(run))


def outcome_of(run: Run) -> str:
    """What a trial's run says became of it, one of `OUTCOMES`; one that was stopped before it had
    an outcome is missing, as one that runs."""
    outcome, status = run.data.tags.get(tag.OUTCOME, ""), run.info.status
    if status == "FINISHED" and outcome in ("finished", "diverged"):
        return str(outcome)
    failed = status == "FAILED" or outcome == "failed" or (status == "KILLED" and outcome)
    return "failed" if failed else "missing"


def _result(
    client: MlflowClient, planned: PlannedTrial, run: Run | None, cache: Cache
) -> TrialResult:
    places = ("trial_id", "arm", "condition", "replicate", "pair")
    place: dict[str, Any] = {name: getattr(planned, name) for name in places}
    if run is None:
        return TrialResult(**place, outcome="missing", note="not run")
    place["run_id"] = run.info.run_id
    outcome = outcome_of(run)
    if outcome == "missing":
        return TrialResult(**place, outcome=outcome, note=f"its run is {run.info.status.lower()}")
    if outcome == "failed":
        return TrialResult(**place, outcome=outcome)
    try:
        record, numbers = read_run(client, run, cache)
        if record.trial_id != planned.trial_id:
            raise RecordError(f"the record is of another trial, {record.trial_id}")
    except (MlflowException, OSError, RecordError) as error:
        return TrialResult(**place, outcome="missing", note=one_line(error))
    return TrialResult(**place, outcome=record.status, record=record, summary=numbers)


def read_plan(client: MlflowClient, parent: Run) -> Plan:
    """The plan of a study's run; `ResultsError` where it has none that can be read."""
    try:
        return parse_plan(artifact_bytes(client, parent, "plan.json").decode("utf-8"))
    except (MlflowException, OSError, UnicodeDecodeError, PlanError) as error:
        run = parent.info.run_id
        raise ResultsError(f"run {run} has no readable plan.json: {one_line(error)}") from error


def _there_is(names: Sequence[str]) -> str:
    return "there is " + ", ".join(sorted(set(names))) if names else "there is none"
