"""The record: what a trial leaves, as one compressed `.npz` file that NumPy alone can read.

    meta                            JSON: trial id and fields, status, device, node, code, costs
    {validation,test}/logits        float32 (n, classes);  …/labels  int64 (n,)
    ood/logits                      float32 (n, classes), where the trial has an OOD set
    history/phase                   text (rows,): untrained, warmup, kept or task
    history/{epoch,step,examples}   int64 (rows,), counted from the network's first step
    history/{seconds,<metric>}      float64 (rows,), NaN where a metric was not measured
    probe/<probe>/<array>           what the trial's probes measured, see `trainables.probes`

The phase `kept` is the start of a task that keeps only a part of its warm-up. A probe with several
moments has them along its arrays' first axis, and their epochs as `epoch`. A diverged trial leaves
its history and no logits. Logits are the record: whatever follows from them is computed from them,
later and again, without training.
"""

import importlib.metadata
import io
import json
import platform
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainables.config.trial import Trial
from trainables.training.loop import Outputs

FORMAT = 1
_COUNTS = ("epoch", "step", "examples")

History = list[dict[str, Any]]


def write_record(
    trial: Trial,
    status: str,
    history: History,
    outputs: dict[str, Outputs],
    seconds: dict[str, float],
    device: torch.device,
    commit: str = "unknown",
    probed: Mapping[str, Tensor] = MappingProxyType({}),
    workers: int = 1,
) -> bytes:
    """The record's bytes.

    Args:
        status: `finished` or `diverged`.
        history: a row for the untrained network and each epoch of both phases.
        outputs: by split; labels of the OOD images are not kept, they mean nothing.
        seconds: by activity: warmup, task, evaluation.
        commit: of the code that ran the trial.
        probed: by `<probe>/<array>`, on the CPU.
        workers: that trained the network together.
    """
    meta = {
        "format": FORMAT,
        "trial_id": trial.trial_id,
        "status": status,
        "trial": trial.model_dump(mode="json"),
        "device": device_name(device),
        "node": socket.gethostname(),
        "workers": workers,
        "versions": versions(),
        "commit": commit,
        "finished_at": time.time(),
        "examples": _examples(history),
        "seconds": seconds | {"total": sum(seconds.values())},
    }
    arrays = {"meta": np.array(json.dumps(meta)), **_history_arrays(history)}
    for split, said in outputs.items():
        arrays[f"{split}/logits"] = said.logits.numpy()
        if split != "ood":
            arrays[f"{split}/labels"] = said.labels.numpy()
    arrays |= {f"probe/{name}": array.numpy() for name, array in probed.items()}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def device_name(device: torch.device) -> str:
    """`cpu`, or the GPU's model."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in ("torch", "torchvision", "numpy", "scikit-image", "scikit-learn"):
        with suppress(importlib.metadata.PackageNotFoundError):  # not every network needs all
            found[name] = importlib.metadata.version(name)
    return found


def _examples(history: History) -> dict[str, int]:
    """Trained on in each phase, up to the last measurement."""
    behind = {row["phase"]: int(row["examples"]) for row in history}  # the last of each phase
    warmup = behind.get("warmup", 0)
    return {"warmup": warmup, "task": max(0, behind.get("task", warmup) - warmup)}


def _history_arrays(history: History) -> dict[str, np.ndarray]:
    always = ("phase", *_COUNTS, "seconds")  # of a network that diverged before its first row, too
    columns = dict.fromkeys((*always, *(name for row in history for name in row)))
    arrays = {}
    for name in columns:
        values = [row.get(name, float("nan")) for row in history]
        dtype = np.str_ if name == "phase" else np.int64 if name in _COUNTS else np.float64
        arrays[f"history/{name}"] = np.array(values, dtype=dtype)
    return arrays
