"""Tags of MLflow's runs: what a launch writes, and what reports and the next launch ask for.

A run of the kind `study` is a study at one scale on one data set. The runs of its trials lie below
it.
"""

from collections.abc import Iterable

from mlflow.entities import Run
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

KIND, COMMIT = "kind", "commit"
STUDY, SCALE, DATA = "study", "scale", "data"
LAUNCHED_AT = "launched_at"  # the last launch, as `2026-01-31 12:00:00 UTC`
ENDED_BY = "ended_by"  # what ended it, where that is no trial's failure; else empty
# of a study whose pairs are added in looks, see `analysis.statistics.study_looks`
LOOKS, LOOK = "looks", "look."  # the design; what a look has found, with its number from 1
BUDGET = "looks_budget"  # in words, that has ended the last launch; else empty

# of a trial
TRIAL_ID, ARM, PAIR = "trial_id", "arm", "pair"
CONDITION, CELL, REPLICATE = "condition", "cell", "replicate"
OUTCOME, ERROR = "outcome", "error"
DEVICE, NODE, WORKERS = "device", "node", "workers"
RECORD_DIGEST = "record_sha256"  # of its record, in hexadecimal digits
SUMMARY = "summary"  # which metrics are its record's summary, see `analysis.results.published`
ADOPTED_FROM_RUN, ADOPTED_FROM_STUDY = "adopted_from_run", "adopted_from_study"

# filters of MLflow's
STUDIES = f"tags.{KIND} = 'study'"
TRIALS = f"tags.{KIND} = 'trial'"


def below(parent: Run) -> str:
    """The filter for the runs below a study's run."""
    return f"tags.{MLFLOW_PARENT_RUN_ID} = '{parent.info.run_id}'"


def launched_so(runs: Iterable[Run], scale: str | None, data: str | None) -> list[Run]:
    """The studies' runs of a scale and a data set; None: of any."""
    wanted = {SCALE: scale, DATA: data}
    return [
        run
        for run in runs
        if all(value in (None, run.data.tags.get(tag)) for tag, value in wanted.items())
    ]
