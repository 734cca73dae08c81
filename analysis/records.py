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
"""

import io
import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pandas as pd
from numpy.typing import NDArray

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
    history: pd.DataFrame  # a row per epoch of both phases
    probes: Mapping[str, NDArray[Any]]  # by `<probe>/<array>`; empty for most trials
    node: str = ""  # the host that the trial ran on; older records do not say
    workers: int = 1  # that trained the network together, the last time it was begun


def read_record(source: Path | BinaryIO | bytes) -> Record:
    """The record in a file, an open binary file, or bytes."""
    name = str(source) if isinstance(source, Path) else "record"
    file = io.BytesIO(source) if isinstance(source, bytes) else source
    try:
        with np.load(file, allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in archive.files}
    except (AttributeError, TypeError) as error:  # a bare .npy has neither `with` nor `files`
        raise RecordError(f"{name}: not a record, but a single array") from error
    except _UNREADABLE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise RecordError(f"{name}: not a record, or a damaged one ({reason})") from error
    try:
        return _record(arrays)
    except KeyError as error:
        raise RecordError(f"{name}: not a whole record, {error.args[0]!r} is missing") from error
    except (TypeError, ValueError) as error:
        raise RecordError(f"{name}: not a record of format {FORMAT}: {error}") from error


def _record(arrays: Mapping[str, NDArray[Any]]) -> Record:
    meta = json.loads(str(arrays["meta"]))
    if not isinstance(meta, dict) or meta.get("format") != FORMAT:
        raise ValueError("meta gives another format")
    if meta["status"] not in STATUSES:
        raise ValueError(f"status must be one of {', '.join(STATUSES)}, not {meta['status']!r}")
    logits, labels = _by_split(arrays, "logits"), _by_split(arrays, "labels")
    if meta["status"] == "finished" and "test" not in logits:
        raise KeyError("test/logits")
    for split, scores in logits.items():
        if scores.ndim != 2:
            raise ValueError(f"{split}/logits must be (n, classes), not {scores.shape}")
        if split == "ood":
            continue
        if split not in labels:
            raise KeyError(f"{split}/labels")
        if labels[split].shape != scores.shape[:1]:
            raise ValueError(f"{split}/labels do not fit {split}/logits")
    return Record(
        trial_id=str(meta["trial_id"]),
        status=meta["status"],
        trial=meta["trial"],
        device=str(meta["device"]),
        versions=meta["versions"],
        commit=str(meta.get("commit", "unknown")),
        finished_at=float(meta["finished_at"]),
        examples=meta["examples"],
        seconds=meta["seconds"],
        logits=logits,
        labels=labels,
        history=_history(arrays),
        probes={k.removeprefix("probe/"): v for k, v in arrays.items() if k.startswith("probe/")},
        node=str(meta.get("node", "")),
        workers=int(meta.get("workers", 1)),
    )


def _by_split(arrays: Mapping[str, NDArray[Any]], kind: str) -> dict[str, NDArray[Any]]:
    return {
        key.removesuffix(f"/{kind}"): array
        for key, array in arrays.items()
        if key.endswith(f"/{kind}") and not key.startswith(("history/", "probe/"))
    }


def _history(arrays: Mapping[str, NDArray[Any]]) -> pd.DataFrame:
    columns = {
        key.removeprefix("history/"): array
        for key, array in arrays.items()
        if key.startswith("history/")
    }
    for needed in ("phase", "epoch", "step"):
        if needed not in columns:
            raise KeyError(f"history/{needed}")
    if len({array.shape for array in columns.values()}) != 1 or columns["phase"].ndim != 1:
        raise ValueError("the history's columns differ in length")
    return pd.DataFrame(columns)
