"""A trial, or several together, as a Ray Tune trainable: with `train.py`, for several workers, the
only file here that knows Ray.

A worker process is reused for many trials, so each sets what the last one may have left otherwise.
Nothing is reported but progress: what a trial leaves is in storage, under its own id.
"""

import time
import traceback
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from ray import tune

from trainables.config.trial import Trial
from trainables.errors import StackTooLargeError
from trainables.fused.trials import run_trials
from trainables.lifecycle.context import Inputs, RunContext
from trainables.lifecycle.listener import Listener
from trainables.lifecycle.record import History

if TYPE_CHECKING:
    from trainables.adapters.train import Team

REPORT_SECONDS = 1.0  # a report costs the worker a round trip to the driver


def run_group(
    config: Mapping[str, Any], inputs: Inputs, context: RunContext, team: "Team | None" = None
) -> None:
    """Run the trials in `config["work"]["trials"]`, together where they are several.

    Args:
        inputs: from Ray's object store.
        context: its device is `cuda` for the GPU that Ray has given the worker.
        team: the workers that run the only trial; they, and not this one, have the inputs.

    Reports of what has come since the last report, `examples`: those trained on, `by_trial`: the
    same by trial id, and `history`: rows of the trials' histories by trial id; and of all time
    `left`: the trials that have left their record; and `short`: the traceback where the others ran
    out of a GPU's memory, "" where none did. That is no error of Tune's, which would try again with
    what was too little.
    """
    reporter = _Reporter()
    try:
        _run(config["work"]["trials"], inputs, context, reporter, team)
    except Exception as error:
        if not _out_of_memory(error):
            raise
        reporter.short = traceback.format_exc()
    reporter.send()


def _out_of_memory(error: BaseException) -> bool:
    """On a GPU. What several workers raise comes as the text of another error."""
    return isinstance(error, (torch.OutOfMemoryError, StackTooLargeError)) or (
        "torch.OutOfMemoryError: CUDA" in str(error)
    )


def run_in_turn(
    config: Mapping[str, Any], inputs: Inputs, context: RunContext, team: "Team | None" = None
) -> None:
    """Run the trials in `config["work"]["trials"]` one after another.

    The arguments are those of `run_group`. Reports `examples` and `history` as that does, and
    `seeds`: how many of the trials have left their record. Whoever is told may stop the others.
    """
    reporter = _Reporter()
    for fields in config["work"]["trials"]:
        _run([fields], inputs, context, reporter, team)
        reporter.seeds += 1
        reporter.send()


def _run(
    trials: Sequence[Mapping[str, Any]],
    inputs: Inputs,
    context: RunContext,
    reporter: "_Reporter",
    team: "Team | None",
) -> None:
    group = [Trial.model_validate(fields) for fields in trials]
    if team is not None:
        from trainables.adapters.train import run_by_team  # late: one worker needs no Ray Train

        (trial,) = group
        run_by_team(team, trial, context)
        return
    if context.device.type == "cuda":
        torch.cuda.empty_cache()  # what the last trial took, and others on the GPU may need
    # two processes of two threads each are five times slower than of one each, on two cores
    torch.set_num_threads(1)
    run_trials(group, inputs.of(group[0]), context, reporter.listener)


class _Reporter:
    def __init__(self) -> None:
        self.seeds = 0  # trials lived
        self.short = ""  # the traceback of what ran out of memory
        self._examples: Counter[str] = Counter()  # by trial
        self._history: dict[str, History] = {}  # likewise
        self._left: list[str] = []  # trials whose record is stored
        self._sent_at = time.perf_counter()

    def listener(self, trial_id: str) -> Listener:
        return Listener(
            on_examples=lambda _, new: self._count(trial_id, new),
            on_history=lambda rows: self._history.setdefault(trial_id, []).extend(rows),
            on_record=lambda: self._left.append(trial_id),
        )

    def _count(self, trial_id: str, new: int) -> None:
        self._examples[trial_id] += new
        if time.perf_counter() - self._sent_at > REPORT_SECONDS:
            self.send()

    def send(self) -> None:
        by_trial = dict(self._examples)
        tune.report(
            {
                "examples": sum(by_trial.values()),
                "by_trial": by_trial,
                "history": dict(self._history),
                "left": list(self._left),
                "seeds": self.seeds,
                "short": self.short,
            }
        )
        self._examples.clear()
        self._history.clear()
        self._sent_at = time.perf_counter()
