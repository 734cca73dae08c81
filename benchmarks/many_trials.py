"""What do thousands of trials cost beside their training? `python -m benchmarks.many_trials`

Trials that train next to nothing (two examples of noise, no task, a network of a few weights) go
through plan, Tune, MLflow (SQLite) and report, stage by stage, each size in a process of its own.
What a stage takes a trial is then the service's own cost, and it should not grow with their number.

    python -m benchmarks.many_trials --trials 500 5000

`run` is the wall time of all workers together, and holds each trial's own milliseconds. In a launch
`publish` goes on beside it. `again` is a second launch that finds everything done.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

STRENGTHS = tuple(round(0.1 * k, 1) for k in range(1, 10))
ARMS = 1 + len(STRENGTHS)  # trials a replicate
STAGES = ("plan", "run", "publish", "again", "report")

STUDY = {
    "name": "many_trials",
    "title": "Many trials",
    "answers": "What does a trial cost beside its training?",
    "base": {
        "model.depth": 2,
        "model.width": 2,
        "data.source": "points",
        "data.ood": None,
        "data.examples": 2,
        "data.validation": 2,
        "data.test": 50,
        "warmup.examples": 2,
        "warmup.batch": 2,
        "warmup.epochs": 1,
        "task.batch": 2,
        "task.epochs": 0,
    },
    "grids": {"std": {"warmup.noise.std": list(STRENGTHS)}},
    "exhibits": ["pairs"],
    "scales": {"laptop": {"replicates": 1}},
}


def measure(trials: int) -> dict[str, dict[str, float]]:
    """Seconds by stage, and the driver's peak MB at its end; in an empty working directory."""
    took: dict[str, float] = {}
    peak: dict[str, float] = {}

    @contextmanager
    def stage(name: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        took[name] = time.perf_counter() - started
        peak[name] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

    carry_out(trials, stage)
    return {"seconds": took, "peak": peak}


def carry_out(trials: int, stage: Callable[[str], object]) -> None:
    """All stages one after another, each within `stage(name)`."""
    # late: `main` starts a process a size, and needs none of this
    import torch

    from analysis.rendering.report import default_folder, write_report
    from analysis.results.loading import load_study
    from sweep.backend.connection import connected
    from sweep.backend.tuner import run_trials
    from sweep.inputs.datasets import Sources
    from sweep.options import Resources
    from sweep.plan.plan import make_plan
    from sweep.plan.study import Study
    from sweep.run.worklist import make_worklist
    from sweep.tracking.client import connect
    from sweep.tracking.ledger import read_ledger
    from sweep.tracking.publisher import Publisher
    from trainables.lifecycle.context import Inputs, RunContext
    from trainables.storage.keys import record_key
    from trainables.storage.storage import Storage

    sources, storage, resources = Sources(), Storage(Path("sweep_storage").absolute()), Resources()
    study, device, client = Study.model_validate(STUDY), torch.device("cpu"), connect()
    sources.resolve(make_plan(study, sources.resolve).base)  # the data are not what is measured
    with stage("plan"):  # type: ignore[attr-defined]
        plan = make_plan(study, sources.resolve, replicates=trials // ARMS)
        work = make_worklist(plan, read_ledger(client, plan), storage, device)
    assert len(work.to_run) == len(plan.trials) == trials
    counted = Counting()
    with connected(resources), stage("run"):  # type: ignore[attr-defined]
        run_trials(
            [planned.trial for planned in work.to_run],
            Inputs(sources.loaded, {}),
            RunContext(storage, device),
            Path.cwd(),
            resources,
            counted,
        )
    assert counted.done == trials
    with stage("publish"):  # type: ignore[attr-defined]
        publisher = Publisher(client, plan, read_ledger(client, plan), sources.loaded, "unknown")
        for planned in plan.trials:
            payload = storage.get(record_key(planned.trial_id))
            assert payload is not None
            publisher.publish(planned, payload)
        publisher.close("FINISHED")
    with stage("again"):  # type: ignore[attr-defined]
        assert not make_worklist(plan, read_ledger(client, plan), storage, device).to_run
    with stage("report"):  # type: ignore[attr-defined]
        results = load_study(client, study.name)
        write_report(results, default_folder(results))
    assert results.count("finished") == trials


class Counting:
    """Watches without a word."""

    def __init__(self) -> None:
        self.done = 0

    def started(self, trial_id: str) -> None: ...
    def trained(self, trial_id: str, examples: int) -> None: ...
    def measured(self, trial_id: str, rows: object) -> None: ...

    def finished(self, trial_id: str) -> None:
        self.done += 1

    def retried(self, trial_id: str, error: str) -> None: ...
    def failed(self, trial_id: str, error: str, node: str) -> None: ...


def measured_apart(trials: int) -> dict[str, dict[str, float]]:
    """`measure` in a process and a folder of its own."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW")}
    environment["PYTHONPATH"] = str(Path(__file__).parents[1])
    command = [sys.executable, "-m", "benchmarks.many_trials", "--apart", str(trials)]
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            command, cwd=folder, env=environment, check=True, stdout=subprocess.PIPE, text=True
        )
    found: dict[str, dict[str, float]] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.many_trials", description=__doc__)
    parser.add_argument("--trials", type=int, nargs="+", default=[500, 5000])
    parser.add_argument("--apart", type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.apart:
        print(json.dumps(measure(asked.apart)))
        return
    if any(trials < ARMS or trials % ARMS for trials in asked.trials):
        parser.error(f"--trials: give multiples of {ARMS}")
    print("milliseconds a trial, and the driver's peak MB when the stage has ended")
    print(f"{'trials':>7}" + "".join(f"{stage:>10}{'MB':>7}" for stage in STAGES))
    for trials in asked.trials:
        found = measured_apart(trials)
        seconds, peak = found["seconds"], found["peak"]
        cells = (f"{1000 * seconds[s] / trials:>10.1f}{peak[s]:>7.0f}" for s in STAGES)
        print(f"{trials:>7}" + "".join(cells), flush=True)


if __name__ == "__main__":
    main()
