"""What does our code add to PyTorch's own time? `python -m benchmarks.overhead [--study]`

Two ratios, each within one run on one machine, since its speed drifts from one to the next:

- a trial's training (warm-up and task, as its record says) against a bare PyTorch loop that takes
  the same steps, in turns; bound: 1.10
- with --study, the laptop study's wall time, from the command's start to its end, against the
  seconds of its trials over the workers; bound: 1.20
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from mlflow import MlflowClient

from analysis.records import read_record
from analysis.results import load_study
from sweep.planning import make_plan
from sweep.sources import Sources
from sweep.study import load_study as study_file
from trainables.life import run_trial
from trainables.models.build import build
from trainables.preparation import prepare
from trainables.storage import Storage
from trainables.trial import Trial

ROUNDS = 7


def training_ratios(rounds: int = ROUNDS) -> list[float]:
    """Our seconds over the bare loop's, round by round, on one thread of the CPU."""
    torch.set_num_threads(1)
    sources = Sources()
    plan = make_plan(study_file("noise_ablation"), sources.look, replicates=rounds + 1)
    trials = [p.trial for p in plan.trials if p.condition == "gaussian"]
    ratios = [_seconds(trial, sources) / _bare_seconds(trial, sources) for trial in trials]
    return ratios[1:]  # the first round warms the machine up


def _seconds(trial: Trial, sources: Sources) -> float:
    with tempfile.TemporaryDirectory() as folder:
        storage = Storage(folder)
        key = run_trial(trial, *_images(trial, sources), storage, torch.device("cpu"))
        payload = storage.get(key)
    assert payload is not None
    seconds = read_record(payload).seconds
    return float(seconds["warmup"] + seconds["task"])


def _bare_seconds(trial: Trial, sources: Sources) -> float:
    """The same numbers of the same steps, written down as shortly as PyTorch allows."""
    assert trial.warmup is not None
    data = prepare(trial, *_images(trial, sources), torch.device("cpu"))
    network = build(trial, torch.device("cpu"))
    network.train()
    shape = (trial.warmup.batch, *trial.facts.shape)
    started = time.perf_counter()
    adam = torch.optim.Adam(network.parameters(), lr=trial.warmup.optimizer.lr, fused=True)
    for _ in range(trial.warmup.epochs * trial.warmup.steps_per_epoch):
        _step(network, adam, torch.randn(shape), torch.randint(trial.facts.classes, shape[:1]))
    decay = trial.task.optimizer.weight_decay
    adam = torch.optim.Adam(
        network.parameters(), lr=trial.task.optimizer.lr, weight_decay=decay, fused=True
    )
    for _ in range(trial.task.epochs):
        for chosen in torch.split(torch.randperm(trial.data.examples), trial.task.batch):
            _step(network, adam, data.train.inputs[chosen], data.train.labels[chosen])
    return time.perf_counter() - started


def _step(
    network: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    inputs: torch.Tensor,
    labels: torch.Tensor,
) -> None:
    optimizer.zero_grad()
    F.cross_entropy(network(inputs), labels).backward()
    optimizer.step()


def _images(trial: Trial, sources: Sources) -> tuple:  # type: ignore[type-arg]
    ood = trial.data.ood
    data = trial.data
    return sources.get(data, data.source), None if ood is None else sources.get(data, ood)


def study_ratio() -> tuple[float, float, float]:
    """(wall seconds, seconds of the trials over the workers, of these their training alone)."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW")}
        environment["PYTHONPATH"] = str(Path(__file__).parents[1])
        started = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "sweep.launch", "noise_ablation"],
            cwd=folder,
            env=environment,
            check=True,
        )
        wall = time.perf_counter() - started
        results = load_study(MlflowClient(f"sqlite:///{folder}/mlflow.db"), "noise_ablation")
    costs = [trial.record.seconds for trial in results.trials if trial.record]
    workers = os.cpu_count() or 1
    total = sum(cost["total"] for cost in costs) / workers
    training = sum(cost.get("warmup", 0) + cost["task"] for cost in costs) / workers
    return wall, total, training


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.overhead", description=__doc__)
    parser.add_argument("--study", action="store_true", help="the laptop study too: minutes")
    asked = parser.parse_args()
    ratios = training_ratios()
    print(
        f"training against a bare loop: {statistics.median(ratios):.3f} "
        f"(median of {len(ratios)}; {min(ratios):.3f} to {max(ratios):.3f})"
    )
    if asked.study:
        wall, total, training = study_ratio()
        print(
            f"study: {wall:.0f} s against {total:.0f} s of trials over the workers: "
            f"{wall / total:.3f}; against their training alone ({training:.0f} s): "
            f"{wall / training:.3f}"
        )


if __name__ == "__main__":
    main()
