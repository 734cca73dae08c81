"""How long a plan will take: from the trials that have been run, else from a moment's measuring."""

import itertools
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace

import torch
from mlflow.entities import Run

from analysis.results.tags import DEVICE
from sweep.plan.plan import PlannedTrial
from sweep.run.worklist import Worklist
from sweep.tracking.entities import parameters
from trainables.config.trial import Trial
from trainables.data.splits import prepare
from trainables.lifecycle.context import Inputs
from trainables.models.build import build
from trainables.training.loop import evaluate, evaluation_batches, shuffled, train_epoch
from trainables.training.optimizers import make_optimizer

SECONDS_OF_MEASURING = 1.0  # of training, of all networks; evaluation takes one batch of each
LEAST_SECONDS = 0.1  # of each
SECONDS_A_TRIAL = 0.1  # Ray's part, with a worker that is reused

_PACED_BY = ("model.", "compute.", "data.facts.kind", "data.facts.shape", "data.facts.classes")
_SAME_PACE = ("model.weights", "model.facts.weights", "model.init")

Pace = tuple[tuple[str, str], ...]  # what the time that an example takes depends on


def pace_of(parameters: Mapping[str, str]) -> Pace:
    """Of a trial's or a run's parameters, those on which the time that an example takes depends:
    the network with its arguments, size and code, its inputs and outputs, and the arithmetic."""
    return tuple(
        sorted(
            (name, value)
            for name, value in parameters.items()
            if name.startswith(_PACED_BY)
            and name not in _SAME_PACE
            # runs of an earlier release have none of a fact that is not the case
            and not (name.startswith("model.facts.") and value in ("null", "false"))
        )
    )


def seconds_from_runs(work: Worklist, runs: Iterable[Run], device: str = "cpu") -> float | None:
    """Seconds of one worker for what is to run, at the pace of the trials that MLflow holds of the
    same networks. None: of one of them it holds none.

    Args:
        device: that is planned for, `cpu` or `cuda`.
    """
    seconds: defaultdict[Pace, float] = defaultdict(float)
    examples: defaultdict[Pace, float] = defaultdict(float)
    for run in runs:
        there = "cpu" if run.data.tags.get(DEVICE, device) == "cpu" else "cuda"
        taken, trained = _number(run, "seconds_total"), _examples(run)
        if taken and trained and there == device:
            seconds[pace_of(run.data.params)] += taken
            examples[pace_of(run.data.params)] += trained
    wanted = _by_pace(work)
    if not wanted or wanted.keys() - seconds.keys():
        return None
    return sum(
        work.examples[planned.trial_id] * seconds[pace] / examples[pace]
        for pace, trials in wanted.items()
        for planned in trials
    )


def seconds_by_measuring(work: Worklist, inputs: Inputs) -> float:
    """The same from a few steps of each network, on this machine's CPU."""
    wanted = _by_pace(work)
    each = max(SECONDS_OF_MEASURING / max(len(wanted), 1), LEAST_SECONDS)
    seconds = SECONDS_A_TRIAL * len(work.to_run)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as a worker
    try:
        for trials in wanted.values():
            training, evaluation = _per_example(trials[0].trial, inputs, each)
            for planned in trials:
                seconds += work.examples[planned.trial_id] * training
                seconds += _evaluated(planned, work, inputs) * evaluation
    finally:
        torch.set_num_threads(threads)
    return seconds


def _by_pace(work: Worklist) -> dict[Pace, list[PlannedTrial]]:
    """What is to run, by what the time that an example takes depends on."""
    found: dict[Pace, list[PlannedTrial]] = {}
    for planned in work.to_run:
        described = {one.key: one.value for one in parameters(planned.trial)}
        found.setdefault(pace_of(described), []).append(planned)
    return found


def _per_example(trial: Trial, inputs: Inputs, seconds: float) -> tuple[float, float]:
    """Seconds to train on an example, and to evaluate one, by about so many of training."""
    device, given = torch.device("cpu"), inputs.of(trial)
    network = build(trial, device, given.weights)
    optimizer = make_optimizer(network.parameters(), trial.task.optimizer)
    train = prepare(trial, given.source, None, device).train
    order = torch.Generator().manual_seed(0)
    trained, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        step = itertools.islice(shuffled(train, trial.task.batch, order), 1)
        train_epoch(network, optimizer, step, lambda examples: None)
        trained += min(trial.task.batch, len(train))
    training = (time.perf_counter() - started) / trained
    part = evaluation_batches(train)[0]
    positions = None if train.positions is None else train.positions[part]
    few = replace(train, inputs=train.inputs[part], labels=train.labels[part], positions=positions)
    started = time.perf_counter()
    evaluate(network, few)
    return training, (time.perf_counter() - started) / len(few)


def _evaluated(planned: PlannedTrial, work: Worklist, inputs: Inputs) -> int:
    """Examples that a trial is measured on along its way, about."""
    trial, data = planned.trial, planned.trial.data
    measured = data.validation + (data.test or len(inputs.of(trial).source.test))
    warms_up = work.examples[planned.trial_id] > trial.task_examples
    epochs = trial.task.epochs + (trial.warmup.epochs if trial.warmup and warms_up else 0)
    return epochs * measured + trial.task.epochs * data.examples


def _examples(run: Run) -> float:
    return _number(run, "examples_warmup") + _number(run, "examples_task")


def _number(run: Run, metric: str) -> float:
    return float(run.data.metrics.get(metric, 0.0))
