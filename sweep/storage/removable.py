"""What of a storage is of no use any more. Looking only; see `sweep.clean`."""

import contextlib
import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sweep.storage.contents import objects
from sweep.storage.locks import LAUNCHER, LOCKS
from trainables.storage.backends import DAMAGED, UNFINISHED, Listed
from trainables.storage.storage import CHECKPOINTS, RECORDS, WARMUPS, Storage

DAY = 86400.0  # seconds
_SCRATCH = re.compile(r"ray-[a-z0-9_]{8}")  # as `sweep.backend.tuner.scratch` names it


@dataclass(frozen=True)
class Removable:
    kind: str  # for people, in the plural
    place: str  # for people too
    size: int  # bytes
    remove: Callable[[], None]


def is_storage(storage: Storage) -> bool:
    """Whether a launch has used it: anywhere else nothing is ours."""
    if isinstance(storage.root, Path):
        return (storage.root / LOCKS).is_dir()
    return any(storage.listed(kind) for kind in (RECORDS, WARMUPS, CHECKPOINTS))


def leftovers(storage: Storage, folder: Path, now: float) -> Iterator[Removable]:
    """What no launch will read again, provided that none uses the storage now.

    folder: what launches keep for themselves, see `launch_folder`.
    """
    for kind in (CHECKPOINTS, RECORDS, WARMUPS):
        for listed in storage.listed(kind):
            if listed.last.startswith((UNFINISHED, DAMAGED)):
                if now - listed.modified > DAY:
                    yield _stored("half-written or damaged files", storage, listed)
            elif kind == CHECKPOINTS and storage.is_whole(f"{RECORDS}/{listed.last}"):
                yield _stored("checkpoints of finished trials", storage, listed)
    for path in sorted(folder.glob("ray-*")):
        if _is_scratch(path):
            size = sum(_size(file) for file in path.rglob("*"))
            remove = partial(shutil.rmtree, path)
            yield Removable("Ray's scratch folders of dead launches", str(path), size, remove)
    # held by nobody, for whoever holds one uses the storage
    for path in sorted((folder / LOCKS).glob(f"{LAUNCHER}*")):
        remove = partial(path.unlink, missing_ok=True)
        yield Removable("locks of dead launches", str(path), _size(path), remove)


def old_warmups(storage: Storage, now: float, seconds: float) -> Iterator[Removable]:
    """Warmed-up networks that no trial has made or started from for so long; in an object store,
    which keeps no account of use, made so long ago."""
    for listed in objects(storage, WARMUPS):
        if now - listed.modified > seconds:
            yield _stored("warmed-up networks", storage, listed)


def records(storage: Storage, trial_ids: set[str]) -> Iterator[Removable]:
    for listed in objects(storage, RECORDS):
        if listed.last in trial_ids:
            yield _stored("records", storage, listed)


def _stored(kind: str, storage: Storage, listed: Listed) -> Removable:
    place = f"{storage.root}/{listed.name}"
    return Removable(kind, place, listed.size, partial(storage.discard, listed))


def _is_scratch(path: Path) -> bool:
    """By its name and by what is in it: a user's own folder may be named so too."""
    named = _SCRATCH.fullmatch(path.name) and path.is_dir() and not path.is_symlink()
    return bool(named) and {inner.name for inner in path.iterdir()} <= {"tune"}


def _size(path: Path) -> int:
    with contextlib.suppress(OSError):
        found = os.lstat(path)
        return 0 if path.is_dir() else found.st_size
    return 0
