"""Which trial a worker that is free goes on with."""

from typing import Any

from ray.tune.experiment import Trial as TuneTrial
from ray.tune.schedulers import FIFOScheduler


class FreeWorkerScheduler(FIFOScheduler):
    """First come, first served, but for trials whose own worker is on its way.

    Tune gives a free worker the first trial that waits, and ends the worker that is being started
    for it. Where trials are shorter than a start, which imports PyTorch, one worker would so run
    all of them, while others are started and ended for ever.

    A trial whose worker still waits for a place is served: it may wait for long. So is one whose
    worker is on its way where no other trial waits, by Tune itself; none is lost with a worker that
    never starts.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._in_order: dict[TuneTrial, None] = {}  # those that are not over

    def on_trial_add(self, tune_controller: Any, trial: TuneTrial) -> None:
        self._in_order[trial] = None

    def on_trial_complete(self, tune_controller: Any, trial: TuneTrial, result: Any) -> None:
        self._in_order.pop(trial, None)

    def on_trial_error(self, tune_controller: Any, trial: TuneTrial) -> None:
        self._in_order.pop(trial, None)

    def on_trial_remove(self, tune_controller: Any, trial: TuneTrial) -> None:
        self._in_order.pop(trial, None)

    def choose_trial_to_run(self, tune_controller: Any) -> TuneTrial | None:
        # what Tune gives a scheduler warns where it is asked for more than trials
        tune = tune_controller._tune_controller
        for trial in self._in_order:
            worker = tune._trial_to_actor.get(trial)
            starts = worker is not None and tune._actor_manager.is_actor_started(worker)
            if trial.status == TuneTrial.PENDING and not starts:
                return trial
        return None
