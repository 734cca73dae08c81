"""A study's MLflow experiment: found or made, and whether its artifacts can be written here."""

import shlex
import tempfile
from pathlib import Path

from mlflow.entities import Experiment, LifecycleStage
from mlflow.tracking import MlflowClient

from analysis.errors import without_passwords
from analysis.results.places import local_folder
from sweep.errors import InputError
from sweep.tracking.public import opened_at


def experiment_of(client: MlflowClient, name: str) -> Experiment:
    """The experiment of that name, made where there is none, whose artifacts can be written.

    Raises:
        InputError: it was deleted, or its artifacts lie where this machine cannot write.
    """
    found = client.get_experiment_by_name(name)
    if found is None:
        found = client.get_experiment(client.create_experiment(name))
    refuse_deleted(client, found)
    reason = _unwritable(client, found)
    if reason:
        rename = _command(
            client, f"rename --experiment-id {found.experiment_id} --new-name {name}-elsewhere"
        )
        raise InputError(
            f"{name}: its MLflow experiment keeps artifacts in {found.artifact_location}, "
            f"{reason}; launch where that can be written, or start the server with "
            f"--artifacts-destination and --serve-artifacts, which takes them itself, and give the "
            f"name to a new experiment: `{rename}`"
        )
    return found


def refuse_deleted(client: MlflowClient, experiment: Experiment | None) -> None:
    """
    Raises:
        InputError: it is there, and was deleted.
    """
    if experiment is not None and experiment.lifecycle_stage == LifecycleStage.DELETED:
        restore = _command(client, f"restore --experiment-id {experiment.experiment_id}")
        raise InputError(
            f"{experiment.name}: its MLflow experiment was deleted, and keeps the name until it is "
            f"gone for good; `{restore}` brings it back with its runs"
        )


def _unwritable(client: MlflowClient, experiment: Experiment) -> str:
    """Why nothing can be written there from this machine, "" where it can or nobody can tell."""
    address = experiment.artifact_location
    folder = local_folder(client.tracking_uri, address)
    if folder is None:
        relative = ":" not in address
        return "in the folder of the server's database, which is not known here" if relative else ""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return ""
    except OSError as error:
        return f"which cannot be written here ({error.strerror})"


def _command(client: MlflowClient, words: str) -> str:
    """Of MLflow's own, for the MLflow in force."""
    uri = client.tracking_uri
    where = ""
    if uri != f"sqlite:///{Path.cwd()}/mlflow.db":  # which that takes itself
        address = opened_at(uri) if uri.startswith("http") else without_passwords(uri)
        where = f"MLFLOW_TRACKING_URI={shlex.quote(address)} "
    return f"{where}mlflow experiments {words}"
