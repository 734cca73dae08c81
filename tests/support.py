"""What tests of several parts share."""

import contextlib
import io
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

import numpy as np
import pytest
import torch

from analysis.results.records import Record
from sweep.errors import InputError
from sweep.plan.fields import parse_trial, with_fields
from trainables.config.trial import Trial
from trainables.errors import DataError
from trainables.storage.keys import record_key
from trainables.storage.storage import Storage

if TYPE_CHECKING:  # or every test would wait for MLflow
    from analysis.results.study_results import StudyResults

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


def refusal(action: Callable[..., Any], *given: Any, **named: Any) -> str:
    """The one line of the InputError that the call raises."""
    with pytest.raises(InputError) as raised:
        action(*given, **named)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def trial_of(fields: dict[str, Any], **changes: Any) -> Trial:
    """The trial of some dotted fields, changed by `data__source="digits"` and the like."""
    dotted = {name.replace("__", "."): value for name, value in changes.items()}
    return parse_trial(with_fields({}, fields | dotted))


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


def same_records(one: "StudyResults", two: "StudyResults") -> set[str]:
    """Every trial that both have has the same numbers in both; which those are."""
    shared = one.by_id.keys() & two.by_id.keys()
    for trial_id in shared:
        same_numbers(one.by_id[trial_id].record, two.by_id[trial_id].record)
    return shared


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def refused(error: type[Exception], text: str) -> AbstractContextManager[Any]:
    """What is done within raises the error, which says the text and nothing else."""
    return pytest.raises(error, match=rf"^{re.escape(text)}\Z")


@contextlib.contextmanager
def silent_port() -> Iterator[int]:
    """A port of loopback that is taken, and where nobody answers."""
    with socket.socket() as taken:  # bound, and nobody listens
        taken.bind(("127.0.0.1", 0))
        yield int(taken.getsockname()[1])


def answers(url: str) -> bool:
    with contextlib.suppress(OSError), urlopen(url, timeout=2):
        return True
    return False


def wait_until(
    there: Callable[[], object], seconds: float, process: subprocess.Popen[Any] | None = None
) -> None:
    """Until it is there; the process that is to bring it about must not end before."""
    end = time.monotonic() + seconds
    while not there():
        assert process is None or process.poll() is None, f"{process.args} has ended"
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.05)
