"""What lies in a storage folder, by its file names alone: fast, and without PyTorch."""

from collections.abc import Iterator
from pathlib import Path

from trainables.storage import CHECKPOINTS, RECORDS


def objects(storage: Path, kind: str) -> Iterator[Path]:
    """Files of a kind's objects; what is half written or damaged is none."""
    for path in sorted((storage / kind).rglob("[!.]*")):
        if path.is_file():
            yield path


def recorded(storage: Path) -> set[str]:
    """Ids of the trials whose record is stored."""
    return {path.name for path in objects(storage, RECORDS)}


def checkpoint_ages(storage: Path, now: float) -> dict[str, float]:
    """Trial id → seconds since its checkpoint was written."""
    ages = {}
    for path in objects(storage, CHECKPOINTS):
        try:
            ages[path.name] = now - path.stat().st_mtime
        except FileNotFoundError:  # its trial has just finished
            continue
    return ages
