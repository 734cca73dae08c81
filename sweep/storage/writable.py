"""What a launch writes, looked at before anything is run: databases that are files, and reports.

MLflow would try for two minutes to make a database where none can be made, and tell of a read-only
one in eighty lines; a report that cannot be written would be noticed at the end, after all of the
training. A storage folder is looked at where the launch takes its lock.
"""

import os
import re
from pathlib import Path
from urllib.parse import unquote

from analysis.process.home import writable
from sweep.errors import InputError

DEFAULT = "sqlite:///mlflow.db"  # MLflow's own
REPORTS = "reports"


def check_working_folder() -> None:
    """That MLflow's database, where it is a file, and reports can be written.

    Raises:
        InputError: they cannot.
    """
    uri = os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT
    check_database(uri, "MLflow's database", "--tracking-uri")
    reports = Path(REPORTS).absolute()
    there = next(at for at in (reports, *reports.parents) if at.exists())
    if not (there.is_dir() and writable(there)):
        raise InputError(
            f"{there}: cannot be written to, and reports are kept in {REPORTS}/; launch from a "
            "folder of your own"
        )


def check_database(url: str, whose: str, option: str) -> None:
    """That it can be written, where the URL names an SQLite file.

    Args:
        whose: for people, such as "MLflow's database".
        option: by which another can be given.

    Raises:
        InputError: it cannot.
    """
    match = re.match(r"sqlite(?:\+\w+)?:///([^?]+)", url)
    if match is None:
        return
    path = Path(unquote(match[1])).absolute()  # as SQLAlchemy reads it
    if not path.parent.is_dir():
        raise InputError(
            f"{option}: there is no folder {path.parent} for {whose} {path.name}; make it, or give "
            "another"
        )
    for at in (path, path.parent):  # beside it SQLite writes files of its own
        if at.exists() and not writable(at):
            raise InputError(
                f"{at}: cannot be written to, and {whose} {path.name} has to be; make it writable, "
                f"launch from a folder of your own, or give another {option}"
            )
