"""What MLflow is told of a trial, as pure functions of its record, plan and data."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param
from mlflow.utils.validation import MAX_DATASET_NAME_SIZE, MAX_PARAM_VAL_LENGTH, MAX_TAG_VAL_LENGTH

from analysis.results.records import Record
from analysis.results.tags import COMMIT, DEVICE, NODE, WORKERS
from sweep.plan.fields import flat
from sweep.plan.plan import StudyPlan
from sweep.tracking.names import shortened
from trainables.config.trial import Trial
from trainables.data.examples import Source

_NO_METRIC = ("phase", "epoch", "step", "seconds")  # columns of the history


def curves(history: Iterable[Mapping[Any, Any]], start: int) -> list[Metric]:
    """Rows of a history by optimizer step; of several with one step the last counts.

    Args:
        start: of the trial's run, in milliseconds. A row's time stamp is its place in the trial's
            own seconds from there, so that publishing again gives the same.
    """
    rows: dict[tuple[str, int], Metric] = {}
    for row in history:
        step, when = int(row["step"]), start + round(float(row["seconds"]) * 1000)
        for name, value in row.items():
            if name not in _NO_METRIC and value == value:  # NaN: not measured
                rows[name, step] = Metric(name, float(value), when, step)
    return list(rows.values())


def metrics(record: Record, numbers: Mapping[str, float], start: int) -> list[Metric]:
    """The whole history, and at its last step the numbers and the costs.

    Args:
        numbers: what `summarise` gives of the record; where the history has such a number of the
            last step too, and another one, this counts.
        start: as of `curves`.
    """
    drawn = curves(record.history.to_dict("records"), start)
    rows = {(row.key, row.step): row for row in drawn}
    end, when = int(record.history["step"].iloc[-1]), milliseconds(record.finished_at)
    for name, value in numbers.items():
        measured = rows.get((name, end))
        at = when if measured is None else measured.timestamp
        rows[name, end] = Metric(name, value, at, end)
    costs = {f"seconds_{name}": seconds for name, seconds in record.seconds.items()}
    costs |= {f"examples_{name}": count for name, count in record.examples.items()}
    for name, cost in costs.items():
        rows[name, end] = Metric(name, float(cost), when, end)
    return list(rows.values())


def parameters(trial: Trial) -> list[Param]:
    return [
        Param(
            name,
            shortened(value if isinstance(value, str) else json.dumps(value), MAX_PARAM_VAL_LENGTH),
        )
        for name, value in flat(trial.model_dump(mode="json")).items()
    ]


def run_name(text: str) -> str:
    """A run's name, of which MLflow's table holds 250 characters."""
    return shortened(text, 250)


def study_note(plan: StudyPlan) -> str:
    """What MLflow shows at the head of a study's run, in Markdown."""
    lines = [
        f"**{plan.study.title}.** {plan.study.answers}",
        "",
        "The report is among the artifacts, `report/index.html`; the trials are the runs nested "
        "below.",
        "",
        *(f"- {sentence}" for sentence in plan.found_sentences),
    ]
    return shortened("\n".join(lines), MAX_TAG_VAL_LENGTH)


def version_tags(record: Record) -> dict[str, str]:
    """Device, node, workers, commit and versions that a number may depend on."""
    versions = {f"version.{name}": version for name, version in record.versions.items()}
    where = {DEVICE: record.device, WORKERS: str(record.workers)}
    where |= {NODE: record.node} if record.node else {}
    return where | {COMMIT: record.commit, **versions}


def data_sets(trial: Trial, sources: Mapping[str, Source]) -> list[DatasetInput]:
    """The trial's data sets as MLflow knows them: name, digest and sizes, no copy of the images."""
    data = trial.data
    used = [(data.loaded(data.source), "training")]
    if data.ood:
        used.append((data.loaded_ood(trial.facts.shape), "out-of-distribution"))
    return [
        DatasetInput(_data_set(sources[name]), [InputTag("mlflow.data.context", context)])
        for name, context in used
    ]


def _data_set(source: Source) -> Dataset:
    splits = {"train": source.train, "validation": source.validation, "test": source.test}
    sizes = {name: len(split) for name, split in splits.items() if split is not None}
    return Dataset(
        name=shortened(source.name, MAX_DATASET_NAME_SIZE),
        digest=source.digest[:16],
        source_type="code",
        source=json.dumps({"name": source.name}),
        schema=None,
        profile=json.dumps({"shape": source.shape, "classes": source.classes, **sizes}),
    )


def started_at(record: Record) -> float:
    """Seconds since 1970; of a trial that was interrupted, as if it had not been.

    Not before 1970, whatever the clock said: MLflow would refuse the record.
    """
    return max(0.0, record.finished_at - float(record.seconds.get("total", 0.0)))


def milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))  # MLflow takes 0 for no time at all
