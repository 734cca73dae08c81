"""Where MLflow's database and artifacts lie, so that what lies in a folder belongs to that folder.

Artifacts are addressed relative to the folder of a database that is a file in the working
directory: it can be copied, moved or called whatever a folder can be called, and its MLflow is its
own. MLflow's own default is an absolute path, which it does not read as it writes it.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlparse

import mlflow
from mlflow.store.artifact.artifact_repo import ArtifactRepository
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.store.tracking import DEFAULT_TRACKING_URI
from mlflow.utils.file_utils import local_file_uri_to_path
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from analysis.errors import one_line

ARTIFACTS = "mlruns"  # the folder that MLflow keeps artifacts in, by an experiment's id


class ArtifactsError(OSError):
    """The store that MLflow's artifacts lie in, past MLflow, does not take or give them."""


def tracking_uri() -> str:
    """Of the MLflow in force; of its own default the relative form, where no other reaches it."""
    uri = mlflow.get_tracking_uri()
    asked_for = mlflow.is_tracking_uri_set()  # type: ignore[no-untyped-call]
    as_it_is = f"sqlite:///{Path.cwd()}/mlflow.db"
    # MLflow writes a space or an é of the folder as a code, and makes a folder of that name
    spelt = not asked_for and uri.startswith("sqlite:") and uri != as_it_is
    return DEFAULT_TRACKING_URI if spelt else uri


def is_here(uri: str) -> bool:
    """Whether the database of the MLflow at `uri` is a file in the working directory."""
    file = database_file(uri)
    return file is not None and same_folder(file.parent, Path())


@lru_cache
def database_file(uri: str) -> Path | None:
    """The SQLite file that a tracking URI names; None for a server or another database."""
    if not uri.startswith("sqlite"):
        return None
    try:
        name = make_url(uri).database
    except ArgumentError:
        return None
    return None if not name or name.startswith((":", "file:")) else Path(name)


def absent_database(uri: str) -> Path | None:
    """The SQLite file that the URI names, where there is none yet: MLflow would make it."""
    file = database_file(uri)
    return file.absolute() if file is not None and not file.is_file() else None


def artifact_root(uri: str) -> str | None:
    """Where new experiments of this MLflow keep artifacts; None where a server says it.

    Beside a database that is a file, else in the working directory, as MLflow has it too.
    """
    if uri.startswith("http"):
        return None
    if is_here(uri):
        return ARTIFACTS
    file = database_file(uri)
    folder = (Path() if file is None else file.parent).absolute() / ARTIFACTS
    # MLflow reads a percent sign of a plain path as the beginning of a code
    return folder.as_uri() if "%" in str(folder) else str(folder)


def local_folder(uri: str, address: str) -> Path | None:
    """The folder of this machine that an artifact address of the MLflow at `uri` names.

    None where artifacts lie elsewhere, or where a server alone knows what it is relative to.
    """
    if urlparse(address).scheme not in ("", "file"):
        return None
    folder = Path(local_file_uri_to_path(address))  # type: ignore[no-untyped-call]
    if folder.is_absolute():
        return folder
    file = database_file(uri)
    return None if file is None else file.parent / folder


def artifact_store(uri: str, address: str) -> ArtifactRepository:
    """What writes and reads the artifacts at an address of the MLflow at `uri`.

    Raises:
        ArtifactsError: they lie in a folder that only the server knows.
    """
    folder = local_folder(uri, address)
    if folder is not None:
        place = str(folder) if "%" not in str(folder) else folder.absolute().as_uri()
        return get_artifact_repository(place, tracking_uri=uri)
    if not urlparse(address).scheme:
        raise ArtifactsError(
            f"{address}: lies in the folder of the server's database; give no --tracking-uri or "
            "MLFLOW_TRACKING_URI, and launch in that folder"
        )
    return get_artifact_repository(address, tracking_uri=uri)


@contextmanager
def naming_artifacts(place: str) -> Iterator[None]:
    """Each kind of store has errors of its own; what goes through MLflow's server has MLflow's."""
    try:
        yield
    except Exception as error:
        if urlparse(place).scheme in ("mlflow-artifacts", "http", "https"):
            raise
        raise ArtifactsError(f"{place}: {one_line(error)}") from error


def same_folder(one: Path, other: Path) -> bool:
    """Whether both name one folder, by whatever way, which is there."""
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False
