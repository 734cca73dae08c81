"""One launch at a time where two would get in each other's way.

The operating system holds the lock and lets it go when the process ends, however it ends.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from sweep.errors import InputError

LOCKS = "locks"  # in the storage folder
LAUNCHER = "launcher-"  # begins the lock of one launcher of a search
IN_USE = ".in-use"  # shared by all launches; no study is named so
LOOK_SECONDS = 0.2  # for so long a lock may be held by one who only looks, see `holders`


@contextmanager
def exclusive(storage: Path, name: str, wait: bool = False) -> Iterator[None]:
    """Hold the lock `name` of a storage folder, or of the folder of a launch that stores elsewhere.

    Raises:
        InputError: another process holds it, and we are not to wait.
    """
    with _lock_file(storage, name) as file:
        if not _took(file, wait):
            file.seek(0)
            raise InputError(
                f"study {name}: process {file.read().strip() or '?'} is running it in "
                f"{storage}; wait for it, stop it, or give another --storage"
            )
        try:
            file.truncate(0)
            os.write(file.fileno(), str(os.getpid()).encode())  # at once: a buffer would fail later
        except OSError as error:  # a full disk: no record could be written either
            raise _unusable(storage, error) from error
        yield


@contextmanager
def using(storage: Path) -> Iterator[None]:
    """Nobody cleans the storage folder meanwhile; waits for one who does."""
    with _lock_file(storage, IN_USE) as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        yield


@contextmanager
def cleaning(storage: Path) -> Iterator[None]:
    """No launch uses the storage folder meanwhile.

    Raises:
        InputError: one does.
    """
    with _lock_file(storage, IN_USE) as file:
        free = _took_at_once(file, fcntl.LOCK_EX)
        held = ", ".join(f"{name} (process {pid})" for name, pid in holders(storage).items())
        if held or not free:
            by = f": {held}" if held else ""
            raise InputError(f"--storage {storage}: a launch uses it{by}; wait for it, or stop it")
        yield


def holders(storage: Path) -> dict[str, str]:
    """The locks that are held, and by which process; only looking."""
    held = {}
    for path in sorted((storage / LOCKS).glob("[!.]*")):
        with suppress(FileNotFoundError), path.open() as file:  # a launcher's goes when it ends
            if not _took_at_once(file, fcntl.LOCK_SH):
                held[path.name] = file.read().strip() or "?"
    return held


def _took_at_once(file: IO[str], kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _took(file: IO[str], wait: bool) -> bool:
    if wait:
        fcntl.flock(file, fcntl.LOCK_EX)
        return True
    patience = time.monotonic() + LOOK_SECONDS
    while not _took_at_once(file, fcntl.LOCK_EX):
        if time.monotonic() > patience:
            return False
        time.sleep(LOOK_SECONDS / 10)
    return True


def _lock_file(storage: Path, name: str) -> IO[str]:
    try:
        (storage / LOCKS).mkdir(parents=True, exist_ok=True)
        return (storage / LOCKS / name).open("a+")
    except OSError as error:
        raise _unusable(storage, error) from error


def _unusable(storage: Path, error: OSError) -> InputError:
    return InputError(
        f"--storage {storage}: cannot be used ({error.strerror}); give a folder to write to"
    )
