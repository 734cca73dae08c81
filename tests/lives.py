"""Small trials, lived on photographs: whole or cut short; what they leave."""

import contextlib
import math
from functools import cache
from pathlib import Path
from typing import Any

import torch
from small import FACTS, WARM

from analysis.results.records import Record, read_record
from trainables.config.model import NetworkFacts, Own
from trainables.config.trial import Trial
from trainables.data.photos import photos, photos_ood
from trainables.lifecycle.context import RunContext, TrialInputs
from trainables.lifecycle.listener import Listener
from trainables.lifecycle.trial_run import run_trial
from trainables.models.code import code_digest
from trainables.storage.keys import record_key, warmup_key
from trainables.storage.serialization import unpack
from trainables.storage.storage import Storage

CPU = torch.device("cpu")

Told = list[tuple[int, int]]  # what on_examples was told: examples behind the network, new ones


class CutShort(BaseException):
    """As KeyboardInterrupt and SystemExit are: nothing that code would catch by accident."""


@cache
def photographs() -> TrialInputs:
    return TrialInputs(photos(), photos_ood())


def changed(trial: Trial, **sections: Any) -> Trial:
    """With fields of sections changed, or whole sections."""
    new = {
        name: getattr(trial, name).model_copy(update=value) if isinstance(value, dict) else value
        for name, value in sections.items()
    }
    return trial.model_copy(update=new)


def of_user(name: str, **sections: Any) -> Trial:
    """Of a network of `user_networks`, for four classes of images of 6×6."""
    path = f"user_networks:{name}"
    model = Own(name=path, facts=NetworkFacts(code=code_digest(path)))
    facts = FACTS.model_copy(update={"shape": (3, 6, 6), "classes": 4})
    return changed(WARM, **{"model": model, "data": {"facts": facts}} | sections)


def live(
    trial: Trial,
    storage: Storage,
    cut_after: int | None = None,
    checkpoint_seconds: float = 0.0,
    inputs: TrialInputs | None = None,
) -> Told:
    """Run the trial, or as many steps of it as `cut_after` says."""
    told: Told = []

    def on_examples(done: int, new: int) -> None:
        told.append((done, new))
        if len(told) == cut_after:
            raise CutShort

    context = RunContext(storage, CPU, checkpoint_seconds=checkpoint_seconds)
    with contextlib.suppress(CutShort):
        key = run_trial(trial, inputs or photographs(), context, Listener(on_examples))
        assert key == record_key(trial.trial_id)
    return told


def record(trial: Trial, storage: Storage) -> Record:
    return read_record(storage.get(record_key(trial.trial_id)) or b"")


def lived(trial: Trial, storage: Storage, inputs: TrialInputs | None = None) -> Record:
    """The record of the trial, run here."""
    live(trial, storage, inputs=inputs)
    return record(trial, storage)


def alone(trial: Trial, folder: Path, inputs: TrialInputs | None = None) -> Storage:
    """A storage of the trial's own, where it was never cut short and wrote no checkpoint."""
    storage = Storage(folder / "alone" / trial.trial_id)
    live(trial, storage, checkpoint_seconds=math.inf, inputs=inputs)
    return storage


def warmed_state(trial: Trial, storage: Storage) -> dict[str, Any]:
    """The network's state after the trial's warm-up, as it was stored."""
    return unpack(storage.get(warmup_key(trial, CPU)) or b"", CPU)["network"]


def keys(storage: Storage, kind: str = "") -> list[str]:
    """Of all that lies in the storage, or of one kind."""
    files = (path for path in (storage.root / kind).rglob("*") if path.is_file())
    return sorted(str(path.relative_to(storage.root)) for path in files)
