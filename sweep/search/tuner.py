"""A search on Ray Tune: its proposals as Tune's trials, each run seed by seed on one worker.

Ray's own OptunaSearch will not do: it tells a stopped trial as complete, leaves one whose objective
is NaN running for ever, knows no constraints, cannot tell a dead launcher's proposals from its own,
and its draws depend on how often it was asked. The searcher here passes Tune's questions on.
"""

from pathlib import Path
from typing import Any, Protocol

from ray import tune
from ray.tune.experiment import Trial as TuneTrial
from ray.tune.search import Searcher

from sweep.backend.connection import check_feasible, connected, let_start_together, slots_now
from sweep.backend.free_worker import FreeWorkerScheduler
from sweep.backend.silent import Silent
from sweep.backend.tuner import OwnSearcher, bound, scratch, traceback_of
from sweep.options import Resources
from sweep.search.ask_tell import AskTell, RunningProposal
from sweep.search.proposals import Proposal
from trainables.adapters.tune import run_in_turn
from trainables.config.trial import Trial
from trainables.lifecycle.context import Inputs, RunContext
from trainables.lifecycle.record import History


class ProposalCallback(Protocol):
    """What is told of the proposals while they run, from the driver's thread."""

    def proposed(self, live: RunningProposal) -> None: ...
    def trained(self, examples: int) -> None: ...
    def measured(self, live: RunningProposal, trial_id: str, rows: History) -> None: ...
    def recorded(self, live: RunningProposal, trial: Trial) -> None: ...
    def finished(self, proposal: Proposal) -> None: ...
    def retried(self, number: int, error: str) -> None: ...
    def failed(self, number: int, error: str) -> None: ...


def run_search(
    ask_tell: AskTell,
    inputs: Inputs,
    context: RunContext,
    folder: Path,
    resources: Resources,
    watcher: ProposalCallback,
) -> None:
    """Run proposals until there are enough, or the time is up.

    Raises:
        InputError: no node can ever run a trial, or a proposal cannot be a trial.
        KeyboardInterrupt: passed on; what was running comes again.
    """
    with connected(resources), scratch(folder, resources) as own:
        check_feasible(resources)
        let_start_together(resources)
        try:
            tune.Tuner(
                bound(run_in_turn, inputs, context, resources, folder),
                tune_config=tune.TuneConfig(
                    search_alg=_ProposalSearcher(ask_tell, resources, watcher),
                    scheduler=_SeedStopper(ask_tell, watcher),
                    num_samples=-1,
                    reuse_actors=resources.workers == 1,
                ),
                run_config=tune.RunConfig(
                    name="tune",
                    storage_path=str(own),
                    failure_config=tune.FailureConfig(max_failures=resources.retries),
                    callbacks=[_TuneCallback(ask_tell, watcher), Silent()],
                    verbose=0,
                ),
            ).fit()
        finally:
            ask_tell.give_up()


class _ProposalSearcher(OwnSearcher):
    def __init__(self, ask_tell: AskTell, resources: Resources, watcher: ProposalCallback) -> None:
        super().__init__()
        self._ask_tell, self._resources, self._watcher = ask_tell, resources, watcher

    def suggest(self, trial_id: str) -> Any:
        """No more than can run at once: what is asked ahead of time is asked with less known."""
        self._ask_tell.alive()
        if len(self._ask_tell.running) >= max(1, slots_now(self._resources)):
            return None
        live = self._ask_tell.ask()
        if live is None:
            return str(Searcher.FINISHED)
        self._watcher.proposed(live)
        trials = [trial.model_dump(mode="json") for trial in live.members]
        return {"work": {"id": str(live.number), "trials": trials}}


class _SeedStopper(FreeWorkerScheduler):
    def __init__(self, ask_tell: AskTell, watcher: ProposalCallback) -> None:
        super().__init__()
        self._ask_tell, self._watcher = ask_tell, watcher

    def on_trial_result(self, controller: Any, trial: TuneTrial, result: dict[str, Any]) -> str:
        live = self._ask_tell.running[_number(trial)]
        self._watcher.trained(int(result.get("examples", 0)))
        for trial_id, rows in result.get("history", {}).items():
            self._watcher.measured(live, trial_id, rows)
        for member in self._ask_tell.seeds_done(live.number, int(result.get("seeds", 0))):
            self._watcher.recorded(live, member)
        return str(self.STOP if live.ended else self.CONTINUE)

    def __getstate__(self) -> dict[str, Any]:
        return {}


class _TuneCallback(tune.Callback):
    """How a proposal's trials have ended."""

    def __init__(self, ask_tell: AskTell, watcher: ProposalCallback) -> None:
        self._ask_tell, self._watcher = ask_tell, watcher

    def __getstate__(self) -> dict[str, Any]:
        return {}

    def on_trial_complete(
        self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **info: Any
    ) -> None:
        self._watcher.finished(self._ask_tell.finished(_number(trial)))

    def on_trial_recover(
        self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **info: Any
    ) -> None:
        self._watcher.retried(_number(trial), traceback_of(trial))

    def on_trial_error(
        self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **info: Any
    ) -> None:
        error = traceback_of(trial)
        self._ask_tell.failed(_number(trial), error)
        self._watcher.failed(_number(trial), error)


def _number(trial: TuneTrial) -> int:
    return int(trial.config["work"]["id"])
