"""Seconds that a part may take, and the table that it prints as it goes."""

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType

import torch


@dataclass
class Clock:
    seconds: float
    began: float = field(default_factory=time.perf_counter)

    @property
    def left(self) -> float:
        return self.seconds - (time.perf_counter() - self.began)

    def part(self, share: float) -> "Clock":
        """For a part: so much of what is left."""
        return Clock(max(0.0, self.left * share))


class Table:
    """Rows in Markdown, each printed when it is there."""

    def __init__(self, *columns: str) -> None:
        self._columns = columns

    def begin(self) -> None:
        print("| " + " | ".join(self._columns) + " |\n|" + " --- |" * len(self._columns))

    def row(self, *cells: str) -> None:
        print("| " + " | ".join(cells) + " |", flush=True)


def within(clock: Clock, table: Table, rows: Sequence[tuple[str, Callable[[], list[str]]]]) -> None:
    """The rows of a table, as far as there is time; what was left out or went wrong is said.

    Args:
        rows: name of each, and what finds its other cells. None begins when there is less time than
            the longest has taken.
    """
    table.begin()
    longest = 0.0
    for place, (name, cells) in enumerate(rows):
        if clock.left <= longest:
            left_out = ", ".join(name for name, _ in rows[place:])
            print(f"\nstopped for time; not measured: {left_out}", flush=True)
            return
        started = time.perf_counter()
        try:
            with _ended_at(clock.left):
                table.row(name, *cells())
        except _OutOfTime:
            table.row(name, "stopped for time")
        except Exception as error:  # the other rows are worth having
            said = f"{type(error).__name__}: {error}".splitlines()[0][:200]
            table.row(name, f"failed: {said}")
        longest = max(longest, time.perf_counter() - started)


class _OutOfTime(BaseException):
    """Nothing that a row would catch."""


@contextmanager
def _ended_at(seconds: float) -> Iterator[None]:
    """What goes on for longer is ended between two of Python's own steps."""

    def end(number: int, frame: FrameType | None) -> None:
        raise _OutOfTime

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def wait_for(device: torch.device) -> None:
    """Until the device has done all that it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def timed(work: Callable[[], object], device: torch.device) -> float:
    """Seconds, after all that was given to the device before."""
    wait_for(device)
    started = time.perf_counter()
    work()
    wait_for(device)
    return time.perf_counter() - started
