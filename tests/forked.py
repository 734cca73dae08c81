"""The service's commands in processes of their own, without the seconds that Python needs to
import them: each is a fork of one process that has imported everything and run nothing."""

import atexit
import gc
import importlib
import multiprocessing
import os
import pkgutil
import runpy
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import cache
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext
from pathlib import Path

import pytest
from support import ROOT

# What a launch imports late, and each costs a good part of a second
_LATE = ["mlflow.store.tracking.sqlalchemy_store", "ray.tune", "ray.dashboard.optional_deps"]
_LATE += ["matplotlib.backends.backend_agg", "matplotlib.backends.backend_svg", "scipy.stats"]
_LATE += ["scipy.optimize", "sklearn.metrics", "sklearn.isotonic", "torchvision.transforms"]
_LATE += ["optuna.samplers", "optuna.storages", "skimage.data", "pandas", "jinja2"]


def preload() -> None:
    """Import what the commands import, but the commands themselves: they run as `__main__`."""
    for package in ("sweep", "trainables", "analysis"):
        for module in pkgutil.walk_packages([str(ROOT / package)], f"{package}."):
            if _in_a_room(module):
                importlib.import_module(module.name)
    for name in _LATE:
        importlib.import_module(name)
    gc.freeze()  # its pages are to stay shared with the forks


def _in_a_room(module: pkgutil.ModuleInfo) -> bool:
    return module.name.count(".") > 1 or module.ispkg or module.name == "sweep.dispatch"


class Forked:
    """A command, as `subprocess.Popen` would have it. What it prints is in a file."""

    def __init__(self, module: str, arguments: list[str], folder: Path, env: dict[str, str]):
        self._said = [tempfile.NamedTemporaryFile() for _ in range(2)]  # noqa: SIM115
        names = [file.name for file in self._said]
        self._process = _server().Process(
            target=_run, args=(module, arguments, str(folder), env, names)
        )
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired(str(self._process), timeout or 0)
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        self.wait(timeout)
        out, err = (Path(file.name).read_text("utf-8") for file in self._said)
        return out, err

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)


@cache
def _server() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["preloaded"])
    with pytest.MonkeyPatch.context() as patch:  # the server has no other way to be told
        patch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(ROOT / "tests")]))
        forkserver.ensure_running()
    return context


def _run(
    module: str, arguments: list[str], folder: str, env: Mapping[str, str], said: list[str]
) -> None:
    """What `python -m module` does in the folder."""
    for number, name in enumerate(said, start=1):
        file = os.open(name, os.O_WRONLY)
        os.dup2(file, number)
        os.close(file)
    sys.stdin = open(os.devnull)  # noqa: SIM115
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", 1, "utf-8", "backslashreplace", closefd=False)  # noqa: SIM115
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(env)
    own = [path for path in sys.path if not path.startswith(str(ROOT / "tests"))]
    sys.path[:] = [folder, str(ROOT), *(path for path in own if path != str(ROOT))]
    sys.argv = ["-m", *arguments]
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    finally:
        atexit._run_exitfuncs()  # multiprocessing leaves them out
