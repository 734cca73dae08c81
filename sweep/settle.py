"""Make a copied or moved project this folder's own: `python -m sweep.settle`.

The database in the working directory is told to look for its artifacts beside it, relative to the
folder, wherever that is copied or moved to afterwards. Artifacts that lie only where the project
comes from are copied from there, where nothing is changed. Nothing is removed, and a second time
there is nothing to do.
"""

import os
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sweep.cli.arguments import Parser
from sweep.cli.main import run_command
from sweep.errors import InputError

if TYPE_CHECKING:  # slow to import, and --help needs none of it
    from argparse import Namespace

    from analysis.results.elsewhere import Address

DESCRIPTION = """\
Make a copied or moved project this folder's own: the MLflow database here then looks for its
artifacts beside it, in mlruns, and not in the folder that it was made in. What lies only there is
copied from there; nothing is removed, and nothing is changed there.

  python -m sweep.settle --dry-run
      what would be done
  python -m sweep.settle
      do it; also in a project that is to be copied or moved"""

EPILOG = "exit codes: 0 done, 2 there is no database here, or it cannot be written, 130 interrupted"

DATABASE = Path("mlflow.db")
BEFORE = "artifacts_before"  # tag of a run whose artifacts are nowhere: their old address


@dataclass(frozen=True)
class Settled:
    """What was done, or would be."""

    rows: int  # that hold a relative address now
    files: int  # copied
    missing: int  # runs whose artifacts are neither here nor where they were


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; its exit code."""
    said = "interrupted; the same command goes on from here"
    return run_command("settle", lambda: _settle(_parser().parse_args(arguments)), said)


def settle(database: Path, dry_run: bool = False) -> Settled:
    """Make every absolute address of MLflow's own form relative to the database's folder.

    Raises:
        sqlite3.Error: the database cannot be read or written.
        OSError: artifacts cannot be copied; the addresses are left as they are.
    """
    from analysis.results.elsewhere import addresses

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


def _write(database: Path, found: "Sequence[Address]", missing: "Sequence[Address]") -> None:
    from analysis.results.elsewhere import ADDRESSES

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


def _settle(asked: "Namespace") -> int:
    if not DATABASE.is_file():
        raise InputError(f"no MLflow database {DATABASE.absolute()}; go to the project's folder")
    try:
        done = settle(DATABASE, asked.dry_run)
    except (sqlite3.Error, OSError) as error:
        raise InputError(
            f"{DATABASE.absolute()}: {error}; it is as it was, and the same command tries again"
        ) from error
    would = "would be " if asked.dry_run else ""
    print(
        f"{done.rows} addresses {would}made relative to this folder, "
        f"{done.files} files {would}copied into it"
    )
    if done.missing:
        print(
            f"{done.missing} runs have no artifacts, here or where they were; their old address "
            f"{'would be' if asked.dry_run else 'is'} in the tag {BEFORE}"
        )
    return 0


def _parser() -> Parser:
    parser = Parser("python -m sweep.settle", DESCRIPTION, EPILOG)
    parser.add_argument("--dry-run", action="store_true", help="say what would be done")
    return parser


if __name__ == "__main__":
    sys.exit(main())
