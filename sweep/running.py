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
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import ray
from ray import tune
from ray.tune.experiment import Trial as TuneTrial

from sweep.errors import InputError
from sweep.grouping import grouped
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
        configs = [
            {
                "ids": [trial.trial_id for trial in group],
                "trials": [trial.model_dump(mode="json") for trial in group],
            }
            for group in grouped(trials, resources.fuse)
        ]
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
    """Passes Tune's events on to the watcher: of each trial that one of Tune's holds."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher
        self._finished: set[str] = set()

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune pickles its settings for a restore, which is never made

    def on_trial_start(
        self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **info: Any
    ) -> None:
        for trial_id in self._unfinished(trial):
            self._watcher.started(trial_id)

    def on_trial_result(
        self,
        iteration: int,
        trials: list[TuneTrial],
        trial: TuneTrial,
        result: dict[str, Any],
        **info: Any,
    ) -> None:
        # a team of workers lives one trial, and does not name it
        alone = {_ids(trial)[0]: result.get("examples", 0)}
        for trial_id, examples in result.get("by_trial", alone).items():
            self._watcher.trained(trial_id, int(examples))
        for trial_id in self._unfinished(trial):
            if trial_id in result.get("left", ()):
                self._finish(trial_id)

    def on_trial_complete(
        self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **info: Any
    ) -> None:
        for trial_id in self._unfinished(trial):
            self._finish(trial_id)

    def on_trial_recover(
        self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **info: Any
    ) -> None:
        for trial_id in self._unfinished(trial):
            self._watcher.retried(trial_id, traceback_of(trial))

    def on_trial_error(
        self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **info: Any
    ) -> None:
        error = traceback_of(trial)
        for trial_id in self._unfinished(trial):
            self._watcher.failed(trial_id, error, node_of(error))

    def _unfinished(self, trial: TuneTrial) -> list[str]:
        return [trial_id for trial_id in _ids(trial) if trial_id not in self._finished]

    def _finish(self, trial_id: str) -> None:
        self._finished.add(trial_id)
        self._watcher.finished(trial_id)


def _ids(trial: TuneTrial) -> list[str]:
    return list(trial.config["work"]["ids"])


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


def at_a_time(resources: Resources) -> int | None:
    """Trials at a time; None: Tune sees how many fit. It does not see the workers of a trial."""
    if resources.workers == 1:
        return resources.concurrency
    there = resources.slots(_alive())
    return min(resources.concurrency or there, there)


def _alive() -> list[dict[str, float]]:
    """What each node has."""
    return [node["Resources"] for node in _nodes() if node["Alive"]]
