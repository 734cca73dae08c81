"""The launch's log for programs: a line of JSON for everything that happens, `--log FILE`.

    {"time": "2026-01-31T12:00:00.123+00:00", "event": "finished", "study": "noise_ablation",
     "scale": "laptop", "data": "photos", "trial_id": "3f2a…", "name": "gaussian #0"}

Events: planned, started, finished, retried, failed, published, unpublished; of a search proposed
and judged too, of pairs added in looks looked; at last ended, with the exit code. Lines are
appended, each by one write: several launches may share a file.
"""

import contextlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from analysis.errors import one_line
from sweep.cli.main import exit_code
from sweep.errors import InputError


@dataclass(frozen=True)
class Log:
    """Writes to the file; without one, nothing."""

    path: Path | None
    always: dict[str, Any] = field(default_factory=dict)  # fields of every line

    def write(self, event: str, **fields: Any) -> None:
        if self.path is None:
            return
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = {"time": now, "event": event, **self.always, **fields}
        # a full disk must not end the training
        with contextlib.suppress(OSError):
            _append(self.path, json.dumps(line, ensure_ascii=False, default=str) + "\n")


def logged(path: Path | None, carry_out: Callable[[], int]) -> int:
    """A command's exit code, which its log has too, whatever ends it; of kill -9 alone it cannot.

    Raises:
        InputError: the log cannot be written.
    """
    try:
        if path is not None:
            _append(path, "")
    except OSError as error:
        raise InputError(
            f"--log {path}: cannot be written ({error.strerror}); give a file in a folder that is "
            "there"
        ) from error
    log = Log(path)
    try:
        code = carry_out()
    except BaseException as error:
        log.write("ended", code=exit_code(error), error=one_line(error))
        raise
    log.write("ended", code=code)
    return code


def _append(path: Path, text: str) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(handle, text.encode())
    finally:
        os.close(handle)
