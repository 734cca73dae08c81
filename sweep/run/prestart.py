"""Ray started ahead of time, while MLflow is imported and makes its database: each takes seconds,
and most of Ray's are waiting.
"""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import ray

from sweep.backend.connection import connected
from sweep.errors import InputError
from sweep.options import Options
from sweep.plan.plan import StudyPlan
from sweep.storage.location import open_storage
from trainables.storage.keys import record_key


@contextmanager
def ray_ahead(plan: StudyPlan, options: Options) -> Iterator[None]:
    """Ray is there, and ends with the context, where storage lacks the plan's last trial: there is
    something to be run, in all likelihood. Where Ray does not start, or is needed all the same,
    that is for `connected` to tell and do.

    Ray starts in this thread, for signals are answered in no other, and its processes end with the
    thread they come from; MLflow's part goes on beside it.
    """
    last = record_key(plan.trials[-1].trial_id)  # one question: a storage may be far away
    if last in open_storage(options.storage) or ray.is_initialized():
        yield
        return
    meanwhile = threading.Thread(target=_ask_mlflow, args=(options.folder,))
    meanwhile.start()
    with ExitStack() as stack:
        try:
            with suppress(InputError):
                stack.enter_context(connected(options.resources))
        finally:
            meanwhile.join()
        yield


def _ask_mlflow(folder: Path) -> None:
    """What the launch imports, and the database. Who asks next is told if MLflow is away."""
    from sweep.tracking.client import connect_alone

    with suppress(InputError):
        connect_alone(folder)
