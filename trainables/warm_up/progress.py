"""A line on the terminal that says how far a warm-up is; nothing where there is no terminal."""

import sys
import time
from types import TracebackType
from typing import Self

_SECONDS = 0.2  # between two states of the line


class ProgressLine:
    def __init__(self, steps: int, wanted: bool) -> None:
        stream = sys.stderr  # None where there is none, as in a program without a console
        self._stream = stream if wanted and stream is not None and stream.isatty() else None
        self._steps, self._done = steps, 0

    def __enter__(self) -> Self:
        self._started = self._spoke_at = time.monotonic()
        return self

    def step(self) -> None:
        self._done += 1
        now = time.monotonic()
        if self._stream is not None and now - self._spoke_at >= _SECONDS:
            self._spoke_at = now
            left = (now - self._started) / self._done * (self._steps - self._done)
            self._say(f"{self._done / self._steps:.0%}, {_duration(left)} left")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._stream is not None:
            spent = _duration(time.monotonic() - self._started)
            self._say(f"{'done in' if error is None else 'broken off after'} {spent}\n")

    def _say(self, text: str) -> None:
        assert self._stream is not None
        try:
            self._stream.write(f"\r\x1b[KWarm-up: {text}")
            self._stream.flush()
        except OSError:  # the terminal is gone; the warm-up goes on
            self._stream = None


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
