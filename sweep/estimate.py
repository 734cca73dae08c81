"""How long a plan will take: from the trials that have been run, else from a moment's measuring."""

import time
from collections.abc import Iterable, Mapping

import torch
import torch.nn.functional as F
from mlflow.entities import Run

from sweep.planning import PlannedTrial
from sweep.worklist import Worklist
from trainables.data.images import Source
from trainables.models.build import build
from trainables.training import EVALUATION_BATCH, make_optimizer
from trainables.trial import Trial

STEPS = 10
SECONDS_A_TRIAL = 0.1  # Ray's part, with a worker that is reused


def seconds_from_runs(work: Worklist, runs: Iterable[Run]) -> float | None:
    """Seconds of one worker for what is to run, at the pace of the trials that MLflow holds."""
    costs = [(_number(run, "seconds_total"), _examples(run)) for run in runs]
    seconds = sum(s for s, n in costs if s and n)
    examples = sum(n for s, n in costs if s and n)
    return work.examples_to_train * seconds / examples if examples else None


def seconds_by_measuring(work: Worklist, sources: Mapping[str, Source]) -> float:
    """The same from a few steps of the first trial's network, on this machine's CPU."""
    if not work.to_run:
        return 0.0
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as a worker
    try:
        training, evaluation = _per_example(work.to_run[0].trial)
    finally:
        torch.set_num_threads(threads)
    evaluated = sum(_evaluated(planned, work, sources) for planned in work.to_run)
    own = SECONDS_A_TRIAL * len(work.to_run)
    return work.examples_to_train * training + evaluated * evaluation + own


def _per_example(trial: Trial) -> tuple[float, float]:
    """Seconds to train on an example, and to evaluate one."""
    device = torch.device("cpu")
    network = build(trial, device)
    optimizer = make_optimizer(network, trial.task.optimizer)
    random = torch.Generator().manual_seed(0)
    batch, shape, classes = trial.task.batch, trial.facts.shape, trial.facts.classes

    def train() -> None:
        inputs = torch.randn(batch, *shape, generator=random)
        labels = torch.randint(classes, (batch,), generator=random)
        optimizer.zero_grad()
        F.cross_entropy(network(inputs), labels).backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    train()
    started = time.perf_counter()
    for _ in range(STEPS):
        train()
    training = (time.perf_counter() - started) / (STEPS * batch)
    network.eval()
    images = torch.randn(EVALUATION_BATCH, *shape, generator=random)
    with torch.inference_mode():
        network(images)
        started = time.perf_counter()
        network(images)
    return training, (time.perf_counter() - started) / EVALUATION_BATCH


def _evaluated(planned: PlannedTrial, work: Worklist, sources: Mapping[str, Source]) -> int:
    """Examples that a trial is measured on along its way, about."""
    trial, data = planned.trial, planned.trial.data
    measured = data.validation + (data.test or len(sources[data.source].test))
    warms_up = work.examples[planned.trial_id] > trial.task_examples
    epochs = trial.task.epochs + (trial.warmup.epochs if trial.warmup and warms_up else 0)
    return epochs * measured + trial.task.epochs * data.examples


def _examples(run: Run) -> float:
    return _number(run, "examples_warmup") + _number(run, "examples_task")


def _number(run: Run, metric: str) -> float:
    return float(run.data.metrics.get(metric, 0.0))
