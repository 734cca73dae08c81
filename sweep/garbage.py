"""What of a storage folder is of no use any more. Looking only; see `sweep.clean`."""

import contextlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sweep.lock import LOCKS
from sweep.stored import objects
from trainables.objects import DAMAGED, UNFINISHED
from trainables.storage import CHECKPOINTS, RECORDS, WARMUPS, Storage

DAY = 86400.0  # seconds
LAUNCHERS = "launcher-*"
_SCRATCH = re.compile(r"ray-[a-z0-9_]{8}")  # as `sweep.running.scratch` names it


@dataclass(frozen=True)
class Garbage:
    """A file or folder that can go."""

    kind: str  # for people, in the plural
    path: Path
    size: int  # bytes


def is_storage(folder: Path) -> bool:
    """Whether a launch has used it: in any other folder nothing is ours."""
    return (folder / LOCKS).is_dir()


def leftovers(storage: Path, now: float) -> Iterator[Garbage]:
    """What no launch will read again, provided that none uses the storage now."""
    records = Storage(storage)
    for path in objects(storage, CHECKPOINTS):
        if records.is_whole(f"{RECORDS}/{path.name}"):
            yield _garbage("checkpoints of finished trials", path)
    for kind in (RECORDS, WARMUPS, CHECKPOINTS):
        for path in sorted((storage / kind).rglob(".*")):
            if path.name.startswith((UNFINISHED, DAMAGED)) and _age(path, now) > DAY:
                yield _garbage("half-written or damaged files", path)
    for path in sorted(storage.glob("ray-*")):
        if _is_scratch(path):
            yield _garbage("Ray's scratch folders of dead launches", path)
    # held by nobody, for whoever holds one uses the storage
    for path in sorted((storage / LOCKS).glob(LAUNCHERS)):
        yield _garbage("locks of dead launches", path)


def old_warmups(storage: Path, now: float, seconds: float) -> Iterator[Garbage]:
    """Warmed-up networks that no trial has made or started from for so long."""
    for path in objects(storage, WARMUPS):
        if _age(path, now) > seconds:
            yield _garbage("warmed-up networks", path)


def records(storage: Path, trial_ids: set[str]) -> Iterator[Garbage]:
    """The records of these trials."""
    for path in objects(storage, RECORDS):
        if path.name in trial_ids:
            yield _garbage("records", path)


def _is_scratch(path: Path) -> bool:
    """By its name and by what is in it: a user's own folder may be named so too."""
    named = _SCRATCH.fullmatch(path.name) and path.is_dir() and not path.is_symlink()
    return bool(named) and {inner.name for inner in path.iterdir()} <= {"tune"}


def _garbage(kind: str, path: Path) -> Garbage:
    inner = path.rglob("*") if path.is_dir() else [path]
    return Garbage(kind, path, sum(_size(file) for file in inner))


def _size(path: Path) -> int:
    with contextlib.suppress(OSError):
        found = os.lstat(path)
        return 0 if path.is_dir() else found.st_size
    return 0


def _age(path: Path, now: float) -> float:
    with contextlib.suppress(FileNotFoundError):
        return now - path.stat().st_mtime
    return 0.0
