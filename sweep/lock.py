"""One launch at a time where two would get in each other's way.

The operating system holds the lock and lets it go when the process ends, however it ends.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from sweep.errors import InputError


@contextmanager
def exclusive(storage: Path, name: str, wait: bool = False) -> Iterator[None]:
    """Hold the lock `name` of a storage folder.

    Raises:
        InputError: another process holds it, and we are not to wait.
    """
    with _lock_file(storage, name) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError as error:
            file.seek(0)
            raise InputError(
                f"study {name}: process {file.read().strip() or '?'} is running it with the "
                f"storage {storage}; wait for it, stop it, or give another --storage"
            ) from error
        try:
            file.truncate(0)
            os.write(file.fileno(), str(os.getpid()).encode())  # at once: a buffer would fail later
        except OSError as error:  # a full disk: no record could be written either
            raise _unusable(storage, error) from error
        yield


def _lock_file(storage: Path, name: str) -> IO[str]:
    try:
        (storage / "locks").mkdir(parents=True, exist_ok=True)
        return (storage / "locks" / name).open("a+")
    except OSError as error:
        raise _unusable(storage, error) from error


def _unusable(storage: Path, error: OSError) -> InputError:
    return InputError(
        f"--storage {storage}: cannot be used ({error.strerror}); give a folder to write to"
    )
