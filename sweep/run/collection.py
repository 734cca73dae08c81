"""Studies run in turn, and one index page of all their exhibits.

They share what they have in common without being told: a trial that one has run is adopted by the
next, and a warm-up that is stored is taken from there.
"""

import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from mlflow.entities import RunTag
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NOTE, MLFLOW_SOURCE_NAME
from rich.console import Console

from analysis.errors import one_line
from analysis.rendering.index import write_index
from analysis.results.mlflow_store import all_runs
from analysis.results.places import artifact_store
from analysis.results.tags import COMMIT, KIND, SCALE
from sweep.errors import InputError
from sweep.options import Options, Outcome
from sweep.plan.study import Collection, Study, load_study
from sweep.tracking.addresses import of_artifact
from sweep.tracking.client import AWAY, connect
from sweep.tracking.commit import code_commit
from sweep.tracking.experiments import experiment_of
from trainables.errors import DataError

Check = Callable[[Study, Options], None]  # raises where the study cannot be planned
Launch = Callable[[Study, Options, Console], Outcome]


def run_collection(
    collection: Collection, options: Options, console: Console, check: Check, launch: Launch
) -> int:
    """Every study in turn, to the end whatever becomes of one; 1 where one was not all well.

    Raises:
        InputError, DataError: of any of the studies, before anything runs.
    """
    studies = [load_study(name) for name in collection.collects]
    asked = [replace(options, study=name) for name in collection.collects]
    for study, with_options in zip(studies, asked, strict=True):
        check(study, with_options)
    outcomes = []
    for place, (study, with_options) in enumerate(zip(studies, asked, strict=True), start=1):
        console.rule(f"{study.name}, {place} of {len(studies)}")
        outcomes.append(_launched(study, with_options, console, launch))
    reports = [outcome.page.parent for outcome in outcomes if outcome.page]
    if reports:
        scale = options.scale or studies[0].scale(None)[0]
        folder = Path("reports", collection.name, scale)
        page = write_index(collection.title, collection.answers, reports, folder)
        console.print(f"\nIndex of {len(reports)} reports: {page}")
        _publish(collection, scale, folder, console)
    return int(any(outcome.code for outcome in outcomes))


def _launched(study: Study, options: Options, console: Console, launch: Launch) -> Outcome:
    """The outcome of one; whatever ends it but an interruption is told, and is no end of all."""
    try:
        return launch(study, options, console)
    except (InputError, DataError) as error:
        console.print(f"{study.name}: {one_line(error)}", soft_wrap=True)
    except Exception:
        console.print(f"{study.name}: {traceback.format_exc()}", soft_wrap=True)
    return Outcome(1, None)


def _publish(collection: Collection, scale: str, folder: Path, console: Console) -> None:
    """The index and its reports, as artifacts of a run of the collection's own."""
    try:
        client = connect()
        experiment = experiment_of(client, collection.name).experiment_id
        before = all_runs(client, [experiment], f"tags.{SCALE} = '{scale}'")
        tags = {
            MLFLOW_SOURCE_NAME: "sweep.launch",
            MLFLOW_RUN_NOTE: f"**{collection.title}.** {collection.answers}\n\n"
            "The index is among the artifacts, `index.html`.",
            KIND: "collection",
            SCALE: scale,
            COMMIT: code_commit(),
        }
        run = before[0] if before else client.create_run(experiment, tags=tags, run_name=scale)
        client.log_batch(run.info.run_id, tags=[RunTag(*tag) for tag in tags.items()])
        store = artifact_store(client.tracking_uri, run.info.artifact_uri)
        store.log_artifacts(str(folder))  # type: ignore[no-untyped-call]
        client.set_terminated(run.info.run_id, "FINISHED")
        there = of_artifact(client, experiment, run.info.run_id, "index.html")
        if there:
            console.print(f"Index in MLflow: {there}", soft_wrap=True)
    except (InputError, *AWAY) as error:
        console.print(f"the index is not in MLflow: {one_line(error)}", soft_wrap=True)
