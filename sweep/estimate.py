"""How long a plan will take: from the trials that have been run, else from a moment's measuring."""

import itertools
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace

import torch
from mlflow.entities import Run

from sweep.planning import PlannedTrial
from sweep.worklist import Worklist
from trainables.data.examples import Source
from trainables.models.build import State, build
from trainables.optimizers import make_optimizer
from trainables.preparation import prepare
from trainables.training import evaluate, evaluation_batches, shuffled, train_epoch
from trainables.trial import Trial

SECONDS_OF_MEASURING = 1.0  # of training; evaluation takes one batch
SECONDS_A_TRIAL = 0.1  # Ray's part, with a worker that is reused


def seconds_from_runs(work: Worklist, runs: Iterable[Run]) -> float | None:
    """Seconds of one worker for what is to run, at the pace of the trials that MLflow holds."""
    costs = [(_number(run, "seconds_total"), _examples(run)) for run in runs]
    seconds = sum(s for s, n in costs if s and n)
    examples = sum(n for s, n in costs if s and n)
    return work.examples_to_train * seconds / examples if examples else None


def seconds_by_measuring(
    work: Worklist, sources: Mapping[str, Source], weights: Mapping[str, State]
) -> float:
    """The same from a few steps of the first trial's network, on this machine's CPU."""
    if not work.to_run:
        return 0.0
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as a worker
    try:
        training, evaluation = _per_example(work.to_run[0].trial, sources, weights)
    finally:
        torch.set_num_threads(threads)
    evaluated = sum(_evaluated(planned, work, sources) for planned in work.to_run)
    own = SECONDS_A_TRIAL * len(work.to_run)
    return work.examples_to_train * training + evaluated * evaluation + own


def _per_example(
    trial: Trial, sources: Mapping[str, Source], weights: Mapping[str, State]
) -> tuple[float, float]:
    """Seconds to train on an example, and to evaluate one."""
    device, data = torch.device("cpu"), trial.data
    source = sources[data.loaded(data.source)]
    network = build(trial, device, weights.get(trial.model.facts.weights or ""))
    optimizer = make_optimizer(network.parameters(), trial.task.optimizer)
    train = prepare(trial, source, None, device).train
    order = torch.Generator().manual_seed(0)
    trained, started = 0, time.perf_counter()
    while time.perf_counter() - started < SECONDS_OF_MEASURING:
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


def _evaluated(planned: PlannedTrial, work: Worklist, sources: Mapping[str, Source]) -> int:
    """Examples that a trial is measured on along its way, about."""
    trial, data = planned.trial, planned.trial.data
    measured = data.validation + (data.test or len(sources[data.loaded(data.source)].test))
    warms_up = work.examples[planned.trial_id] > trial.task_examples
    epochs = trial.task.epochs + (trial.warmup.epochs if trial.warmup and warms_up else 0)
    return epochs * measured + trial.task.epochs * data.examples


def _examples(run: Run) -> float:
    return _number(run, "examples_warmup") + _number(run, "examples_task")


def _number(run: Run, metric: str) -> float:
    return float(run.data.metrics.get(metric, 0.0))
