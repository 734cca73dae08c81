"""One thread and one seed for every test, a storage, and modules as users write them."""

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import torch
from support import ROOT

from trainables.storage.storage import Storage

Digests = dict[str, dict[str, str]]
Write = Callable[..., Path]


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> None:
    """As a worker trains."""
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _one_seed() -> None:
    torch.manual_seed(0)


@pytest.fixture
def storage(tmp_path) -> Storage:
    return Storage(tmp_path / "storage")


@pytest.fixture
def little_memory(monkeypatch) -> Callable[[int], None]:
    """Leaves so many bytes."""

    def leave(available: int) -> None:
        memory = psutil.virtual_memory()._replace(available=available)
        monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)

    return leave


@pytest.fixture
def write(tmp_path, monkeypatch) -> Iterator[Write]:
    """Write a module into a folder that Python searches; its name begins with `my_`."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def written(code: str, name: str = "my_net.py") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(code)
        importlib.invalidate_caches()
        return path

    yield written
    for name in set(sys.modules) - before:
        if name.split(".")[0].startswith("my_"):
            del sys.modules[name]


@pytest.fixture(scope="session")
def elsewhere() -> Digests:
    """What another process draws and ships, by the names of the functions in `fingerprints`."""
    ended = subprocess.run(
        [sys.executable, ROOT / "tests" / "fingerprints.py"],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        check=True,
    )
    return json.loads(ended.stdout)
