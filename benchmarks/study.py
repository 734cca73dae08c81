"""What does a study cost beside its training? And beside the plain way to have its table?

Each study is launched, from the command to its report, and its trials are then run the plain way
(`benchmarks.plain`) on the same machine, in turns. Two tables, the medians of the rounds:

- where the time of a launch goes. *Training* is that of all trials over the workers: each second of
  warm-up, task and measuring that a worker has spent, once. *Idle at the end* is what the workers
  have not been used from the moment the last trial begins, over the workers.
- how much faster the launch is, and the three factors that make it up: *sharing*, examples trained
  on; *loop*, seconds of trials for each example; *around*, wall time for each second of trials.

    python -m benchmarks.study                       # a pair a condition, ten minutes
    python -m benchmarks.study --replicates 6        # the whole laptop studies, an hour

Seconds drift with a machine's other work: read the ratios. The fewer the replicates, the more weigh
the start and the report, which take as long for any number.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.results.records import Record, read_record
from sweep.backend.capacity import cpus
from sweep.cli.launch_arguments import parse_options
from sweep.inputs.resolve import make_resolver
from sweep.options import Options
from sweep.plan.plan import StudyPlan, make_plan
from sweep.plan.study import load_study
from trainables.storage.storage import RECORDS, Storage

HERE = Path(__file__).parents[1]
STUDIES = ("noise_ablation", "depth_and_data")
WORKERS = cpus()


@dataclass(frozen=True)
class Launched:
    """The service's way."""

    wall: float  # seconds
    before: float  # of these, until the first trial
    after: float  # of these, from the end of the last trial
    training: float  # seconds of all trials
    idle: float  # seconds of workers, from the last trial's begin to its end
    examples: int  # trained on


@dataclass(frozen=True)
class Plain:
    """The plain way."""

    wall: float
    training: float
    examples: int
    trials: int


def launched(words: list[str], folder: Path) -> Launched:
    began = time.time()
    _run(["sweep.launch", *words, "--log", "log.jsonl"], folder)
    wall = time.time() - began
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    begins, ends = (
        sorted(datetime.fromisoformat(x["time"]).timestamp() for x in lines if x["event"] == event)
        for event in ("started", "finished")
    )
    storage = Storage(folder / "sweep_storage")
    stored = [storage.get(f"{RECORDS}/{line['trial_id']}") for line in _of(lines, "finished")]
    training, examples = _spent([read_record(payload) for payload in stored if payload])
    return Launched(
        wall=wall,
        before=begins[0] - began,
        after=began + wall - ends[-1],
        training=training,
        # a worker that ends before the last one has found nothing left to do
        idle=sum(ends[-1] - end for end in ends[-WORKERS:]),
        examples=examples,
    )


def _spent(records: list[Record]) -> tuple[float, int]:
    """(seconds, examples) of all trials: a warm-up that several have is one of them's."""
    seconds, examples, made = 0.0, 0, set()
    for record in records:
        seconds += record.seconds["total"]
        examples += record.examples["warmup"] + record.examples["task"]
        if not record.examples["warmup"]:
            continue
        rows = record.history[record.history["phase"].isin(["untrained", "warmup"])]
        shared = tuple(rows["seconds"])  # to the last digit those of the trial that has spent them
        if shared in made:
            seconds -= shared[-1]
            examples -= record.examples["warmup"]
        made.add(shared)
    return seconds, examples


def planned(options: Options) -> tuple[StudyPlan, dict[str, NDArray[Any]]]:
    """The study's plan, and the examples that its trials draw from."""
    resolver, study = make_resolver(options), load_study(options.study or "")
    plan = make_plan(study, resolver.resolve, options.scale, options.replicates)
    data = plan.base.data
    source, ood = (resolver.sources.get(data, name or "") for name in (data.source, data.ood))
    assert source.validation is not None
    splits = {"train": source.train, "validation": source.validation, "test": source.test}
    arrays: dict[str, NDArray[Any]] = {}
    for name, split in (splits | {"ood": ood.test}).items():
        arrays |= {f"{name}_x": split.inputs.numpy(), f"{name}_y": split.labels.numpy()}
    return plan, arrays


def plainly(options: Options, folder: Path) -> Plain:
    plan, arrays = planned(options)
    np.savez(folder / "examples.npz", allow_pickle=False, **arrays)
    trials = []
    for one in plan.trials:
        if one.trial.warmup:
            for trial in (one.trial, one.trial.control()):
                trials.append({"condition": one.condition, "trial": trial.model_dump(mode="json")})
    asked = {"examples": str(folder / "examples.npz"), "trials": trials}
    (folder / "trials.json").write_text(json.dumps(asked))
    began = time.time()
    said = _run(["benchmarks.plain", "trials.json"], folder)
    took = json.loads(said.splitlines()[-1])
    assert took["trials"] == len(trials)
    return Plain(time.time() - began, took["seconds"], took["trained"], len(trials))


def _run(command: list[str], folder: Path) -> str:
    """What it printed; a warning of it is of no interest, an error is."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW", "RAY"))}
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=folder,
        env=environment | {"PYTHONPATH": str(HERE)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


def _of(lines: list[dict[str, Any]], event: str) -> list[dict[str, Any]]:
    return [line for line in lines if line["event"] == event]


SERVICE_COLUMNS = (
    *("Study", "Trials", "Wall, s", "Until the first trial, s", "After the last, s"),
    *("Idle at the end, s", "Training, s", "Wall / training", "Without start and report"),
)
PLAIN_COLUMNS = (
    *("Study", "Plain trials", "Plain way, s", "Launch, s", "Times faster"),
    *("of it sharing", "loop", "around"),
)


def service_row(study: str, trials: int, runs: list[Launched]) -> list[str]:
    def median(value: Callable[[Launched], float]) -> float:
        return statistics.median(value(run) for run in runs)

    training = median(lambda run: run.training / WORKERS)
    between = median(lambda run: run.wall - run.before - run.after)
    whole = median(lambda run: run.wall / (run.training / WORKERS))
    times = [median(lambda run: run.wall), median(lambda run: run.before)]
    times += [median(lambda run: run.after), median(lambda run: run.idle / WORKERS), training]
    inner = f"{between / training:.3f}"
    return [study, str(trials), *(f"{t:.1f}" for t in times), f"{whole:.3f}", inner]


def plain_row(study: str, launches: list[Launched], plains: list[Plain]) -> list[str]:
    pairs = list(zip(launches, plains, strict=True))

    def median(value: Callable[[Launched, Plain], float]) -> float:
        return statistics.median(value(ours, plain) for ours, plain in pairs)

    factors = (
        median(lambda ours, plain: plain.wall / ours.wall),
        median(lambda ours, plain: plain.examples / ours.examples),
        median(
            lambda ours, plain: plain.training / plain.examples / (ours.training / ours.examples)
        ),
        median(lambda ours, plain: plain.wall / plain.training / (ours.wall / ours.training)),
    )
    walls = (median(lambda ours, plain: plain.wall), median(lambda ours, plain: ours.wall))
    cells = [*(f"{wall:.0f}" for wall in walls), *(f"{factor:.2f}" for factor in factors)]
    return [study, str(plains[0].trials), *cells]


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.study", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("studies", nargs="*", default=STUDIES, metavar="STUDY")
    parser.add_argument("--scale", default="laptop", help="of both studies; default: laptop")
    parser.add_argument("--replicates", default="1", help="pairs a condition; default: 1")
    parser.add_argument("--rounds", type=int, default=1)
    asked = parser.parse_args()
    ours, plain = [], []
    for study in asked.studies:
        words = [study, "--scale", asked.scale, "--replicates", asked.replicates]
        launches, plains = [], []
        for _ in range(asked.rounds):
            with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
                launches.append(launched(words, Path(one)))
                plains.append(plainly(parse_options(words), Path(two)))
        trials = len(planned(parse_options(words))[0].trials)
        ours.append(service_row(study, trials, launches))
        plain.append(plain_row(study, launches, plains))
    for columns, rows in ((SERVICE_COLUMNS, ours), (PLAIN_COLUMNS, plain)):
        print("| " + " | ".join(columns) + " |\n|" + " --- |" * len(columns))
        print("\n".join("| " + " | ".join(row) + " |" for row in rows) + "\n")
    load = ", ".join(f"{part:.1f}" for part in os.getloadavg())
    print(f"Scale {asked.scale}, {WORKERS} workers, {asked.rounds} rounds; load {load} at the end")


if __name__ == "__main__":
    main()
