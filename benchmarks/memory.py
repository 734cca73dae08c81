"""How much memory does a launch take, and does a worker keep any? `python -m benchmarks.memory`

Two tables of resident megabytes:

- a worker process that lives a hundred small trials one after another, in turns of several kinds
  (an MLP, a small ResNet, one with probes, a control): after every ten. The slope is that of a
  line through the second half, where caches are filled; a worker that keeps nothing has none.
- a launch of `noise_ablation` at scale smoke: the peak of the driver, and of the largest worker.
"""

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil

if TYPE_CHECKING:  # it imports PyTorch, which the process that looks at a launch needs not
    from trainables.lifecycle.record import History

HERE = Path(__file__).parents[1]
MEGABYTE = 2**20
LOOK_SECONDS = 0.1

SMALL: dict[str, Any] = {
    "data.examples": 100,
    "data.validation": 50,
    "data.test": 200,
    "data.ood_examples": 200,
    "warmup.examples": 512,
    "warmup.epochs": 2,
    "warmup.batch": 64,
    "task.epochs": 2,
    "task.batch": 64,
}
KINDS: tuple[dict[str, Any], ...] = (
    {"model.depth": 6},
    {"model.depth": 6, "warmup.noise.distribution": "pink"},
    {"model.depth": 3, "probes": ["layers", "gradients", "odin"]},
    {"model.depth": 6, "arm": "control", "warmup": None},
    {"model": "resnet18", "data.test": 50, "data.ood_examples": 50, "warmup.examples": 128},
)


def worker(trials: int, every: int) -> list[tuple[int, float]]:
    """(trials lived, resident MB of the worker) after every so many, from the first such."""
    # late: the process that only looks at a launch needs none of this
    import ray
    import torch

    from sweep.backend.connection import connected
    from sweep.backend.tuner import run_trials
    from sweep.inputs.datasets import Sources
    from sweep.inputs.networks import Networks
    from sweep.options import Resources
    from sweep.plan.fields import parse_trial, with_fields
    from trainables.lifecycle.context import Inputs, RunContext
    from trainables.storage.storage import Storage

    sources, networks = Sources(), Networks()
    asked = []
    for seed in range(trials):
        fields = with_fields({}, SMALL | KINDS[seed % len(KINDS)] | {"seed": seed})
        asked.append(networks.resolve(sources.resolve(parse_trial(fields))))
    resources = Resources(concurrency=1)
    looking = _Looking(every)
    with tempfile.TemporaryDirectory() as folder, connected(resources):
        assert ray.is_initialized()
        context = RunContext(Storage(folder), torch.device("cpu"))
        run_trials(asked, Inputs(sources.loaded, {}), context, Path(folder), resources, looking)
    assert looking.done == trials
    return looking.found


class _Looking:
    """Looks at the one worker as trials end."""

    def __init__(self, every: int) -> None:
        self.every, self.done = every, 0
        self.found: list[tuple[int, float]] = []

    def started(self, trial_id: str) -> None: ...
    def trained(self, trial_id: str, examples: int) -> None: ...
    def measured(self, trial_id: str, rows: "History") -> None: ...

    def finished(self, trial_id: str) -> None:
        self.done += 1
        if self.done % self.every == 0:
            self.found.append((self.done, max(_workers(psutil.Process()).values())))

    def retried(self, trial_id: str, error: str) -> None:
        raise AssertionError(error)

    def failed(self, trial_id: str, error: str, node: str) -> None:
        raise AssertionError(error)


def _workers(launch: psutil.Process) -> dict[int, float]:
    """Resident MB of each of its processes that lives trials."""
    found = {}
    for process in launch.children(recursive=True):
        try:
            if "ImplicitFunc" in " ".join(process.cmdline()):
                found[process.pid] = process.memory_info().rss / MEGABYTE
        except psutil.Error:  # it has ended
            continue
    return found


def peaks() -> tuple[float, float]:
    """Peak resident MB of a launch's driver, and of the largest of its workers."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW", "RAY"))}
    with tempfile.TemporaryDirectory() as folder:
        launch = psutil.Popen(
            [sys.executable, "-m", "sweep.launch", "noise_ablation", "--scale", "smoke"],
            cwd=folder,
            env=environment | {"PYTHONPATH": str(HERE)},
            stdout=subprocess.DEVNULL,
        )
        driver, largest = 0.0, 0.0
        while launch.poll() is None:
            with contextlib.suppress(psutil.Error):
                driver = max(driver, launch.memory_info().rss / MEGABYTE)
                largest = max(largest, *_workers(launch).values(), 0.0)
            time.sleep(LOOK_SECONDS)
        assert launch.returncode == 0
    return driver, largest


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.memory", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--every", type=int, default=10)
    asked = parser.parse_args()
    found = worker(asked.trials, asked.every)
    print("| Trials lived | Worker, MB |\n| --- | --- |")
    for trials, megabytes in found:
        print(f"| {trials} | {megabytes:.0f} |")
    second_half = found[len(found) // 2 :]
    if len(second_half) > 1:
        lived, resident = np.array(second_half).T
        slope = np.polyfit(lived, resident, deg=1)[0]
        print(f"\nGrowth over the second half: {slope:+.3f} MB a trial")
    driver, largest = peaks()
    print("\n| Launch | Peak, MB |\n| --- | --- |")
    print(f"| driver | {driver:.0f} |\n| largest worker | {largest:.0f} |")


if __name__ == "__main__":
    main()
