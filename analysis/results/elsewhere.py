"""Artifacts that a database looks for outside its folder, for the folder was copied or moved.

MLflow writes into its database where each experiment and run keeps its artifacts, as an absolute
path. In a copy that is the original's folder: reading there shows what the original has become, and
writing there changes it. An artifact root that somebody chose is no such address: MLflow's own has
the form `<folder>/mlruns/<experiment's id>`.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from mlflow.utils.file_utils import local_file_uri_to_path

from analysis.results.places import ARTIFACTS, database_file, is_here, same_folder

# table → (its key, its column with an address)
ADDRESSES = {
    "experiments": ("experiment_id", "artifact_location"),
    "runs": ("run_uuid", "artifact_uri"),
    "logged_models": ("model_id", "artifact_location"),
}
_DEFAULT = "0"  # the experiment that MLflow makes with every database


@dataclass(frozen=True)
class Address:
    """An absolute address of MLflow's own form, in a row of a database."""

    table: str
    key: str  # of the row
    said: str  # the address itself
    folder: Path  # that the database was in when the row was written
    place: Path  # of the artifacts, relative to that folder


def addresses(database: Path) -> list[Address]:
    """All of them, those in the database's own folder too.

    Raises:
        sqlite3.Error: the file cannot be read, or is no database.
    """
    uri = f"file:{quote(os.fspath(database))}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True, timeout=30)) as connection:
        return [found for table in ADDRESSES for found in _of_table(connection, table)]


def outside(database: Path) -> list[Address]:
    """Those outside the folder of the database; no experiment that MLflow made and nobody used."""
    found, here = [], {}
    every = addresses(database)
    used = any(a.table == "runs" and a.place.parts[1] == _DEFAULT for a in every)
    for address in every:
        if address.folder not in here:
            here[address.folder] = same_folder(address.folder, database.parent)
        unused = address.table == "experiments" and address.key == _DEFAULT and not used
        if not (here[address.folder] or unused):
            found.append(address)
    return found


def refusal(uri: str) -> str | None:
    """Why the MLflow at `uri`, a database in the working directory, cannot be used as it is."""
    database = database_file(uri)
    if database is None or not is_here(uri) or not database.is_file():
        return None
    found: list[Address] = []
    with suppress(sqlite3.Error):  # MLflow tells of a database that it cannot read
        found = outside(database)
    if not found:
        return None
    folders = sorted({str(address.folder) for address in found})
    runs = sum(address.table == "runs" for address in found)
    return (
        f"{database}: comes from another folder: artifacts of {runs} runs are addressed in "
        f"{', '.join(folders)}; python -m sweep.settle makes them this folder's own"
    )


def _of_table(connection: sqlite3.Connection, table: str) -> Iterator[Address]:
    key, column = ADDRESSES[table]
    there = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"
    if connection.execute(there, (table,)).fetchone() is None:  # of an older MLflow
        return
    rows = connection.execute(
        f"SELECT {key}, experiment_id, {column} FROM {table} "
        f"WHERE {column} LIKE '/%' OR {column} LIKE 'file:%'"
    )
    for own, experiment, said in rows:
        parts = Path(local_file_uri_to_path(said)).parts  # type: ignore[no-untyped-call]
        root = (ARTIFACTS, str(experiment))
        at = [i for i in range(1, len(parts) - 1) if parts[i : i + 2] == root]
        if at:
            place = Path(*parts[at[-1] :])
            yield Address(table, str(own), said, Path(*parts[: at[-1]]), place)
