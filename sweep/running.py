"""Running trials on Ray Tune: a local instance or a cluster, the same code.

Which trials there are, which are done and what becomes of them is not Ray's business here: it
places them, reuses its workers, and starts a failed one again, which goes on from its checkpoint.
"""

import gc
import logging
import os
import re
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

import psutil
import ray
from ray import tune
from ray.tune.experiment import Trial as TuneTrial

from sweep.errors import InputError
from sweep.resources import Resources
from trainables.data.examples import Source
from trainables.models.build import State
from trainables.trial import Trial
from trainables.tune import live

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
LAST_SECONDS = 2.0  # for what is left of Ray once it has been shut down


class Watcher(Protocol):
    """What is told of the trials while they run, from the driver's thread."""

    def started(self, trial_id: str) -> None: ...
    def trained(self, trial_id: str, examples: int) -> None: ...
    def finished(self, trial_id: str) -> None: ...
    def retried(self, trial_id: str, error: str) -> None: ...
    def failed(self, trial_id: str, error: str, node: str) -> None: ...  # node: "", or its host


def run_trials(
    trials: Sequence[Trial],
    sources: Mapping[str, Source],
    weights: Mapping[str, State],
    storage: Path | str,
    folder: Path,
    resources: Resources,
    commit: str,
    watcher: Watcher,
) -> None:
    """Run every trial to its end, good or bad, and tell the watcher.

    Args:
        storage: where every node keeps what trials leave.
        folder: of this machine alone, for Tune's own files.

    Raises:
        InputError: no node of the cluster can ever run a trial.
        KeyboardInterrupt: passed on; what has finished is stored, what has not has its checkpoint.
    """
    with connected(resources), scratch(folder, resources) as own:
        check_feasible(resources)
        trainable = bound(live, sources, weights, storage, resources, commit, folder)
        configs = [{"id": t.trial_id, "trial": t.model_dump(mode="json")} for t in trials]
        tune.Tuner(
            trainable,
            param_space={"work": tune.grid_search(configs)},
            tune_config=tune.TuneConfig(
                # one that has started workers is left to end with them
                reuse_actors=resources.workers == 1,
                max_concurrent_trials=at_a_time(resources),
            ),
            run_config=tune.RunConfig(
                name="tune",
                storage_path=str(own),
                failure_config=tune.FailureConfig(max_failures=resources.retries),
                callbacks=[_Tell(watcher)],
                verbose=0,
            ),
        ).fit()


def bound(
    trainable: Callable[..., None],
    sources: Mapping[str, Source],
    weights: Mapping[str, State],
    storage: Path | str,
    resources: Resources,
    commit: str,
    scratch: Path,
) -> Any:
    """A trainable of `trainables.tune` with its data, by Ray's object store, and what it takes."""
    if resources.workers > 1:
        from trainables.train import Team  # late: one worker has no need of Ray Train

        held = ray.put((dict(sources), dict(weights)))
        team = Team(resources.workers, resources.cpus, resources.gpus, str(scratch), (held,))
        with_team = tune.with_parameters(
            trainable,
            sources={},
            weights={},
            storage=str(storage),
            device=resources.device,
            commit=commit,
            team=team,
        )
        # all CPUs are the workers'; one byte, for Tune places nothing that takes nothing
        return tune.with_resources(with_team, {"cpu": 0, "memory": 1})
    with_data = tune.with_parameters(
        trainable,
        sources=dict(sources),
        weights=dict(weights),
        storage=str(storage),
        device=resources.device,
        commit=commit,
    )
    return tune.with_resources(with_data, {"cpu": resources.cpus, "gpu": resources.gpus})


@contextmanager
def scratch(folder: Path, resources: Resources) -> Iterator[Path]:
    """A folder for what Tune keeps of its own; nothing here is read again.

    Not where records are, whose disk may be full: Tune would give up where a trial only fails. But
    Ray Train, which a trial of several workers uses, wants it where all nodes see it.
    """
    place = folder if resources.workers > 1 else None
    if place is not None:
        place.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="ray-", dir=place, ignore_cleanup_errors=True) as own:
        yield Path(own)


class _Tell(tune.Callback):
    """Passes Tune's events on to the watcher."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune pickles its settings for a restore, which is never made

    def on_trial_start(
        self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **info: Any
    ) -> None:
        self._watcher.started(_id(trial))

    def on_trial_result(
        self,
        iteration: int,
        trials: list[TuneTrial],
        trial: TuneTrial,
        result: dict[str, Any],
        **info: Any,
    ) -> None:
        self._watcher.trained(_id(trial), int(result.get("examples", 0)))

    def on_trial_complete(
        self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **info: Any
    ) -> None:
        self._watcher.finished(_id(trial))

    def on_trial_recover(
        self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **info: Any
    ) -> None:
        self._watcher.retried(_id(trial), traceback_of(trial))

    def on_trial_error(
        self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **info: Any
    ) -> None:
        error = traceback_of(trial)
        self._watcher.failed(_id(trial), error, node_of(error))


def _id(trial: TuneTrial) -> str:
    return str(trial.config["work"]["id"])


def traceback_of(trial: TuneTrial) -> str:
    """The trial's traceback; Tune's `get_error` looks where it will only be copied to later."""
    path = Path(trial.error_file or "")
    return path.read_text("utf-8", errors="replace") if path.is_file() else "unknown"


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
    address = resources.address or os.environ.get("RAY_ADDRESS")
    before = _children()
    with _later() as asked_to_end:
        try:
            ray.init(
                address=address or "local",
                include_dashboard=None if address else False,
                logging_level=logging.ERROR,
                log_to_driver=False,
            )
        except SystemExit:  # Ray's own answer to SIGTERM
            asked_to_end.append(signal.SIGTERM)
        except Exception as error:  # bare ones, such as where Ray's processes start too slowly
            if not asked_to_end:
                where = f"--address {address}" if address else "Ray does not start on this machine"
                raise InputError(f"{where}: {' '.join(str(error).split())}") from error
    if asked_to_end:
        begun = [process for process in _children() if process not in before]
        _shut_down()
        # those that Ray's own have begun a moment ago go on where it ends as early as this
        for process in psutil.wait_procs(begun, timeout=LAST_SECONDS)[1]:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        raise KeyboardInterrupt
    try:
        yield
    finally:
        _shut_down()


def _children() -> list[psutil.Process]:
    """The processes that this one has started, and theirs."""
    return list(psutil.Process().children(recursive=True))


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


def at_a_time(resources: Resources) -> int | None:
    """Trials at a time; None: Tune sees how many fit. It does not see the workers of a trial."""
    if resources.workers == 1:
        return resources.concurrency
    there = resources.slots(_alive())
    return min(resources.concurrency or there, there)


def _alive() -> list[dict[str, float]]:
    """What each node has."""
    return [node["Resources"] for node in _nodes() if node["Alive"]]
