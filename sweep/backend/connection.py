"""Connected to Ray, and what its nodes have. Without Tune, which takes a second to import."""

import gc
import logging
import os
import re
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

import psutil
import ray

from analysis.errors import one_line
from sweep.backend.capacity import cpus, this_machine
from sweep.backend.ray_folder import OWN, RayFolder, own_token, ray_folder
from sweep.errors import InputError
from sweep.options import Resources

# Tune writes CSV, JSON and TensorBoard files for each trial unless told not to, answers Ctrl-C by
# waiting for the trials, and prints a banner that no verbosity silences, and every traceback.
TUNE_SETTINGS = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
}
# For the workers of a local instance. Tune lives each trial in a thread of its own, and each thread
# gets a heap: without this a worker grows by 350 MB over some fifty trials, and is no faster. What
# takes seconds to import is there before the first trial is.
WORKER_SETTINGS = {"MALLOC_ARENA_MAX": "1", "RAY_preload_python_modules": "sweep,torch,ray.tune"}
LAST_SECONDS = 2.0  # for what is left of Ray once it has been shut down


def node_of(error: str) -> str:
    """The host that a traceback comes from, "" where that cannot be known: Ray gives its address
    with what a worker raises, or with the worker that died."""
    address = re.search(r"\bip[=:] ?([\w.]+)", error, re.IGNORECASE)
    hosts = {node["NodeManagerAddress"]: node["NodeManagerHostname"] for node in _nodes()}
    return str(hosts.get(address[1], "")) if address else ""


def _nodes() -> list[dict[str, Any]]:
    return list(ray.nodes())  # type: ignore[no-untyped-call]


@contextmanager
def connected(resources: Resources) -> Iterator[None]:
    """Connected to Ray; a local instance ends with the context, and what it has written goes with
    it. A cluster goes on.

    Within another such context it is that one's connection.

    Raises:
        InputError: Ray does not start, or the cluster does not take us.
    """
    os.environ |= TUNE_SETTINGS
    if ray.is_initialized():
        yield
        return
    os.environ |= WORKER_SETTINGS
    logging.getLogger("ray").setLevel(logging.ERROR)
    address = resources.cluster
    if address:
        with _joined(lambda error: _refusal(address, error), address=address):
            yield
        return
    os.environ |= own_token()
    with ray_folder() as folder:

        def refused(error: Exception) -> str:
            folder.keep = True
            return _does_not_start(folder, error)

        with _joined(
            refused,
            address="local",
            num_cpus=cpus(),
            # Ray counts them otherwise than PyTorch, which trains on them
            num_gpus=int(this_machine(gpus=True)["GPU"]) if resources.gpus else None,
            include_dashboard=False,
            _temp_dir=folder.temp_dir,
        ):
            yield


@contextmanager
def _joined(refusal: Callable[[Exception], str], **where: Any) -> Iterator[None]:
    with _later() as asked_to_end:
        try:
            ray.init(**where, logging_level=logging.ERROR, log_to_driver=False)
        except SystemExit:  # Ray's own answer to SIGTERM
            asked_to_end.append(signal.SIGTERM)
        except Exception as error:  # bare ones, as where Ray's processes start too slowly
            _shut_down()
            if not asked_to_end:
                raise InputError(refusal(error)) from error
    if asked_to_end:
        _shut_down()
        raise KeyboardInterrupt
    try:
        yield
    finally:
        _shut_down()


@contextmanager
def _later() -> Iterator[list[int]]:
    """The first SIGINT or SIGTERM is noted, and does nothing else meanwhile.

    What Ray has started can be ended once it is there, and not while it is starting. Afterwards
    both mean what they meant before: Ray puts an answer to SIGTERM of its own in place.
    """
    noted: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield noted
        return

    def note(number: int, _: FrameType | None) -> None:
        if noted:
            raise KeyboardInterrupt
        noted.append(number)

    ends = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, note) for number in ends}
    try:
        yield noted
    finally:
        for number, answer in before.items():
            signal.signal(number, answer)


def _refusal(address: str, error: Exception) -> str:
    return (
        f"--address {address}: Ray does not connect ({_cause(error)}); is it the HOST:PORT of a "
        "head node, with the same versions of Ray and Python, and are RAY_AUTH_MODE and "
        "RAY_AUTH_TOKEN_PATH as there?"
    )


def _does_not_start(folder: RayFolder, error: Exception) -> str:
    memory = psutil.virtual_memory().available / 1e9
    room = shutil.disk_usage(folder.path).free / 1e9
    busy = psutil.getloadavg()[0]
    return (
        f"Ray does not start on this machine ({_cause(error)}); it takes 1 GB of memory, of which "
        f"{memory:.1f} are free, 0.01 of room in {folder.path.parent}, of which {room:.1f} are, "
        f"and some seconds of a CPU: {busy:.0f} processes want the {cpus()} here. What it says "
        f"itself is in {folder.temp_dir}/session_latest/logs until the next launch; or give a "
        "cluster's --address"
    )


def _cause(error: Exception) -> str:
    return one_line(error)[:300].rstrip(".")


def _shut_down() -> None:
    """Leave Ray, with no garbage collection meanwhile.

    Tune leaves cycles that hold references to Ray's objects. Were another thread to collect them
    while Ray shuts down, Ray would end the process.
    """
    gc.collect()
    gc.disable()
    begun = _rays_own()
    try:
        ray.shutdown()
    finally:
        gc.enable()
    # what has only just begun as Ray ends may miss it, and go on for ever
    late = psutil.wait_procs(begun, timeout=LAST_SECONDS)[1]
    for process in late:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(late, timeout=LAST_SECONDS)


def _rays_own() -> list[psutil.Process]:
    found: list[psutil.Process] = []
    for child in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):
            if any(f"/{OWN}/session_" in word for word in child.cmdline()):
                found += [child, *child.children(recursive=True)]
    return found


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


def slots_now(resources: Resources) -> int:
    return resources.slots(_alive())


def let_start_together(resources: Resources) -> None:
    """As many workers as fit. Tune would start one, wait until it runs, and only then the next; and
    an autoscaling cluster sees from those that are waited for that there is more to do."""
    os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(slots_now(resources))


def at_a_time(resources: Resources) -> int | None:
    """Trials at a time; None: Tune sees how many fit. It does not see the workers of a trial."""
    return resources.concurrency if resources.workers == 1 else slots_now(resources)


def node_resources() -> dict[str, dict[str, float]]:
    """What each node that is alive has, by its id."""
    return {node["NodeID"]: node["Resources"] for node in _nodes() if node["Alive"]}


def _alive() -> list[dict[str, float]]:
    return list(node_resources().values())
