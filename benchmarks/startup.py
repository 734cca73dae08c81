"""How long does a user wait before anything happens? `python -m benchmarks.startup`

A table of seconds from the command, medians of several runs with a warm file cache:

- until `--help` and `--list` have answered, and until bad input is refused: what is wrong with a
  field, with the machine, with a file, and what only the decoded data can tell
- until a launch on Ray has its plan (and MLflow its database), until Ray has given the first trial
  a worker, and until that trial's network exists and is first measured

With --against, another checkout of this repository is measured in turn: seconds drift with the
machine's other work, the ratio of two medians of one run does not.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

from analysis.results.records import read_record
from sweep.backend.capacity import cpus
from trainables.storage.storage import RECORDS, Storage

HERE = Path(__file__).parents[1]
ROUNDS = 5

ANSWERS = {
    "`--help`": ("--help",),
    "`--list`": ("--list",),
    "refused: no such field": ("noise_ablation", "--set", "task.epoch=3"),
    "refused: too many CPUs": ("noise_ablation", "--cpus-per-trial", "1000000"),
    "refused: no such file": ("noise_ablation", "--data", "npz:absent.npz"),
    "refused: too few examples": ("noise_ablation", "--set", "data.examples=1000000"),
}
STEPS = ("launch: planned", "launch: a worker for the first trial", "launch: first trial runs")
STUDY = ("noise_ablation", "--scale", "smoke", "--replicates", "1", "--log", "log.jsonl")

Seconds = dict[str, float]  # by row of the table


def measured(root: Path) -> Seconds:
    """Each row once, with the code in `root`."""
    answers = {row: _until_answered(root, arguments) for row, arguments in ANSWERS.items()}
    return answers | dict(zip(STEPS, _until_first_trial(root), strict=True))


def _until_answered(root: Path, arguments: tuple[str, ...]) -> float:
    with tempfile.TemporaryDirectory() as folder:
        before = time.time()
        _started(root, Path(folder), arguments).wait()
        return time.time() - before


def _until_first_trial(root: Path) -> tuple[float, float, float]:
    with tempfile.TemporaryDirectory() as name:
        folder, before = Path(name), time.time()
        launch = _started(root, folder, STUDY)
        while launch.poll() is None and "finished" not in _events(folder):
            time.sleep(0.05)
        launch.send_signal(signal.SIGINT)
        launch.wait()
        assert "finished" in _events(folder), (folder / "said.txt").read_text()
        events, root = _events(folder), folder / "sweep_storage"
        storage = Storage(root)
        records = [storage.get(f"{RECORDS}/{p.name}") for p in root.glob(f"{RECORDS}/*")]
        lives = [read_record(payload) for payload in records if payload is not None]
        begun = min(life.finished_at - life.seconds["total"] for life in lives)
    return events["planned"] - before, events["started"] - before, begun - before


def _started(root: Path, folder: Path, arguments: tuple[str, ...]) -> subprocess.Popen[bytes]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW", "RAY"))}
    with (folder / "said.txt").open("w") as said:
        return subprocess.Popen(
            [sys.executable, "-m", "sweep.launch", *arguments],
            cwd=folder,
            env=environment | {"PYTHONPATH": str(root)},
            stdout=said,
            stderr=said,
        )


def _events(folder: Path) -> Seconds:
    """When each kind of event was first logged."""
    log = folder / "log.jsonl"
    lines = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    moments = [(line["event"], datetime.fromisoformat(line["time"])) for line in lines]
    return {event: moment.timestamp() for event, moment in reversed(moments)}


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.startup", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--against", type=Path, metavar="FOLDER", help="another checkout")
    asked = parser.parse_args()
    roots = {"Seconds": HERE} | ({"Against": asked.against.absolute()} if asked.against else {})
    measured(HERE)  # fills the file cache
    runs: dict[str, list[Seconds]] = {name: [] for name in roots}
    for _ in range(asked.rounds):
        for name, root in roots.items():
            runs[name].append(measured(root))
    print("| From the command until | " + " | ".join(roots) + " |\n|" + " --- |" * (1 + len(roots)))
    for row in (*ANSWERS, *STEPS):
        cells = [_cell([run[row] for run in runs[name]]) for name in roots]
        print("| " + " | ".join([row, *cells]) + " |")
    load = ", ".join(f"{part:.1f}" for part in os.getloadavg())
    print(f"\nMedian (range) of {asked.rounds}; load {load} on {cpus()} CPUs")


def _cell(seconds: list[float]) -> str:
    return f"{statistics.median(seconds):.2f} ({min(seconds):.2f}–{max(seconds):.2f})"


if __name__ == "__main__":
    main()
