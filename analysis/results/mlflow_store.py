"""What everyone asks of an MLflow store: all runs of a kind, and where an artifact lies."""

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from analysis.results.places import local_folder
from analysis.results.tags import below

PAGE = 500  # runs a request; larger ones are no faster and take more memory
RECORD = "record.npz"  # a trial's artifact


def all_runs(client: MlflowClient, experiment_ids: Sequence[str], condition: str) -> list[Run]:
    """Every run that meets MLflow's filter, newest first, however many there are."""
    return list(each_run(client, experiment_ids, condition))


def each_run(client: MlflowClient, experiment_ids: Sequence[str], condition: str) -> Iterator[Run]:
    """The same one after another: of those that are not kept, a page at a time is in memory."""
    token: str | None = None
    while True:
        with _no_collection():
            page = client.search_runs(
                list(experiment_ids),
                condition,
                max_results=PAGE,
                order_by=["attributes.start_time DESC"],
                page_token=token,
            )
        yield from page
        token = page.token
        if not token:
            return


@contextmanager
def _no_collection() -> Iterator[None]:
    """Python looks for garbage in vain while MLflow makes hundreds of objects a run: without, a
    search over 10,000 runs in SQLite takes 11 s in place of 36, and no more memory."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def running_children(client: MlflowClient, parent: Run) -> list[Run]:
    """The runs below a study's run that claim to be running."""
    condition = f"{below(parent)} and attributes.status = 'RUNNING'"
    return all_runs(client, [parent.info.experiment_id], condition)


def local_artifact(client: MlflowClient, run: Run, name: str) -> Path | None:
    """Where a run's artifact lies if artifacts are files of this machine; it need not be there."""
    folder = local_folder(client.tracking_uri, run.info.artifact_uri)
    return None if folder is None else folder / name
