"""Running trials on Ray Tune: a local instance or a cluster, the same code.

Which trials there are, which are done and what becomes of them is not Ray's business here: it
places them, reuses its workers, and starts a failed one again, which goes on from its checkpoint.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

import ray
from ray import tune
from ray.tune.experiment import Trial as TuneTrial
from ray.tune.search import Searcher

from sweep.connection import at_a_time, check_feasible, connected, let_start_together, node_of
from sweep.resources import Resources
from sweep.turns import Turns
from trainables.data.examples import Source
from trainables.models.build import State
from trainables.trial import Trial
from trainables.tune import live


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
    warmups: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Run every trial to its end, good or bad, and tell the watcher.

    Args:
        trials: in the order in which they begin, as far as they need not wait for a warm-up.
        storage: where every node keeps what trials leave.
        folder: of this machine alone, for Tune's own files.
        warmups: trial id → its warm-up, of those whose warm-up is not stored yet.

    Raises:
        InputError: no node of the cluster can ever run a trial.
        KeyboardInterrupt: passed on; what has finished is stored, what has not has its checkpoint.
    """
    with connected(resources), scratch(folder, resources) as own:
        check_feasible(resources)
        let_start_together(resources)
        trainable = bound(live, sources, weights, storage, resources, commit, folder)
        tune.Tuner(
            trainable,
            tune_config=tune.TuneConfig(
                search_alg=_Asks(trials, warmups),
                num_samples=len(trials),
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


class _Asks(Searcher):
    """Tune's questions for another trial: of a grid it would begin the next in any case."""

    def __init__(self, trials: Sequence[Trial], warmups: Mapping[str, str]) -> None:
        super().__init__()
        self._trials = {trial.trial_id: trial for trial in trials}
        self._turns = Turns(tuple(self._trials), warmups)
        self._taken: dict[str, str] = {}  # Tune's id → trial id

    def suggest(self, trial_id: str) -> Any:
        taken = self._turns.take()
        if taken is None:
            return str(Searcher.FINISHED) if self._turns.over else None
        self._taken[trial_id] = taken
        fields = self._trials[taken].model_dump(mode="json")
        return {"work": {"id": taken, "trial": fields}}

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        self._turns.ended(self._taken.pop(trial_id), well=not error)

    def save(self, checkpoint_path: str) -> None:
        """Nothing: what has run is stored, and no restore is ever made."""

    def restore(self, checkpoint_path: str) -> None:
        raise NotImplementedError("a launch goes on from what is stored")

    def __getstate__(self) -> dict[str, Any]:
        return {}


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
