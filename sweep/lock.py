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
def exclusive(folder: Path, name: str, wait: bool = False) -> Iterator[None]:
    """Hold the lock `name` of a launch's folder.

    Raises:
        InputError: another process holds it, and we are not to wait.
    """
    with _lock_file(folder, name) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError as error:
            file.seek(0)
            raise InputError(
                f"study {name}: process {file.read().strip() or '?'} is running it in "
                f"{folder}; wait for it, stop it, or give another --storage"
            ) from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def _lock_file(folder: Path, name: str) -> IO[str]:
    try:
        (folder / "locks").mkdir(parents=True, exist_ok=True)
        return (folder / "locks" / name).open("a+")
    except OSError as error:
        raise InputError(
            f"--storage {folder}: cannot be used ({error.strerror}); give a folder to write to"
        ) from error
