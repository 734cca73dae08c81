"""The MLflow in force: `MLFLOW_TRACKING_URI`, else MLflow's own default in this folder."""

import logging
import os
import warnings
from pathlib import Path

from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from sqlalchemy.exc import SQLAlchemyError

from analysis.errors import one_line
from analysis.results.elsewhere import refusal
from analysis.results.places import (
    ARTIFACTS,
    ArtifactsError,
    absent_database,
    artifact_root,
    tracking_uri,
)
from sweep.errors import InputError
from sweep.storage.locks import exclusive
from sweep.tracking.address import check_address, no_answer
from sweep.tracking.public import check_public_url
from sweep.tracking.settled import settle
from trainables.errors import StorageError

AWAY = (MlflowException, SQLAlchemyError, OSError)  # what is raised where MLflow does not answer


def who_is_away(error: Exception) -> str:
    """For a person: what it is, of the things in `AWAY`, that does not answer."""
    if isinstance(error, StorageError):
        return "the storage"
    return "the store of MLflow's artifacts" if isinstance(error, ArtifactsError) else "MLflow"


def what_to_do(error: Exception) -> str:
    """What one of `AWAY` says, and the remedy, in one line."""
    said = one_line(error)
    if isinstance(error, ArtifactsError):
        return f"{said}; see that this machine may read and write there, and give the same command"
    return f"{said}; the same command goes on when {who_is_away(error)} answers"


def connect() -> MlflowClient:
    """A client of it; a database that is not there yet is made, so not by two at once.

    Raises:
        InputError: it does not answer, or it comes from another folder, or what is to be printed of
            it is no address.
    """
    for name in ("mlflow", "alembic"):  # which tell of every table they make
        logging.getLogger(name).setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message=".*noload.*")
    # a line about every run that ends, for which the server is asked again
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    uri = tracking_uri()
    check_address(uri)
    check_public_url()
    absent, elsewhere = absent_database(uri), refusal(uri)
    if elsewhere:
        raise InputError(elsewhere)
    try:
        client = MlflowClient(uri)
        client.search_experiments(max_results=1)
    except (*AWAY, ImportError) as error:  # a database's driver may not be installed
        raise InputError(no_answer(uri, error)) from error
    root = artifact_root(uri)
    if root is not None:
        # MLflow makes an absolute path of what it is given by any other way
        client._tracking_client.store.artifact_root_uri = root
    if absent and root == ARTIFACTS:
        settle(absent)  # the experiment that MLflow makes with the database
    return client


def connect_if_there() -> MlflowClient | None:
    """The same, but no database is made; None where there is none."""
    return None if absent_database(tracking_uri()) else connect()


def connect_alone(folder: Path) -> MlflowClient:
    """A client of MLflow. Of several launches one makes the database: two would break it.

    Raises:
        InputError: MLflow does not answer.
    """
    with exclusive(folder, "mlflow", wait=True):
        return connect()
