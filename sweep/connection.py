"""Connected to Ray, and what its nodes have. Without Tune, which takes a second to import."""

import gc
import logging
import os
import re
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ray

from sweep.errors import InputError
from sweep.resources import Resources

# Tune writes CSV, JSON and TensorBoard files for each trial unless told not to, answers Ctrl-C by
# waiting for the trials, and prints a banner that no verbosity silences, and every traceback.
TUNE_SETTINGS = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
}
# For the workers of a local instance. Tune lives each trial in a thread of its own, and each thread
# gets a heap: without this a worker grows by 350 MB over some fifty trials, and is no faster.
WORKER_SETTINGS = {"MALLOC_ARENA_MAX": "1"}
MOST = 1000  # workers that are waited for at a time


def node_of(error: str) -> str:
    """The host that a traceback comes from, "" where that cannot be known: Ray gives its address
    with what a worker raises, or with the worker that died."""
    address = re.search(r"\bip[=:] ?([\w.]+)", error)
    hosts = {node["NodeManagerAddress"]: node["NodeManagerHostname"] for node in _nodes()}
    return str(hosts.get(address[1], "")) if address else ""


def _nodes() -> list[dict[str, Any]]:
    return list(ray.nodes())  # type: ignore[no-untyped-call]


@contextmanager
def connected(resources: Resources) -> Iterator[None]:
    """Connected to Ray; a local instance ends with the context, a cluster goes on.

    Within another such context it is that one's connection.
    """
    if ray.is_initialized():
        yield
        return
    os.environ |= TUNE_SETTINGS | WORKER_SETTINGS
    on_termination = signal.getsignal(signal.SIGTERM)
    address = resources.address or os.environ.get("RAY_ADDRESS")
    try:
        ray.init(
            address=address or "local",
            include_dashboard=None if address else False,
            logging_level=logging.ERROR,
            log_to_driver=False,
        )
    except SystemExit as ended:  # Ray's own answer to SIGTERM, which is ours again only below
        _shut_down()
        raise KeyboardInterrupt from ended
    except Exception as error:  # Ray raises bare ones, such as where its processes start too slowly
        where = f"--address {address}" if address else "Ray does not start on this machine"
        raise InputError(f"{where}: {' '.join(str(error).split())}") from error
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, on_termination)  # Ray has put its own in place, which aborts
    try:
        yield
    finally:
        _shut_down()


def _shut_down() -> None:
    """Leave Ray, with no garbage collection meanwhile.

    Tune leaves cycles that hold references to Ray's objects. Were another thread to collect them
    while Ray shuts down, Ray would end the process.
    """
    gc.collect()
    gc.disable()
    try:
        ray.shutdown()
    finally:
        gc.enable()


def check_feasible(resources: Resources) -> None:
    """That the nodes can run a trial: Ray would wait for ever without a word."""
    nodes = _alive()
    if not resources.slots(nodes):
        have = "; ".join(f"{n.get('CPU', 0):g} CPUs, {n.get('GPU', 0):g} GPUs" for n in nodes)
        where = "on one node" if resources.workers == 1 else "each on one node"
        lower = "" if resources.workers == 1 else "resources.workers, "
        raise InputError(
            f"a trial needs {resources.taken} {where}; "
            f"the nodes have {have}: lower {lower}--cpus-per-trial or --gpus-per-trial"
        )


def let_start_together(resources: Resources) -> None:
    """As many workers as fit. Tune would start one, wait until it runs, and only then the next; and
    an autoscaling cluster sees from those that are waited for that there is more to do."""
    there = min(resources.slots(_alive()), resources.concurrency or MOST)
    os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(max(1, min(there, MOST)))


def at_a_time(resources: Resources) -> int | None:
    """Trials at a time; None: Tune sees how many fit. It does not see the workers of a trial."""
    if resources.workers == 1:
        return resources.concurrency
    there = resources.slots(_alive())
    return min(resources.concurrency or there, there)


def _alive() -> list[dict[str, float]]:
    """What each node has."""
    return [node["Resources"] for node in _nodes() if node["Alive"]]
