"""What lies in a storage, by its names alone: fast, and without PyTorch."""

from collections.abc import Iterator

from trainables.storage.backends import Listed
from trainables.storage.storage import CHECKPOINTS, RECORDS, Storage


def objects(storage: Storage, kind: str) -> Iterator[Listed]:
    """Of a kind; what is half written or damaged is none."""
    return (listed for listed in storage.listed(kind) if not listed.last.startswith("."))


def recorded(storage: Storage) -> set[str]:
    return {listed.last for listed in objects(storage, RECORDS)}


def checkpoint_ages(storage: Storage, now: float) -> dict[str, float]:
    """Trial id → seconds since its checkpoint was written."""
    return {listed.last: now - listed.modified for listed in objects(storage, CHECKPOINTS)}
