"""Running trials on Ray Tune: a local instance or a cluster, the same code.

Which trials there are, which are done and what becomes of them is not Ray's business here: it
places them, reuses its workers, and starts a failed one again, which goes on from its checkpoint.
"""

import math
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

import ray
from ray import tune
from ray.tune.execution import class_cache
from ray.tune.experiment import Trial as TuneTrial
from ray.tune.search import Searcher

from sweep.backend.connection import (
    at_a_time,
    check_feasible,
    connected,
    let_start_together,
    node_of,
)
from sweep.backend.failures import out_of_gpu_memory
from sweep.backend.free_worker import FreeWorkerScheduler
from sweep.backend.groups import grouped
from sweep.backend.silent import Silent
from sweep.backend.warmup_queue import WarmupQueue
from sweep.options import Resources
from trainables.adapters.tune import run_group
from trainables.config.trial import Trial
from trainables.lifecycle.context import Inputs, RunContext
from trainables.lifecycle.record import History

# Tune gives its workers a variable for PyTorch Lightning. With one they would be none of those that
# Ray has started already, see `sweep.backend.connection.WORKER_SETTINGS`.
class_cache.DEFAULT_ENV_VARS = {}


class TrialCallback(Protocol):
    """What is told of the trials while they run, from the driver's thread."""

    def started(self, trial_id: str) -> None: ...
    def trained(self, trial_id: str, examples: int) -> None: ...
    def measured(self, trial_id: str, rows: History) -> None: ...  # of the trial's history
    def finished(self, trial_id: str) -> None: ...
    def retried(self, trial_id: str, error: str) -> None: ...
    def failed(self, trial_id: str, error: str, node: str) -> None: ...  # node: "", or its host


def run_trials(
    trials: Sequence[Trial],
    inputs: Inputs,
    context: RunContext,
    folder: Path,
    resources: Resources,
    watcher: TrialCallback,
    warmups: Mapping[str, str] = MappingProxyType({}),
    deadline: float = math.inf,
) -> None:
    """Run every trial to its end, good or bad, and tell the watcher.

    Those that run out of a GPU's memory are run once more after the others, each with a GPU of its
    own: a neighbour may have taken what they lacked.

    Args:
        trials: in the order in which they begin, as far as they need not wait for a warm-up.
        context: its storage is seen by every node.
        folder: of this machine alone, for Tune's own files.
        warmups: trial id → its warm-up, of those whose warm-up is not stored yet.
        deadline: of `time.monotonic`, after which none begins.

    Raises:
        InputError: no node of the cluster can ever run a trial.
        KeyboardInterrupt: passed on; what has finished is stored, what has not has its checkpoint.
    """
    with connected(resources), scratch(folder, resources) as own:
        left, asked = trials, resources
        while left:
            check_feasible(asked)
            let_start_together(asked)
            callback = _TuneCallback(watcher, asked)
            groups = grouped(left, asked.fuse)
            tune.Tuner(
                bound(run_group, inputs, context, asked, folder),
                tune_config=tune.TuneConfig(
                    search_alg=_GroupSearcher(groups, warmups, deadline),
                    scheduler=FreeWorkerScheduler(),
                    num_samples=len(groups),
                    # one that has started workers is left to end with them
                    reuse_actors=asked.workers == 1,
                    max_concurrent_trials=at_a_time(asked),
                ),
                run_config=tune.RunConfig(
                    name="tune",
                    storage_path=str(own),
                    failure_config=tune.FailureConfig(max_failures=asked.retries),
                    callbacks=[callback, Silent()],
                    verbose=0,
                ),
            ).fit()
            left = [trial for trial in left if trial.trial_id in callback.short]
            asked = asked.with_more_memory or asked


def bound(
    trainable: Callable[..., None],
    inputs: Inputs,
    context: RunContext,
    resources: Resources,
    scratch: Path,
) -> Any:
    """A trainable with its data, by Ray's object store, and what a trial of it takes."""
    if resources.workers > 1:
        from trainables.adapters.train import Team  # late: one worker has no need of Ray Train

        held = (ray.put(inputs),)
        team = Team(resources.workers, resources.cpus, resources.gpus, str(scratch), held)
        nothing = Inputs({}, {})
        with_team = tune.with_parameters(trainable, inputs=nothing, context=context, team=team)
        # all CPUs are the workers'; one byte, for Tune places nothing that takes nothing
        return tune.with_resources(with_team, {"cpu": 0, "memory": 1})
    with_inputs = tune.with_parameters(trainable, inputs=inputs, context=context)
    return tune.with_resources(with_inputs, {"cpu": resources.cpus, "gpu": resources.gpus})


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


class OwnSearcher(Searcher):
    """One whose state is elsewhere: Tune would pickle it for a restore, which is never made."""

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None: ...

    def save(self, checkpoint_path: str) -> None: ...

    def restore(self, checkpoint_path: str) -> None:
        raise NotImplementedError("a launch goes on from what is stored")

    def __getstate__(self) -> dict[str, Any]:
        return {}


class _GroupSearcher(OwnSearcher):
    """Tune's questions for another trial, each of which is a group of ours.

    Of a grid Tune would begin the next in any case, and copy all of them for each: of 5,000 trials
    none would have begun after ten minutes.
    """

    def __init__(
        self, groups: Sequence[Sequence[Trial]], warmups: Mapping[str, str], deadline: float
    ) -> None:
        super().__init__()
        self._deadline = deadline
        self._groups = {group[0].trial_id: group for group in groups}
        lacking = {
            name: {warmups[trial.trial_id] for trial in group if trial.trial_id in warmups}
            for name, group in self._groups.items()
        }
        self._turns = WarmupQueue(self._groups, lacking)
        self._taken: dict[str, str] = {}  # Tune's id → a group's name

    def suggest(self, trial_id: str) -> Any:
        if time.monotonic() > self._deadline:
            return str(Searcher.FINISHED)
        name = self._turns.take()
        if name is None:
            return str(Searcher.FINISHED) if self._turns.over else None
        self._taken[trial_id] = name
        trials = self._groups[name]
        return {
            "work": {
                "ids": [trial.trial_id for trial in trials],
                "trials": [trial.model_dump(mode="json") for trial in trials],
            }
        }

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        well = not error and not (result or {}).get("short")
        self._turns.ended(self._taken.pop(trial_id), well)


class _TuneCallback(tune.Callback):
    """Passes Tune's events on to the watcher: of each trial that one of Tune's holds."""

    def __init__(self, watcher: TrialCallback, resources: Resources) -> None:
        self.short: set[str] = set()  # trials that ran out of memory, and can have more
        self._watcher = watcher
        self._resources = resources
        self._finished: set[str] = set()
        self._tracebacks: dict[str, str] = {}  # of those that ran out of memory

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
        for trial_id, rows in result.get("history", {}).items():
            self._watcher.measured(trial_id, rows)
        for trial_id in self._unfinished(trial):
            if trial_id in result.get("left", ()):
                self._finish(trial_id)
            elif result.get("short"):
                self._tracebacks[trial_id] = result["short"]

    def on_trial_complete(
        self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **info: Any
    ) -> None:
        for trial_id in self._unfinished(trial):
            if trial_id in self._tracebacks:
                self._ran_out(trial_id)
            else:
                self._finish(trial_id)
        _forget(trial)

    def _ran_out(self, trial_id: str) -> None:
        """Of memory: it is left for the next turn, where it can have more."""
        again = self._resources.with_more_memory is not None
        error = out_of_gpu_memory(self._tracebacks[trial_id], self._resources.gpus, again)
        if again:
            self.short.add(trial_id)
            self._watcher.retried(trial_id, error)
        else:
            self._finished.add(trial_id)
            self._watcher.failed(trial_id, error, node_of(error))

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


def _forget(trial: TuneTrial) -> None:
    """What Tune keeps of a trial that is over, and nobody asks for: of thousands it is most of the
    driver's memory."""
    kept = trial.run_metadata
    kept.metric_analysis.clear()
    kept.metric_n_steps.clear()
    kept.last_result = {"done": True}  # Tune would ask a worker where there is none


def _ids(trial: TuneTrial) -> list[str]:
    return list(trial.config["work"]["ids"])


def traceback_of(trial: TuneTrial) -> str:
    """The trial's traceback; Tune's `get_error` looks where it will only be copied to later."""
    path = Path(trial.error_file or "")
    return path.read_text("utf-8", errors="replace") if path.is_file() else "unknown"
