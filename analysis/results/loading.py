"""Reading a study back from MLflow: its plan, and what became of each planned trial.

Everything a report shows comes through here, from MLflow alone. Runs are searched once, page by
page, whatever their number, and of thousands by several processes; records are read by
`analysis.results.download`. What cannot be found raises `ResultsError`, in one line that says what
there is instead.
"""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from mlflow.entities import LifecycleStage, Metric, Run, RunData, RunTag
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from analysis.cache import Cache
from analysis.errors import one_line
from analysis.process.several import each
from analysis.results import tags as tag
from analysis.results.download import artifact_bytes, read_run
from analysis.results.mlflow_store import RECORD, all_runs, each_run, local_artifact
from analysis.results.plan import Plan, PlanError, PlannedTrial, parse_plan
from analysis.results.published import names_sealed
from analysis.results.records import RecordError
from analysis.results.study_results import OUTCOMES, ResultsError, StudyResults, TrialResult

_THREADS = 8  # that download records
_FEW = 2000  # trials that one process has read before others have started


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
    plan, tags = read_plan(client, parent), parent.data.tags
    few = len(plan.trials) < _FEW
    trials = _read(client, parent, plan.trials) if few else _read_parts(client, parent, plan.trials)
    launched = tags.get(tag.LAUNCHED_AT, "")
    return StudyResults(plan, tuple(trials), parent.info.run_id, launched, tags)


def _read(
    client: MlflowClient, parent: Run, planned: Sequence[PlannedTrial], part: str = ""
) -> list[TrialResult]:
    """part: what the ids of these trials begin with."""
    runs, cache = best_runs(children(client, parent, part)), Cache()

    def result(trial: PlannedTrial) -> TrialResult:
        return _result(client, trial, runs.get(trial.trial_id), cache)

    if all(local_artifact(client, run, RECORD) for run in runs.values()):
        return [result(trial) for trial in planned]  # no thread waits for anything but another
    with ThreadPoolExecutor(_THREADS) as pool:
        return list(pool.map(result, planned))


def _read_parts(
    client: MlflowClient, parent: Run, planned: Sequence[PlannedTrial]
) -> list[TrialResult]:
    """The same of thousands: most of the time goes into what MLflow makes of its rows."""
    parts: dict[str, list[PlannedTrial]] = {}
    for trial in planned:
        parts.setdefault(trial.trial_id[:1], []).append(trial)
    asked = [(client.tracking_uri, parent, some, begins) for begins, some in parts.items()]
    by_id = {found.trial_id: found for part in each(_read_part, asked) for found in part}
    return [by_id[trial.trial_id] for trial in planned]


def _read_part(
    uri: str, parent: Run, planned: Sequence[PlannedTrial], part: str
) -> list[TrialResult]:
    return _read(MlflowClient(uri), parent, planned, part)


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


def children(client: MlflowClient, parent: Run, part: str = "") -> Iterator[Run]:
    """The trials' runs below a study's run, newest first, with their tags and the metrics that are
    their records' numbers: parameters and other metrics would be most of what is in memory.

    part: of the trials whose ids begin so.
    """
    condition = f"{tag.below(parent)} and {tag.TRIALS}"
    if part:
        condition += f" and tags.{tag.TRIAL_ID} LIKE '{part}%'"
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
