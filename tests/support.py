"""What tests of several parts share."""

import io
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from analysis.results.records import Record
from trainables.config.trial import Trial
from trainables.errors import DataError
from trainables.storage.keys import record_key
from trainables.storage.storage import Storage

ROOT = Path(__file__).parents[1]
PATIENCE = float(os.environ.get("TEST_PATIENCE", "1"))  # more on a machine that has other work


def one_line(action: Callable[[], Any], *parts: str) -> None:
    """The action raises a DataError of one line that holds every part."""
    with pytest.raises(DataError) as raised:
        action()
    message = str(raised.value)
    assert "\n" not in message
    for part in parts:
        assert part in message


def numbers(trial: Trial, storage: Storage) -> dict[str, Any]:
    """All of the trial's record but the seconds, date and node; arrays to the bit."""
    payload = storage.get(record_key(trial.trial_id))
    assert payload is not None, "the trial has left no record"
    with np.load(io.BytesIO(payload)) as archive:
        arrays = {name: archive[name] for name in archive.files}
    meta = json.loads(str(arrays.pop("meta")))
    del meta["seconds"], meta["finished_at"], meta["node"]
    arrays.pop("history/seconds", None)
    return meta | {name: (a.dtype, a.shape, a.tobytes()) for name, a in arrays.items()}


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def identical(one: Any, two: Any) -> None:
    """Tensors, or mappings or sequences of them: of the same types, shapes and values."""
    torch.testing.assert_close(one, two, rtol=0, atol=0, equal_nan=True)


def same_numbers(one: Record, two: Record) -> None:
    """Bit-identical logits and histories, but for seconds."""
    assert one.logits.keys() == two.logits.keys()
    for split in one.logits:
        assert np.array_equal(one.logits[split], two.logits[split])
    for name in one.history.columns.drop("seconds"):
        assert one.history[name].equals(two.history[name]), name


def run_python(*arguments: str, **how: Any) -> subprocess.CompletedProcess[str]:
    """This Python as a process of its own, and what it said."""
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, **how)


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def refused(error: type[Exception], text: str) -> AbstractContextManager[Any]:
    """What is done within raises the error, which says the text and nothing else."""
    return pytest.raises(error, match=rf"^{re.escape(text)}\Z")
