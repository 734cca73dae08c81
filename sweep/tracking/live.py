"""What MLflow is told of a launch while it runs: which of it is worth a request, and when.

A trial of seconds is published when it has ended and costs no request more. One that takes longer
has a run from its first seconds on, in which its curves grow; and the study's run says now and then
how far it is and what it has found. Nothing depends on it: what MLflow was not told in time is told
with the trial's record, and at the launch's end.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from sweep.plan.plan import PlannedTrial
from sweep.tracking.client import AWAY
from sweep.tracking.publisher import Publisher
from trainables.lifecycle.record import History

AFTER_SECONDS = 10.0  # since its first measurement a trial has a run
EVERY_SECONDS = 5.0  # between two requests of one trial
STUDY_SECONDS = 15.0  # between two of the study's own run
AWAY_SECONDS = 60.0  # until MLflow is asked again that did not answer


@dataclass(frozen=True)
class Measured:
    """Rows of the history of a trial that runs."""

    planned: PlannedTrial
    rows: History


@dataclass
class _Curve:
    planned: PlannedTrial
    due: float  # on the clock
    rows: History = field(default_factory=list)  # not sent yet


class LiveUpdates:
    """Sends what is due; not for several threads at once, but for `share`."""

    def __init__(self, publisher: Publisher, clock: Callable[[], float] = time.monotonic) -> None:
        self._publisher = publisher
        self._clock = clock
        self._curves: dict[str, _Curve] = {}  # by trial id
        self._study_due = clock() + STUDY_SECONDS
        self.share: float | None = None  # of the launch's examples that are trained on

    def send_study(self) -> None:
        """How far the launch is, and what it has found."""
        self._study_due = self._clock() + STUDY_SECONDS
        with suppress(*AWAY):
            self._publisher.publish_study(self.share)

    def measured(self, one: Measured) -> None:
        """Rows to be sent when the trial is due."""
        first = _Curve(one.planned, self._clock() + AFTER_SECONDS)
        self._curves.setdefault(one.planned.trial_id, first).rows += one.rows

    def ended(self, trial_id: str) -> None:
        self._curves.pop(trial_id, None)

    def seconds_left(self) -> float:
        """Until something is due."""
        due = [curve.due for curve in self._curves.values() if curve.rows]
        return max(0.0, min((self._study_due, *due)) - self._clock())

    def send(self) -> None:
        """What is due. MLflow may be away, or refuse it: that is told when the trial has ended."""
        if self._study_due <= self._clock():
            self.send_study()
        for curve in self._curves.values():
            if not curve.rows or curve.due > self._clock():
                continue
            try:
                self._publisher.publish_curves(curve.planned, curve.rows)
            except AWAY:
                curve.due = self._clock() + AWAY_SECONDS
            else:
                curve.rows = []
                curve.due = self._clock() + EVERY_SECONDS
