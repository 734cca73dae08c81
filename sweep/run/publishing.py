"""What every launch does beside its trials: MLflow and the log are told of them, and of its end."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from mlflow.tracking import MlflowClient

from analysis.errors import one_line
from sweep.options import Options
from sweep.plan.plan import StudyPlan
from sweep.run.events import Log
from sweep.tracking.client import AWAY
from sweep.tracking.outbox import Outbox, Publication
from sweep.tracking.publisher import Publisher
from sweep.tracking.watchdog import guarded


@dataclass
class Publishing:
    outbox: Outbox
    status: str = "FAILED"  # that the study's run ends with
    ended_by: str = ""  # what ended it, where that is no trial's failure


def log_of(options: Options, plan: StudyPlan) -> Log:
    """The log, with what every line of the plan's launch says."""
    where = {"study": plan.study.name, "scale": plan.scale, "data": plan.base.data.source}
    return Log(options.log, where)


@contextmanager
def never_left_running(client: MlflowClient, publisher: Publisher) -> Iterator[None]:
    """The study's run in MLflow ends with the launch, even one that is killed."""
    with publisher.never_left_running(), guarded(client.tracking_uri, publisher.parent_id):
        yield


@contextmanager
def publishing(publisher: Publisher, log: Log, say: Callable[[str], None]) -> Iterator[Publishing]:
    """Trials are published while others run; whatever ends the launch, the study's run says so."""
    outbox = Outbox(publisher, partial(_log, log))
    launch = Publishing(outbox)
    try:
        yield launch
    except KeyboardInterrupt:
        launch.status = "KILLED"
        raise
    except BaseException as error:
        launch.ended_by = one_line(error)
        raise
    finally:
        outbox.close()
        for trial in outbox.waiting:
            _log(log, trial, outbox.reason)
        try:
            publisher.close(launch.status, launch.ended_by)
        except AWAY as error:
            say(f"MLflow was not told of the end: {one_line(error)}")


def _log(log: Log, one: Publication, reason: str) -> None:
    """What became of a trial; no reason: it is published."""
    trial = {"trial_id": one.planned.trial_id, "name": one.planned.name}
    trial |= {} if one.error is None else {"outcome": "failed"}  # its failure is published
    if reason:
        log.write("unpublished", **trial, error=reason)
    else:
        log.write("published", **trial)
