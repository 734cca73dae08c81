"""An older database made relative to its folder; artifacts that lie elsewhere are brought here."""

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from analysis.results.elsewhere import ADDRESSES, Address, addresses

BEFORE = "artifacts_before"  # tag of a run whose artifacts are nowhere: their old address


@dataclass(frozen=True)
class Settled:
    rows: int  # that hold a relative address now
    files: int  # copied
    missing: int  # runs whose artifacts are neither here nor where they were


def settle(database: Path, dry_run: bool = False) -> Settled:
    """Make every absolute address of MLflow's own form relative to the database's folder.

    Raises:
        sqlite3.Error: the database cannot be read or written.
        OSError: artifacts cannot be copied; the addresses are left as they are.
    """
    found, files = addresses(database), 0
    missing = []
    for address in found:
        if address.table == "experiments":  # their runs say what there is
            continue
        old, new = address.folder / address.place, database.parent / address.place
        files += _bring(old, new, dry_run)
        if address.table == "runs" and not (old.exists() or new.exists()):
            missing.append(address)
    if not dry_run:
        _write(database, found, missing)
    return Settled(len(found), files, len(missing))


def _bring(old: Path, new: Path, dry_run: bool) -> int:
    """Copy the files that only the old folder has; how many those are."""
    targets = {path: new / path.relative_to(old) for path in sorted(old.rglob("*"))}
    lacking = {p: target for p, target in targets.items() if p.is_file() and not target.exists()}
    for path, target in lacking.items():
        if not dry_run:
            _copy(path, target)
    return len(lacking)


def _copy(path: Path, target: Path) -> None:
    """Whole, or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".unfinished-", dir=target.parent) as folder:
        os.replace(shutil.copy2(path, folder), target)


def _write(database: Path, found: Sequence[Address], missing: Sequence[Address]) -> None:
    with closing(sqlite3.connect(database, timeout=30)) as connection, connection:
        for address in found:
            key, column = ADDRESSES[address.table]
            connection.execute(
                f"UPDATE {address.table} SET {column} = ? WHERE {key} = ? AND {column} = ?",
                (address.place.as_posix(), address.key, address.said),
            )
        connection.executemany(
            "INSERT OR IGNORE INTO tags (key, value, run_uuid) VALUES (?, ?, ?)",
            [(BEFORE, address.said, address.key) for address in missing],
        )
