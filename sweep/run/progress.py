"""Progress of a launch: a live line on a terminal, a plain line now and then elsewhere.

While trials run, all console output comes from here.
"""

import math
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

PLAIN_SECONDS = 15.0  # between lines where there is no terminal
SETTLING_SECONDS = 10.0  # before a rate is worth saying
RATE_SECONDS = 60.0  # the rate is that of the last minute
PACE_SECONDS = 900.0  # the time left goes by more: trials follow each other that measure for longer


@dataclass(frozen=True)
class PairsOfLook:
    """The look that trials are run for, where pairs are added in looks."""

    name: str  # such as: look 2 of 4
    pairs: int  # that it plans
    replicates: Mapping[str, int]  # trial id → its replicate
    deadline: float = math.inf  # of `time.monotonic`, after which no trial begins


class Display:
    """Counts trials and examples, and says how far they are."""

    def __init__(
        self,
        console: Console,
        examples: Mapping[str, int],
        total: int,
        reused: int,
        look: PairsOfLook | None = None,
    ) -> None:
        """examples: trial id of those to run → what they train on; total: all planned trials;
        reused: those that need not be run; look: that they are run for."""
        self._console = console
        self._look = look
        self._unfinished = set(examples)
        self._expected = dict(examples)
        self._total, self._reused = total, reused
        self._seen: dict[str, int] = {}
        self._whole, self._trained = sum(examples.values()), 0  # of `_expected` and of `_seen`
        self._running: set[str] = set()
        self._done = self._failed = 0
        self._rate, self._pace = _Rate(RATE_SECONDS), _Rate(PACE_SECONDS)
        self._spoke_at = time.monotonic()
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._bar = Progress(
                TextColumn("{task.description}"), BarColumn(bar_width=24), console=self._console
            )
            self._task = self._bar.add_task(self.line(), total=self._whole)
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar:
            self._bar.stop()
        elif self._expected:
            self._console.print(self.line(), soft_wrap=True)

    def started(self, trial_id: str) -> None:
        self._running.add(trial_id)
        for rate in (self._rate, self._pace):
            rate.start()
        self._show()

    def trained(self, trial_id: str, examples: int) -> None:
        self._saw(trial_id, min(self._seen.get(trial_id, 0) + examples, self._expected[trial_id]))
        for rate in (self._rate, self._pace):
            rate.add(examples)
        self._show()

    def finished(self, trial_id: str) -> None:
        self._running.discard(trial_id)
        self._unfinished.discard(trial_id)
        self._saw(trial_id, self._expected[trial_id])  # what it found in a checkpoint, too
        self._done += 1
        self._show()

    def retried(self, trial_id: str, name: str, error: str) -> None:
        self._running.discard(trial_id)
        self.say(f"{name}: failed, tried again from its checkpoint: {error}")

    def failed(self, trial_id: str, name: str, error: str) -> None:
        self._running.discard(trial_id)
        self._whole -= self._expected.pop(trial_id, 0)
        self._trained -= self._seen.pop(trial_id, 0)
        self._failed += 1
        self.say(f"{name}: failed for good: {error}")

    def _saw(self, trial_id: str, examples: int) -> None:
        self._trained += examples - self._seen.get(trial_id, 0)
        self._seen[trial_id] = examples

    def say(self, text: str) -> None:
        """A line that stays."""
        self._console.print(text, soft_wrap=True)
        self._show()

    @property
    def share(self) -> float:
        """Of the examples to be trained on, that are."""
        return self._trained / max(1, self._whole)

    def line(self) -> str:
        """How far we are: `57/114 done, 40 reused, 2 running, 0 failed · 16,000 examples/s · …`"""
        parts = [
            f"{self._done + self._reused}/{self._total} done",
            f"{self._reused} reused",
            f"{len(self._running)} running",
            f"{self._failed} failed",
        ]
        line = ", ".join(parts)
        rate, pace = self._rate.per_second(), self._pace.per_second()
        left = self._whole - self._trained
        if rate:
            line += f" · {rate:,.0f} examples/s"
        if pace and left:
            line += f" · {duration(left / pace)} left"
        return self._of_look(line, self._look) if self._look else line

    def _of_look(self, line: str, look: PairsOfLook) -> str:
        """With the pairs of the look in front, and behind it what is left of the budget."""
        open_ = {look.replicates[trial_id] for trial_id in self._unfinished}
        line = f"{look.name}: {look.pairs - len(open_)}/{look.pairs} pairs; {line}"
        if look.deadline < math.inf:
            line += f" · {duration(max(look.deadline - time.monotonic(), 0.0))} of the budget"
        return line

    def _show(self) -> None:
        if self._bar is not None and self._task is not None:
            self._bar.update(
                self._task,
                description=self.line(),
                completed=self._trained,
                total=self._whole,
            )
        elif time.monotonic() - self._spoke_at > PLAIN_SECONDS:
            self._spoke_at = time.monotonic()
            self._console.print(self.line(), soft_wrap=True)


class _Rate:
    """Examples per second of the last so many seconds."""

    def __init__(self, window: float) -> None:
        self._window = window
        self._started: float | None = None
        self._seen: deque[tuple[float, int]] = deque()  # (when, examples)
        self._sum = 0

    def start(self) -> None:
        if self._started is None:
            self._started = time.monotonic()

    def add(self, examples: int) -> None:
        self._seen.append((time.monotonic(), examples))
        self._sum += examples

    def per_second(self) -> float:
        """0 where it is too early to say."""
        now = time.monotonic()
        if self._started is None or now - self._started < SETTLING_SECONDS:
            return 0.0
        since = max(self._started, now - self._window)
        while self._seen and self._seen[0][0] < since:
            self._sum -= self._seen.popleft()[1]
        return self._sum / (now - since)


def duration(seconds: float) -> str:
    """As a person says it: 42 s, 6 min, 3.5 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
