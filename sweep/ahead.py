"""Ray started ahead of time: workers are there and have PyTorch while the launch still asks MLflow
what is done. Each takes seconds, and most of them are waiting.
"""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from importlib import import_module

import ray

from sweep.connection import connected, slots
from sweep.errors import InputError
from sweep.options import Options
from sweep.planning import StudyPlan
from sweep.resources import Resources
from sweep.storing import open_storage
from trainables.life import record_key


@contextmanager
def ray_ahead(plan: StudyPlan, options: Options) -> Iterator[None]:
    """Ray is there, and ends with the context, where storage lacks trials of the plan. Where it
    does not start, whoever needs it is told by `connected`: MLflow may have all of them.

    Ray starts in this thread, for signals are answered in no other, and its processes end with the
    thread they come from; what else takes seconds, MLflow's import, goes on beside it.
    """
    storage = open_storage(options.storage)
    lacking = sum(record_key(planned.trial_id) not in storage for planned in plan.trials)
    if not lacking or ray.is_initialized():
        yield
        return
    reading = threading.Thread(target=import_module, args=("sweep.execution",))
    reading.start()
    with ExitStack() as stack:
        try:
            with suppress(InputError):
                stack.enter_context(connected(options.resources))
                _prepare(options.resources, lacking)
        finally:
            reading.join()
        yield


def _prepare(resources: Resources, trials: int) -> None:
    """Workers that have what a trial needs, before Tune takes them."""
    if resources.address is None:  # a cluster's idle workers may be anywhere
        prepare = ray.remote(num_cpus=resources.cpus, max_retries=0)(_import)
        for _ in range(min(slots(resources), trials)):
            prepare.remote()


def _import() -> None:
    import trainables.tune  # noqa: F401
