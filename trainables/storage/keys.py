"""Under which keys a trial's files are stored."""

import torch

from trainables.config.trial import Trial
from trainables.storage.storage import CHECKPOINTS, RECORDS, WARMUPS


def record_key(trial_id: str) -> str:
    return f"{RECORDS}/{trial_id}"


def warmup_key(trial: Trial, device: torch.device) -> str:
    """Where a warmed-up network is stored with its history: the network's own key, and that of the
    examples it was measured on along the way. Kinds of device draw other noise and round otherwise.

    A stateful network's is never stored, and no other trial's key.
    """
    alone = f"/{trial.trial_id}" if trial.model.facts.stateful else ""
    return f"{WARMUPS}/{device.type}/{trial.warmup_key}/{trial.measured_key}{alone}"


def checkpoint_key(trial: Trial, device: torch.device) -> str:
    return f"{CHECKPOINTS}/{device.type}/{trial.trial_id}"
