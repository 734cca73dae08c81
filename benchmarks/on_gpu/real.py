"""A whole study from command to report, on the GPU and on the CPU beside it.

It needs the whole service: Ray, MLflow and the rest of pyproject.toml.
"""

import os
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

from benchmarks.on_gpu.clock import Clock, Table

NEEDED = ("ray", "mlflow", "optuna", "torchvision", "skimage", "sklearn", "matplotlib", "rich")
TABLE = Table("noise_ablation", "Seconds from command to report", "The launch's last words")
ROOT = Path(__file__).resolve().parents[2]


def run(clock: Clock, tiny: bool, shares: tuple[str, ...]) -> None:
    """shares: of --gpus-per-trial, each a launch of its own."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        print(f"left out: {', '.join(missing)} cannot be imported; see the head of benchmarks/gpu")
        return
    TABLE.begin()
    for share in shares:
        scale = "smoke" if tiny else "laptop"
        seconds, said = _launched(["--scale", scale, "--gpus-per-trial", share], clock.left)
        if seconds is None:
            TABLE.row(f"--gpus-per-trial {share}", "stopped for time", said)
            return
        TABLE.row(f"--gpus-per-trial {share}", f"{seconds:.1f}", said)


def _launched(words: list[str], limit: float) -> tuple[float | None, str]:
    """Seconds, None where there were too few; and the last line it said."""
    with tempfile.TemporaryDirectory() as folder:
        line = [sys.executable, "-m", "sweep.launch", "noise_ablation", *words]
        started = time.perf_counter()
        with (Path(folder) / "said").open("w+") as said:
            launch = subprocess.Popen(
                line, cwd=folder, stdout=said, stderr=subprocess.STDOUT, env=_environment()
            )
            try:
                launch.wait(max(limit, 1.0))
                seconds: float | None = time.perf_counter() - started
            except subprocess.TimeoutExpired:
                launch.terminate()
                launch.wait(60)
                seconds = None
            said.seek(0)
            lines = said.read().strip().splitlines()
    return seconds, (lines[-1] if lines else "nothing")


def _environment() -> dict[str, str]:
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
