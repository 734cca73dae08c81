"""The MLflow in force: `MLFLOW_TRACKING_URI`, else MLflow's own default in this folder."""

import logging
import warnings

import mlflow
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from sqlalchemy.exc import SQLAlchemyError

from analysis.errors import one_line, without_passwords
from analysis.store import absent_database
from sweep.errors import InputError

AWAY = (MlflowException, SQLAlchemyError, OSError)  # what is raised where MLflow does not answer


def connect() -> MlflowClient:
    """A client of it; a database that is not there yet is made, so not by two at once.

    Raises:
        InputError: it does not answer.
    """
    for name in ("mlflow", "alembic"):  # which tell of every table they make
        logging.getLogger(name).setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message=".*noload.*")
    uri = mlflow.get_tracking_uri()
    try:
        client = MlflowClient(uri)
        client.search_experiments(max_results=1)
    except AWAY as error:
        raise InputError(
            f"--tracking-uri {without_passwords(uri)}: MLflow does not answer "
            f"({one_line(error)[:300]}); start it, or give another"
        ) from error
    return client


def connect_if_there() -> MlflowClient | None:
    """The same, but no database is made; None where there is none."""
    return None if absent_database(mlflow.get_tracking_uri()) else connect()
