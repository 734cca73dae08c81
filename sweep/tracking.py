"""The MLflow in force: `MLFLOW_TRACKING_URI`, else MLflow's own default in this folder."""

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlparse

import mlflow
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from sqlalchemy.exc import SQLAlchemyError

from analysis.errors import one_line
from analysis.store import absent_database
from sweep.errors import InputError
from sweep.tracking_address import check_address, no_answer
from trainables.errors import StorageError

AWAY = (MlflowException, SQLAlchemyError, OSError)  # what is raised where MLflow does not answer


class ArtifactsError(OSError):
    """The store that MLflow's artifacts are written to, past MLflow, does not take them."""


def who_is_away(error: Exception) -> str:
    """For a person: what it is, of the things in `AWAY`, that does not answer."""
    if isinstance(error, StorageError):
        return "the storage"
    return "the store of MLflow's artifacts" if isinstance(error, ArtifactsError) else "MLflow"


@contextmanager
def naming_artifacts(place: str) -> Iterator[None]:
    """Each kind of store has errors of its own; what goes through MLflow's server has MLflow's."""
    try:
        yield
    except Exception as error:
        if urlparse(place).scheme in ("mlflow-artifacts", "http", "https"):
            raise
        raise ArtifactsError(f"{place}: {one_line(error)}") from error


def connect() -> MlflowClient:
    """A client of it; a database that is not there yet is made, so not by two at once.

    Raises:
        InputError: it does not answer.
    """
    for name in ("mlflow", "alembic"):  # which tell of every table they make
        logging.getLogger(name).setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message=".*noload.*")
    # a line about every run that ends, for which the server is asked again
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    uri = mlflow.get_tracking_uri()
    check_address(uri)
    try:
        client = MlflowClient(uri)
        client.search_experiments(max_results=1)
    except (*AWAY, ImportError) as error:  # a database's driver may not be installed
        raise InputError(no_answer(uri, error)) from error
    return client


def connect_if_there() -> MlflowClient | None:
    """The same, but no database is made; None where there is none."""
    return None if absent_database(mlflow.get_tracking_uri()) else connect()
