"""Whose turn it is to run: one trial after another, and none that would repeat a warm-up which
another is making.

Such a trial lets those behind it go first. So a worker is idle only where every trial that is left
waits for one that runs, and making its warm-up once more would not have it any sooner.
"""

from collections import deque
from collections.abc import Mapping, Sequence


class Turns:
    """Hands out each trial, by its id, once."""

    def __init__(self, trials: Sequence[str], warmups: Mapping[str, str]) -> None:
        """
        Args:
            trials: in the order in which they are to run.
            warmups: trial → its warm-up, of those whose warm-up is not stored yet.
        """
        self._warmups = warmups
        self._to_come = deque(trials)
        self._waiting: list[str] = []  # for a warm-up in the making
        self._making: dict[str, str] = {}  # warm-up → the trial that makes it
        self._made: set[str] = set()

    @property
    def over(self) -> bool:
        """Whether every trial has had its turn."""
        return not (self._waiting or self._to_come)

    def take(self) -> str | None:
        """The next to run; None where there is none but what must wait."""
        ready = next((trial for trial in self._waiting if self._is_ready(trial)), None)
        if ready is not None:
            self._waiting.remove(ready)
        while ready is None and self._to_come:
            trial = self._to_come.popleft()
            if self._is_ready(trial):
                ready = trial
            else:
                self._waiting.append(trial)
        if ready is not None and (warmup := self._lacks(ready)):
            self._making[warmup] = ready
        return ready

    def ended(self, trial: str, well: bool) -> None:
        """A trial that was taken has run; if not well, another is to make its warm-up."""
        warmup = self._lacks(trial)
        if warmup and self._making.get(warmup) == trial:
            del self._making[warmup]
            if well:
                self._made.add(warmup)

    def _is_ready(self, trial: str) -> bool:
        return self._lacks(trial) not in self._making

    def _lacks(self, trial: str) -> str | None:
        """The warm-up that the trial would make."""
        warmup = self._warmups.get(trial)
        return None if warmup in self._made else warmup
