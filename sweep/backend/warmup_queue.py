"""Whose turn it is to run: one group of trials after another, and none that would repeat a warm-up
which another is making.

Such a group lets those behind it go first. So a worker is idle only where every group that is left
waits for one that runs, and making its warm-up once more would not have it any sooner.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Set


class WarmupQueue:
    """Hands out each group, by its name, once."""

    def __init__(self, groups: Iterable[str], warmups: Mapping[str, Set[str]]) -> None:
        """
        Args:
            groups: in the order in which they are to run.
            warmups: group → its warm-ups that are not stored yet; none where it is not named.
        """
        self._warmups = warmups
        self._to_come = deque(groups)
        self._waiting: list[str] = []  # for a warm-up in the making
        self._making: dict[str, str] = {}  # warm-up → the group that makes it
        self._made: set[str] = set()

    @property
    def over(self) -> bool:
        return not (self._waiting or self._to_come)

    def take(self) -> str | None:
        """The next to run; None where there is none but what must wait."""
        ready = next((group for group in self._waiting if self._is_ready(group)), None)
        if ready is not None:
            self._waiting.remove(ready)
        while ready is None and self._to_come:
            group = self._to_come.popleft()
            if self._is_ready(group):
                ready = group
            else:
                self._waiting.append(group)
        if ready is not None:
            self._making |= dict.fromkeys(self._lacks(ready), ready)
        return ready

    def ended(self, group: str, well: bool) -> None:
        """A group that was taken has run; if not well, another is to make its warm-ups."""
        for warmup in self._lacks(group):
            if self._making.get(warmup) == group:
                del self._making[warmup]
                if well:
                    self._made.add(warmup)

    def _is_ready(self, group: str) -> bool:
        return self._lacks(group).isdisjoint(self._making)

    def _lacks(self, group: str) -> set[str]:
        return set(self._warmups.get(group, ())) - self._made
