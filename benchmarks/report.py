"""How long does a report over thousands of trials take? `python -m benchmarks.report`

A store of N trials is filled as a launch would leave it (`benchmarks.bulk`): the plan is that of
`noise_ablation`, 19 trials a replicate, each record is that of a trial that was really run, with
its logits moved by a little noise, so that no two are alike. Test sets have 200 examples. Then the
command `python -m analysis.report` is timed from its start, in a process of its own:

- first table: when a table's file appears; whole: when the command ends; CPU: what it has used by
  then, which on a machine that has other work says more; MB: its peak
- files: MLflow is the SQLite file itself, and records are read where they lie
- server: MLflow is a server on loopback that hands out the records as well
- cold: nothing is cached (of the operating system everything is); warm: the same command again

    python -m benchmarks.report --trials 1000 10000
"""

import argparse
import io
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple
from urllib.error import URLError
from urllib.request import urlopen

import numpy as np

STUDY, SCALE = "noise_ablation", "smoke"
SIZES = {"data.validation": 100, "data.test": 200, "data.ood_examples": 200}
ARMS = 19  # trials a replicate


class Taken(NamedTuple):
    """What one report has taken."""

    first: float  # seconds to the first table
    whole: float  # seconds
    cpu: float  # seconds
    peak: float  # MB


def fill(folder: Path, trials: int) -> None:
    """Leave `folder/mlflow.db` and its artifacts, of about so many trials."""
    import torch

    from benchmarks.bulk import BulkClient
    from sweep.inputs.datasets import Sources
    from sweep.plan.plan import make_plan
    from sweep.plan.study import load_study
    from sweep.tracking.client import connect
    from sweep.tracking.ledger import Ledger
    from sweep.tracking.publisher import Publisher
    from trainables.lifecycle.context import Inputs, RunContext
    from trainables.lifecycle.trial_run import run_trial
    from trainables.storage.keys import record_key
    from trainables.storage.storage import Storage

    torch.set_num_threads(1)
    sources, storage = Sources(), Storage(folder / "storage")
    replicates = max(1, round(trials / ARMS))
    plan = make_plan(load_study(STUDY), sources.resolve, SCALE, replicates, SIZES)
    context = RunContext(storage, torch.device("cpu"))
    real: dict[str, bytes] = {}  # condition → record
    for planned in plan.trials[:ARMS]:
        run_trial(planned.trial, Inputs(sources.loaded, {}).of(planned.trial), context)
        payload = storage.get(record_key(planned.trial_id))
        assert payload is not None
        real[planned.condition] = payload
    client = BulkClient(connect(), folder / "mlflow.db")
    publisher = Publisher(client, plan, Ledger(), sources.loaded, "unknown")  # type: ignore[arg-type]
    for planned in plan.trials:
        trial = planned.trial.model_dump(mode="json")
        publisher.publish(planned, moved(real[planned.condition], planned.trial_id, trial))
    client.flush()
    publisher.close("FINISHED")


def moved(payload: bytes, trial_id: str, trial: dict[str, object]) -> bytes:
    """The record as one of another trial, its logits moved by a little noise; the last row of the
    history says of these what a trial's would."""
    from analysis.metrics.calibration import expected_calibration_error
    from analysis.metrics.classification import confidence_and_correct, softmax

    random = np.random.default_rng(int(trial_id, 16))
    with np.load(io.BytesIO(payload)) as archive:
        arrays = {name: archive[name] for name in archive.files}
    meta = json.loads(str(arrays["meta"])) | {"trial_id": trial_id, "trial": trial}
    arrays["meta"] = np.array(json.dumps(meta))
    for name, array in arrays.items():
        if name.endswith("/logits"):
            noise = random.normal(0, 0.1 * array.std(), array.shape)
            arrays[name] = (array + noise).astype(array.dtype)
    for split in ("validation", "test"):
        said = confidence_and_correct(arrays[f"{split}/logits"], arrays[f"{split}/labels"])
        arrays[f"history/{split}_confidence"][-1], arrays[f"history/{split}_accuracy"][-1] = (
            part.mean() for part in said
        )
        arrays[f"history/{split}_ece"][-1] = expected_calibration_error(*said)
    if "history/ood_confidence" in arrays:
        unknown = softmax(arrays["ood/logits"]).max(axis=1)
        arrays["history/ood_confidence"][-1] = unknown.mean()
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def report(folder: Path, uri: str, cache: Path) -> Taken:
    """The command, in a process of its own."""
    out = folder / "report"
    shutil.rmtree(out, ignore_errors=True)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW")}
    environment |= {
        "PYTHONPATH": str(Path(__file__).parents[1]),
        "WARMUP_SWEEP_CACHE": str(cache),
        "OMP_NUM_THREADS": "1",
    }
    started = time.time()
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "analysis.report", STUDY),
            *("--tracking-uri", uri, "--out", str(out)),
        ],
        cwd=folder,
        env=environment,
        stdout=subprocess.DEVNULL,
    )
    _, status, used = os.wait4(process.pid, 0)
    whole = time.time() - started
    if status:
        sys.exit("the report has failed")
    first = min(table.stat().st_mtime for table in (out / "tables").iterdir()) - started
    return Taken(first, whole, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """The address of an MLflow server over the store that hands out its artifacts as well."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with sqlite3.connect(folder / "mlflow.db") as database:
        database.execute(
            "UPDATE runs SET artifact_uri = replace(artifact_uri, 'mlruns/', 'mlflow-artifacts:/')"
        )
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1"),
            *("--port", str(port), "--workers", "1"),
            *("--backend-store-uri", f"sqlite:///{folder}/mlflow.db"),
            *("--artifacts-destination", str(folder / "mlruns")),
        ],
        env=os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        uri = f"http://127.0.0.1:{port}"
        while server.poll() is None:
            with suppress(URLError, OSError), urlopen(f"{uri}/health", timeout=2):
                break
            time.sleep(0.2)
        yield uri
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def measure(trials: int) -> dict[str, Taken]:
    """By what MLflow is and what is cached."""
    found = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        command = [sys.executable, "-m", "benchmarks.report", "--fill", str(trials)]
        environment = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW")}
        environment["PYTHONPATH"] = str(Path(__file__).parents[1])
        subprocess.run(command, cwd=folder, env=environment, check=True)
        for turn in ("cold", "warm"):
            uri = f"sqlite:///{folder}/mlflow.db"
            found[f"files, {turn}"] = report(folder, uri, folder / "cache")
        with serving(folder) as uri:
            for turn in ("cold", "warm"):
                found[f"server, {turn}"] = report(folder, uri, folder / "cache of the server's")
    return found


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.report", description=__doc__)
    parser.add_argument("--trials", type=int, nargs="+", default=[1000, 10_000])
    parser.add_argument("--fill", type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.fill:
        fill(Path.cwd(), asked.fill)
        return
    print("| MLflow, cache | trials | first table, s | whole, s | CPU, s | peak, MB |")
    print("|:---|---:|---:|---:|---:|---:|")
    for trials in asked.trials:
        for how, took in measure(trials).items():
            cells = (how, f"{trials:,}", *(f"{number:,.1f}" for number in took))
            print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
