"""A study's trials the plain way, to hold the service against: `python -m benchmarks.plain FILE`

What a competent engineer writes with Ray Tune, PyTorch and MLflow, and no service:

- a grid of trials, one for each condition, arm and seed; each condition has its own controls
- each trial in a fresh actor of one CPU (Tune's default), which reads the examples from a file and
  keeps them in memory, normalised
- a DataLoader over a TensorDataset, Adam as PyTorch has it by default, one thread, as Ray sets it
- after every epoch of both phases loss, accuracy, mean confidence and expected calibration error on
  the validation and test examples, of the task on the training examples too, and the mean
  confidence on the OOD examples
- Ray's own MLflowLoggerCallback, on MLflow's default SQLite
- at the end the table: the mean change of the test's calibration error in each condition

The network, the noise, the number of steps and the mini-batches' size are the service's.

FILE: JSON of `benchmarks.study`: where the examples lie, and the fields of each trial. Prints
the table, and as its last line what the trials took, as JSON.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from ray import tune
from ray.air.integrations.mlflow import MLflowLoggerCallback
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from trainables.noise import sample

EVALUATION_BATCH = 1000
CLASSES = 10


def train(config: dict[str, Any]) -> None:
    """One trial: warm-up, unless it is a control, and task."""
    started = time.perf_counter()
    fields, warmup, task = config["trial"], config["trial"]["warmup"], config["trial"]["task"]
    torch.manual_seed(fields["seed"])
    splits = loaded(config["examples"], fields["data"])
    network = mlp(fields["model"]["depth"])
    known = {name: splits[name] for name in ("validation", "test", "ood")}
    trained = 0
    tune.report(measured(network, known) | {"trained": 0})
    if warmup is not None:
        adam = torch.optim.Adam(network.parameters(), lr=warmup["optimizer"]["lr"])
        batch, noise = warmup["batch"], warmup["noise"]
        random = torch.Generator().manual_seed(fields["seed"])
        for _ in range(warmup["epochs"]):
            for _ in range(warmup["examples"] // warmup["epochs"] // batch):
                shape = (batch, 3, 32, 32)
                inputs = sample(noise["distribution"], shape, random, noise["mean"], noise["std"])
                step(network, adam, inputs, torch.randint(CLASSES, (batch,)))
                trained += batch
            tune.report(measured(network, known) | {"trained": trained})
    lr, decay = task["optimizer"]["lr"], task["optimizer"]["weight_decay"]
    adam = torch.optim.Adam(network.parameters(), lr=lr, weight_decay=decay)
    loader = DataLoader(splits["train"], batch_size=task["batch"], shuffle=True)
    for _ in range(task["epochs"]):
        for inputs, labels in loader:
            step(network, adam, inputs, labels)
            trained += len(labels)
        said = measured(network, splits)
        seconds = time.perf_counter() - started
        tune.report(said | {"trained": trained, "seconds": seconds})


def step(network: nn.Module, adam: torch.optim.Adam, inputs: Tensor, labels: Tensor) -> None:
    network.train()
    adam.zero_grad()
    F.cross_entropy(network(inputs), labels).backward()  # type: ignore[no-untyped-call]
    adam.step()


def mlp(depth: int) -> nn.Module:
    """Linear, ReLU, BatchNorm, as the paper's, with He's initialisation."""
    layers: list[nn.Module] = [nn.Flatten()]
    width = 3 * 32 * 32
    for _ in range(depth - 1):
        layers += [nn.Linear(width, 256), nn.ReLU(), nn.BatchNorm1d(256)]
        width = 256
    network = nn.Sequential(*layers, nn.Linear(width, CLASSES))
    for layer in network:
        if isinstance(layer, nn.Linear):
            nn.init.kaiming_normal_(layer.weight)
            nn.init.zeros_(layer.bias)
    return network


def loaded(file: str, asked: dict[str, Any]) -> dict[str, TensorDataset]:
    """The splits of a trial, normalised; a training subset of its seed."""
    mean, std = (torch.tensor(asked["facts"][name]).view(1, 3, 1, 1) for name in ("mean", "std"))
    counts = {"train": asked["examples"], "validation": asked["validation"]}
    counts |= {"test": asked["test"], "ood": asked["ood_examples"]}
    splits = {}
    with np.load(file) as archive:
        for name, count in counts.items():
            inputs, labels = (torch.from_numpy(archive[f"{name}_{part}"]) for part in "xy")
            chosen = torch.randperm(len(labels))[:count]
            splits[name] = TensorDataset((inputs[chosen] / 255 - mean) / std, labels[chosen])
    return splits


@torch.no_grad()
def measured(network: nn.Module, splits: dict[str, TensorDataset]) -> dict[str, float]:
    """Mean confidence on each split; loss, accuracy and calibration error on those but the OOD."""
    network.eval()
    found = {}
    for name, split in splits.items():
        inputs, labels = split.tensors
        logits = torch.cat([network(part) for part in torch.split(inputs, EVALUATION_BATCH)])
        confidence, predicted = logits.softmax(dim=1).max(dim=1)
        found[f"{name}_confidence"] = float(confidence.mean())
        if name == "ood":  # their labels mean nothing
            continue
        correct = (predicted == labels).float()
        bins = (confidence * 10).long().clamp(max=9)
        gaps = torch.zeros(10).index_add_(0, bins, correct - confidence)
        found[f"{name}_loss"] = float(F.cross_entropy(logits, labels))
        found[f"{name}_accuracy"] = float(correct.mean())
        found[f"{name}_ece"] = float(gaps.abs().sum() / len(labels))
    return found


def main() -> None:
    asked = json.loads(Path(sys.argv[1]).read_text())
    configs = [{"examples": asked["examples"], **trial} for trial in asked["trials"]]
    results = tune.Tuner(
        tune.with_resources(lambda config: train(config["work"]), {"cpu": 1}),
        param_space={"work": tune.grid_search(configs)},
        run_config=tune.RunConfig(
            name="plain",
            storage_path=str(Path("ray").absolute()),
            callbacks=[MLflowLoggerCallback("sqlite:///mlflow.db", experiment_name="plain")],
        ),
    ).fit()
    changes: dict[str, list[float]] = {}
    took = {"trials": 0, "seconds": 0.0, "trained": 0}
    for result in (results[number] for number in range(len(results))):
        assert result.metrics, result.error
        assert result.config
        work, sign = result.config["work"], 1 if result.config["work"]["trial"]["warmup"] else -1
        changes.setdefault(work["condition"], []).append(sign * result.metrics["test_ece"])
        took["trials"] += 1
        took["seconds"] += result.metrics["seconds"]
        took["trained"] += result.metrics["trained"]
    for condition, signed in changes.items():
        print(f"{condition}: {2 * np.mean(signed):+.4f}")
    print(json.dumps(took))


if __name__ == "__main__":
    main()
