"""Launches that need no Ray: what their trials would leave is stored beforehand."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import torch
import yaml
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.tracking._tracking_service.utils import _tracking_store_registry

from sweep.inputs.datasets import Sources
from sweep.inputs.networks import Networks
from sweep.inputs.resolve import Resolver
from sweep.plan.plan import make_plan
from sweep.plan.study import load_study
from trainables.lifecycle.context import RunContext
from trainables.lifecycle.trial_run import run_trial
from trainables.storage.storage import Storage

SMALL = {
    "title": "Small",
    "answers": "Does it run?",
    "base": {
        **{"model.depth": 2, "model.width": 16, "data.examples": 64, "data.validation": 50},
        **{"data.test": 100, "data.ood_examples": 100, "warmup.examples": 128, "warmup.batch": 32},
        **{"warmup.epochs": 1, "task.batch": 32, "task.epochs": 2, "task.optimizer.lr": 1e-3},
    },
    "grids": {"distribution": {"warmup.noise.distribution": ["gaussian"]}},
    "scales": {"laptop": {"replicates": 1}},
}  # a pair


def live(folder: Path, studies: Sequence[str], replicates: int | None = None) -> None:
    """Leave the records of the studies, files in the folder, in its storage."""
    torch.set_num_threads(1)
    resolver, storage = Resolver(Sources(), Networks()), Storage(folder / "sweep_storage")
    context = RunContext(storage, torch.device("cpu"))
    for study in studies:
        plan = make_plan(load_study(str(folder / study)), resolver.resolve, replicates=replicates)
        for planned in plan.trials:
            run_trial(planned.trial, resolver.inputs.of(planned.trial), context)


def write(folder: Path, stem: str, **changes: object) -> None:
    """A study file in the folder."""
    (folder / f"{stem}.yaml").write_text(yaml.safe_dump(SMALL | changes), "utf-8")


def forget_databases() -> None:
    """As a new process: MLflow keeps open what it knows by the same relative address."""
    _tracking_store_registry._get_store_with_resolved_uri.cache_clear()
    for engine in SqlAlchemyStore._engine_map.values():
        engine.dispose()
    SqlAlchemyStore._engine_map.clear()


def tree(folder: Path) -> dict[str, str]:
    """Path → digest, of all that lies in a folder; of a folder, nothing."""
    found = {}
    for path in sorted(folder.rglob("*")):
        content = path.read_bytes() if path.is_file() else b""
        found[os.fspath(path.relative_to(folder))] = hashlib.sha256(content).hexdigest()
    return found
