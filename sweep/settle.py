"""Make a copied or moved project this folder's own: `python -m sweep.settle`.

The database in the working directory is told to look for its artifacts beside it, relative to the
folder, wherever that is copied or moved to afterwards. Artifacts that lie only where the project
comes from are copied from there, where nothing is changed. Nothing is removed, and a second time
there is nothing to do.
"""

import sqlite3
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sweep.cli.arguments import Parser
from sweep.cli.main import run_command
from sweep.errors import InputError
from sweep.tracking.settled import BEFORE, settle

if TYPE_CHECKING:  # slow to import, and --help needs none of it
    from argparse import Namespace


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


def main(arguments: Sequence[str] | None = None) -> int:
    return run_command("settle", lambda: _settle(_parser().parse_args(arguments)))


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
