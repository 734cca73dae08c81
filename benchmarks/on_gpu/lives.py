"""A trial's whole life on a device, and what it left, read with NumPy alone."""

import io
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from trainables.config.trial import Trial
from trainables.lifecycle.context import RunContext, TrialInputs
from trainables.lifecycle.listener import Listener
from trainables.lifecycle.trial_run import run_trial
from trainables.storage.storage import Storage


@dataclass(frozen=True)
class Lived:
    logits: np.ndarray  # of the test examples, (n, classes)
    losses: np.ndarray  # of the whole history
    accuracy: float  # at the end, of the test examples
    ece: float
    seconds: dict[str, float]  # by activity

    def differs(self, other: "Lived") -> float:
        """By how much a logit does at the most; 0: all of both lives is equal to the bit."""
        if np.array_equal(self.losses, other.losses) and np.array_equal(self.logits, other.logits):
            return 0.0
        return float(np.abs(self.logits - other.logits).max()) or float("nan")


class CutShort(BaseException):
    """As Ctrl-C: nothing that is caught on the way."""


def live(
    trial: Trial,
    inputs: TrialInputs,
    device: torch.device,
    folder: Path | None = None,
    listener: Listener = Listener(),  # noqa: B008
    checkpoint_seconds: float = 15.0,
) -> Lived:
    """folder: of the storage; None: one that is gone afterwards."""
    if folder is None:
        with tempfile.TemporaryDirectory() as own:
            return live(trial, inputs, device, Path(own), listener, checkpoint_seconds)
    storage = Storage(folder)
    context = RunContext(storage, device, checkpoint_seconds=checkpoint_seconds)
    payload = storage.get(run_trial(trial, inputs, context, listener))
    assert payload is not None
    return _read(payload)


def live_cut_short(trial: Trial, inputs: TrialInputs, device: torch.device) -> Lived:
    """Cut short in the second epoch of each phase, and gone on with."""

    def told(phase: str) -> Listener:
        def on_history(rows: Sequence[dict[str, Any]]) -> None:
            if len(rows) == 1 and (rows[0]["phase"], rows[0]["epoch"]) == (phase, 2):
                raise CutShort

        return Listener(on_history=on_history)

    with tempfile.TemporaryDirectory() as folder:
        for phase in ("warmup", "task"):
            try:
                live(trial, inputs, device, Path(folder), told(phase), 0.0)
            except CutShort:
                continue
            raise AssertionError(f"the trial was not cut short in its {phase}")
        return live(trial, inputs, device, Path(folder))


def _read(payload: bytes) -> Lived:
    with np.load(io.BytesIO(payload), allow_pickle=False) as record:
        meta = json.loads(str(record["meta"]))
        if meta["status"] != "finished":
            raise ArithmeticError(f"the trial has {meta['status']}")
        losses = [record[name] for name in sorted(record.files) if name.endswith("_loss")]
        return Lived(
            logits=record["test/logits"],
            losses=np.nan_to_num(np.stack(losses), nan=-1.0),
            accuracy=float(record["history/test_accuracy"][-1]),
            ece=float(record["history/test_ece"][-1]),
            seconds=dict(meta["seconds"]),
        )
