"""Reading a record: what one trial left, as NumPy arrays and one table, without MLflow or PyTorch.

A record is an `.npz` file that NumPy alone can read, format 1:

    meta                      JSON: trial id and fields, status, device, node, versions, commit,
                              costs
    {validation,test}/logits  float32 (n, classes);  …/labels  int64 (n,)
    ood/logits                float32 (m, classes), where there is an out-of-distribution set
    history/phase             text (rows,): untrained, warmup, kept or task
    history/<column>          (rows,): epoch, step, examples, seconds, metrics; NaN: not measured
    probe/<probe>/<array>     what the trial's probes measured

A diverged trial has a history and no logits. Nothing in a file is ever executed (no pickles), and a
file that is damaged or something else raises `RecordError`, in one line that names the file.

`read_record` takes a whole record into memory. Of thousands there is not the room: `stored_record`
is one of whose arrays each is read from its file when it is asked for, and not kept.
"""

import io
import json
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pandas as pd
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray

Read = Callable[[str], NDArray[Any]]  # an array by its whole name

FORMAT = 1
STATUSES = ("finished", "diverged")

_UNREADABLE = (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile, zlib.error)


class RecordError(ValueError):
    """The file is not a record, or not a whole one."""


@dataclass(frozen=True, eq=False)
class Record:
    """What one trial left."""

    trial_id: str
    status: str  # finished or diverged
    trial: Mapping[str, Any]  # the trial's fields, nested
    device: str
    versions: Mapping[str, str]
    commit: str  # of the code that ran the trial
    finished_at: float  # seconds since 1970, UTC
    examples: Mapping[str, int]  # by phase
    seconds: Mapping[str, float]  # by phase, and in total
    logits: Mapping[str, NDArray[np.float32]]  # by split, (n, classes)
    labels: Mapping[str, NDArray[np.int64]]  # by split, (n,); none for ood
    columns: Mapping[str, NDArray[Any]]  # of the history, (rows,) each
    probes: Mapping[str, NDArray[Any]]  # by `<probe>/<array>`; empty for most trials
    node: str = ""  # the host that the trial ran on; older records do not say
    workers: int = 1  # that trained the network together, the last time it was begun

    @cached_property
    def history(self) -> pd.DataFrame:
        """A row per epoch of both phases."""
        return pd.DataFrame(dict(self.columns))


def read_record(source: Path | BinaryIO | bytes, name: str = "") -> Record:
    """The record in a file, an open binary file, or bytes; name: what an error calls it."""
    name = name or (str(source) if isinstance(source, Path) else "record")
    file = io.BytesIO(source) if isinstance(source, bytes) else source
    try:
        with np.load(file, allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in archive.files}
    except (AttributeError, TypeError) as error:  # a bare .npy has neither `with` nor `files`
        raise RecordError(f"{name}: not a record, but a single array") from error
    except _UNREADABLE as error:
        raise _damaged(name, error) from error
    try:
        parts = {kind: dict(part) for kind, part in _parts(arrays.__getitem__, arrays).items()}
        return _checked(_record(_fields(arrays), parts))
    except KeyError as error:
        raise RecordError(f"{name}: not a whole record, {error.args[0]!r} is missing") from error
    except (TypeError, ValueError) as error:
        raise RecordError(f"{name}: not a record of format {FORMAT}: {error}") from error


def stored_record(path: Path, payload: bytes) -> Record:
    """A record whose arrays stay in its file until they are asked for, one by one.

    payload: the file's bytes, which were read as a whole record before.
    """
    try:
        with np.load(io.BytesIO(payload), allow_pickle=False) as archive:
            fields, names = _fields(archive), tuple(archive.files)
    except (*_UNREADABLE, TypeError) as error:
        raise _damaged(str(path), error) from error
    return _record(fields, _parts(partial(_stored_array, path), names))


def _stored_array(path: Path, name: str) -> NDArray[Any]:
    try:
        array: NDArray[Any] = _archive(path, path.stat().st_mtime_ns)[name]
        return array
    except _UNREADABLE as error:
        raise _damaged(str(path), error) from error


@lru_cache(maxsize=16)  # an exhibit asks for several arrays of one record, one after another
def _archive(path: Path, modified: int) -> NpzFile:
    """The open file, which is closed when it is forgotten."""
    archive: NpzFile = np.load(path, allow_pickle=False)
    return archive


class _Part(Mapping[str, NDArray[Any]]):
    """Some arrays of a record by shorter names, each read when it is asked for."""

    def __init__(self, read: Read, places: Mapping[str, str]) -> None:
        """places: the whole name by the shorter one."""
        self._read, self._places = read, places

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self._read(self._places[name])

    def __contains__(self, name: object) -> bool:
        return name in self._places  # without reading it

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


def _damaged(name: str, error: Exception) -> RecordError:
    reason = " ".join(str(error).split()) or type(error).__name__
    return RecordError(f"{name}: not a record, or a damaged one ({reason})")


def _fields(arrays: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    meta = json.loads(str(arrays["meta"]))
    if not isinstance(meta, dict) or meta.get("format") != FORMAT:
        raise ValueError("meta gives another format")
    if meta["status"] not in STATUSES:
        raise ValueError(f"status must be one of {', '.join(STATUSES)}, not {meta['status']!r}")
    return {
        "trial_id": str(meta["trial_id"]),
        "status": meta["status"],
        "trial": meta["trial"],
        "device": str(meta["device"]),
        "versions": meta["versions"],
        "commit": str(meta.get("commit", "unknown")),
        "finished_at": float(meta["finished_at"]),
        "examples": meta["examples"],
        "seconds": meta["seconds"],
        "node": str(meta.get("node", "")),
        "workers": int(meta.get("workers", 1)),
    }


def _record(fields: Mapping[str, Any], parts: Mapping[str, Mapping[str, NDArray[Any]]]) -> Record:
    return Record(
        **fields,
        logits=parts["logits"],
        labels=parts["labels"],
        columns=parts["history"],
        probes=parts["probe"],
    )


def _parts(read: Read, names: Iterable[str]) -> dict[str, _Part]:
    """What a record has arrays of: logits, labels, history, probe."""
    return {kind: _Part(read, places) for kind, places in _places(tuple(names)).items()}


@lru_cache  # the records of a study have the same arrays, and share what is made of their names
def _places(names: tuple[str, ...]) -> dict[str, dict[str, str]]:
    """Part of a record → the shorter name of each of its arrays → the whole one."""
    places: dict[str, dict[str, str]] = {"logits": {}, "labels": {}, "history": {}, "probe": {}}
    for name in names:
        first, _, rest = name.partition("/")
        if first in ("history", "probe"):
            places[first][rest] = name
        elif rest in ("logits", "labels"):
            places[rest][first] = name
    return places


def _checked(record: Record) -> Record:
    """The record, which is whole."""
    if record.status == "finished" and "test" not in record.logits:
        raise KeyError("test/logits")
    for split, scores in record.logits.items():
        if scores.ndim != 2:
            raise ValueError(f"{split}/logits must be (n, classes), not {scores.shape}")
        if split == "ood":
            continue
        if split not in record.labels:
            raise KeyError(f"{split}/labels")
        if record.labels[split].shape != scores.shape[:1]:
            raise ValueError(f"{split}/labels do not fit {split}/logits")
    for needed in ("phase", "epoch", "step"):
        if needed not in record.columns:
            raise KeyError(f"history/{needed}")
    shapes = {column.shape for column in record.columns.values()}
    if len(shapes) != 1 or len(shapes.pop()) != 1:
        raise ValueError("the history's columns differ in length")
    return record
