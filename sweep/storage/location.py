"""The storage that was asked for, and whether it can be used, before anything is run."""

import os
from pathlib import Path

from sweep.errors import InputError
from trainables.storage.storage import Storage, is_url

EXTRAS = {"s3": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "abfs": "adlfs", "az": "adlfs"}


def location_of(text: str) -> Path | str:
    """What a --storage names: a folder, or the URL of an object store.

    Raises:
        InputError: it holds a password.
    """
    if not is_url(text):
        return Path(os.path.expanduser(text)).absolute()  # a ~ without a home stays one
    kind, _, rest = text.partition("://")
    if "@" in rest:
        raise InputError(
            f"--storage {kind}://…@{rest.rpartition('@')[2]}: everyone on the machine can read a "
            "password there; give it by the environment, such as AWS_SECRET_ACCESS_KEY"
        )
    return Path("/" + rest.lstrip("/")) if kind in ("file", "local") else text


def launch_folder(location: Path | str) -> Path:
    """For what belongs to a launch and not to its trials: locks, Ray's files, a search's SQLite. It
    is the storage where that is a folder."""
    return Path(FOLDER).absolute() if isinstance(location, str) else location


def open_storage(location: Path | str) -> Storage:
    """
    Raises:
        InputError: it is a file, there is no such kind of store, or its package is not installed.
    """
    if isinstance(location, Path) and any(map(_is_no_folder, (location, *location.parents))):
        raise InputError(
            f"--storage {location}: cannot be used (Not a directory); give a folder to write to"
        )
    try:
        return Storage(location)
    except ImportError as error:
        package = EXTRAS.get(str(location).split(":")[0], "the package it names")
        raise InputError(f"--storage {location}: {_short(error)}; pip install {package}") from error
    except Exception as error:  # each kind of store has its own for an URL it cannot read
        raise InputError(
            f"--storage {location}: {_short(error)}; give a folder, or such as s3://BUCKET/PREFIX"
        ) from error


def check_writable(location: Path | str) -> None:
    """Of an object store; a folder is looked at when the launch takes its lock there.

    Raises:
        InputError: it does not answer, or nothing can be written there.
    """
    if isinstance(location, Path):
        return
    storage = open_storage(location)
    try:
        storage.put("writable", b"")
        storage.delete("writable")
    except OSError as error:
        raise InputError(
            f"--storage {location}: cannot be used ({_short(error)}); is the bucket there, and "
            "are the credentials in the environment?"
        ) from error


def _is_no_folder(path: Path) -> bool:
    return os.path.exists(path) and not os.path.isdir(path)  # of what may not be looked at: no


def _short(error: Exception) -> str:
    return (" ".join(str(error).split()) or type(error).__name__)[:300]


FOLDER = "sweep_storage"  # in the working directory
