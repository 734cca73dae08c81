"""Tune's own word on trials, left out."""

from typing import Any

from ray.tune.progress_reporter import TrialProgressCallback


class Silent(TrialProgressCallback):
    """In the place of Tune's own, which Tune adds where it is given none: that one prints a line
    for each trial, at any verbosity, and keeps what it has printed of all of them.

    It does nothing else: where the environment asks for Tune's newer output, Tune drops it.
    """

    def on_trial_result(self, *_: Any, **__: Any) -> None: ...

    def on_trial_error(self, *_: Any, **__: Any) -> None: ...

    def on_trial_complete(self, *_: Any, **__: Any) -> None: ...
