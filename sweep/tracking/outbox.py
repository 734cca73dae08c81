"""Publishing beside the training: a thread that takes to MLflow what is measured and what is done.

Training never waits for MLflow. Finished trials come one by one, the curves of those that run
between them. What could not be published stays in storage, is tried again when the next trial comes
and once more at the end, and then waits for the next launch.
"""

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass

from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from analysis.errors import one_line
from sweep.plan.plan import PlannedTrial
from sweep.tracking.client import AWAY, who_is_away
from sweep.tracking.live import LiveUpdates, Measured
from sweep.tracking.publisher import Publisher


@dataclass(frozen=True)
class Publication:
    planned: PlannedTrial
    payload: Callable[[], bytes]  # its record, fetched when it is needed
    origin: Run | None = None
    error: str | None = None  # of a trial that failed: there is no record
    node: str = ""  # where it failed, if that is known


class Outbox:
    """Publishes trials in the order they come."""

    def __init__(
        self,
        publisher: Publisher,
        told: Callable[[Publication, str], None] = lambda one, why: None,
    ) -> None:
        """told: of every trial that is published, or else of why it never will be as it is."""
        self._publisher = publisher
        self._told = told
        self._live = LiveUpdates(publisher)
        self._queue: queue.SimpleQueue[Publication | Measured | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="outbox", daemon=True)
        self.waiting: list[Publication] = []  # could not be published
        self.away = ""  # what does not answer, of the last
        self.reason = ""  # what it says, of the last
        self.refused: list[str] = []  # will never be published as they are, and why
        self._thread.start()

    def put(self, one: Publication | Measured) -> None:
        self._queue.put(one)

    def trained(self, share: float) -> None:
        """share: of the launch's examples that are trained on; not waited for."""
        self._live.share = share

    def close(self) -> None:
        """Publish what is left, and return when that is done or has failed."""
        self._queue.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (one := self._next()) is not None:
            if isinstance(one, Measured):
                self._live.measured(one)
                continue
            self._live.ended(one.planned.trial_id)
            self.waiting.append(one)
            self._deliver()
        self._deliver()
        self._live.send_study()

    def _next(self) -> Publication | Measured | None:
        """What comes next; before and meanwhile the curves that are due are sent."""
        while True:
            if not self.waiting:
                self._live.send()
            try:
                left = None if self.waiting else self._live.seconds_left()
                return self._queue.get(timeout=left)
            except queue.Empty:
                continue

    def _deliver(self) -> None:
        while self.waiting:
            try:
                self._publish(self.waiting[0])
            except AWAY as error:
                self.away, self.reason = who_is_away(error), one_line(error)
                return
            del self.waiting[0]

    def _publish(self, one: Publication) -> None:
        if one.error is not None:
            self._publisher.publish_failure(one.planned, one.error, one.node)
            self._told(one, "")
            return
        try:
            self._publisher.publish(one.planned, one.payload(), one.origin)
        except Exception as error:
            # MLflow may have answered, and would answer the same another time
            code = error.error_code if isinstance(error, MlflowException) else ""
            if isinstance(error, AWAY) and code != "INVALID_PARAMETER_VALUE":
                raise
            # of this trial alone: the others must still be published
            self.refused.append(f"{one.planned.name}: {one_line(error)}")
            self._told(one, one_line(error))
        else:
            self._told(one, "")
