"""Ray started ahead of time: workers are there and have PyTorch while the launch still asks MLflow
what is done. Each takes seconds, and most of them are waiting.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

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
    """Ray starts in the background where storage lacks trials of the plan, and ends with the
    context. Whoever needs it waits for it by `connected`, and is told there if it does not start.
    """
    storage = open_storage(options.storage)
    lacking = sum(record_key(planned.trial_id) not in storage for planned in plan.trials)
    if not lacking or ray.is_initialized():
        yield
        return
    ended = threading.Event()
    begin = threading.Thread(target=_begin, args=(options.resources, lacking, ended), daemon=True)
    begin.start()
    try:
        yield
    finally:
        ended.set()
        begin.join()


def _begin(resources: Resources, trials: int, ended: threading.Event) -> None:
    """Connect, and leave when that is told: Ray's processes end with the thread they come from."""
    with suppress(InputError), connected(resources):
        if resources.address is None:  # a cluster's idle workers may be anywhere
            prepare = ray.remote(num_cpus=resources.cpus, max_retries=0)(_import)
            for _ in range(min(slots(resources), trials)):
                prepare.remote()
        ended.wait()


def _import() -> None:
    """What a trial needs, in the process that Tune will take for it."""
    import trainables.tune  # noqa: F401
