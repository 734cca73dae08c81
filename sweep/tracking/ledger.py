"""The ledger of finished trials: what MLflow holds of a plan. Reading only.

A trial counts as done when a run under this plan's parent (study, scale, data) is FINISHED, says so
in its tags, and still has its record, not cut off. One that another parent holds need not be run:
it is adopted. A run whose publication was cut short is completed, not doubled.
"""

import zipfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mlflow.entities import Run
from mlflow.tracking import MlflowClient
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from analysis.results.download import artifact_bytes
from analysis.results.mlflow_store import RECORD, all_runs, local_artifact
from analysis.results.tags import OUTCOME, STUDIES, TRIAL_ID, TRIALS, below, launched_so

if TYPE_CHECKING:  # it imports PyTorch, which reading MLflow needs not
    from sweep.plan.plan import StudyPlan

DONE = ("finished", "diverged")  # outcomes that leave a record


@dataclass(frozen=True)
class Ledger:
    """Where MLflow stands; trial id → run."""

    parent: Run | None = None
    done: dict[str, Run] = field(default_factory=dict)  # under this parent
    cut_short: dict[str, Run] = field(default_factory=dict)  # likewise, half published
    elsewhere: dict[str, Run] = field(default_factory=dict)  # done under another parent
    stale: tuple[Run, ...] = ()  # what a dead launch of this parent left RUNNING


def read_ledger(client: MlflowClient, plan: "StudyPlan") -> Ledger:
    parent = study_run(client, plan)
    children: list[Run] = []
    if parent is not None:
        children = all_runs(client, [parent.info.experiment_id], below(parent))
    done, cut_short, stale = _sorted(client, children)
    missing = {planned.trial_id for planned in plan.trials} - done.keys()
    elsewhere = _elsewhere(client, missing, parent) if missing else {}
    return Ledger(parent, done, cut_short, elsewhere, tuple(stale))


def record_bytes(client: MlflowClient, run: Run) -> bytes:
    """The record that a run was published with, read where it lies or downloaded."""
    return artifact_bytes(client, run, RECORD)


def study_run(client: MlflowClient, plan: "StudyPlan") -> Run | None:
    """The run that holds this study's trials at this scale on these data; the oldest of several."""
    experiment = client.get_experiment_by_name(plan.study.name)
    if experiment is None:
        return None
    studies = all_runs(client, [experiment.experiment_id], STUDIES)
    parents = launched_so(studies, plan.scale, plan.base.data.source)
    return parents[-1] if parents else None


def _sorted(
    client: MlflowClient, children: Iterable[Run]
) -> tuple[dict[str, Run], dict[str, Run], list[Run]]:
    """(done, cut short, stale); `children` are the newest first, and the oldest done one counts."""
    done, cut_short, stale = {}, {}, []
    for run in children:
        trial_id = run.data.tags.get(TRIAL_ID, "")
        if is_done(client, run):
            done[trial_id] = run
        elif run.info.status != "FAILED":
            cut_short[trial_id] = run
        if run.info.status == "RUNNING":
            stale.append(run)
    return done, {t: run for t, run in cut_short.items() if t not in done}, stale


def is_done(client: MlflowClient, run: Run) -> bool:
    """Whether a trial's run is complete, with its record where that can be seen."""
    if run.info.status != "FINISHED" or run.data.tags.get(OUTCOME) not in DONE:
        return False
    record = local_artifact(client, run, RECORD)
    return record is None or zipfile.is_zipfile(record)  # an archive that is cut off has no end


def _elsewhere(client: MlflowClient, wanted: set[str], parent: Run | None) -> dict[str, Run]:
    """Runs under other parents, of any study."""
    experiments = [e.experiment_id for e in client.search_experiments()]
    found = {}
    for run in all_runs(client, experiments, f"{TRIALS} and attributes.status = 'FINISHED'"):
        tags = run.data.tags
        ours = parent is not None and tags.get(MLFLOW_PARENT_RUN_ID) == parent.info.run_id
        if not ours and tags.get(TRIAL_ID) in wanted and is_done(client, run):
            found[tags[TRIAL_ID]] = run
    return found
