"""Every network on one core: `python -m benchmarks.networks [NETWORK …]`

A table: parameters; examples/s forward and backward at 32×32 (a text: at 64 tokens), mini-batches
of 32; the loss on its training examples before and after one epoch of the task. With --warmup, what
a short warm-up does: its loss against ln C, its accuracy against chance, and the mean confidence on
noise and on unseen examples before and after, in eval mode, against 1/C (Supp. Fig. 16).

Seconds drift with the machine; the rest is exact. Embedded data: photos, mosaics, text.
"""

import argparse
import math
import tempfile
import time
from typing import Any

import torch
from torch import Tensor, nn

from analysis.results.records import read_record
from sweep.inputs.datasets import Sources
from sweep.inputs.networks import Networks
from sweep.plan.fields import parse_trial, with_fields
from trainables.config.model import NAMES
from trainables.config.trial import Trial
from trainables.data.splits import Split, prepare
from trainables.lifecycle.context import Inputs, RunContext
from trainables.lifecycle.trial_run import run_trial
from trainables.models.build import build
from trainables.noise import sample
from trainables.storage.keys import warmup_key
from trainables.storage.serialization import unpack
from trainables.storage.storage import Storage
from trainables.tasks import from_noise, target_shape
from trainables.training.loop import evaluate, measure, train_epoch
from trainables.training.optimizers import make_optimizer

CPU = torch.device("cpu")
BATCH = 32
SECONDS = 4.0  # of timing
COMMON = {
    "data.examples": 256,
    "data.validation": 100,
    "data.test": 250,
    "data.ood_examples": 250,
    "warmup.batch": BATCH,
    "warmup.epochs": 8,
    "warmup.examples": 2048,
    "task.batch": BATCH,
    "task.epochs": 1,
    "task.optimizer.lr": 3e-4,
    "warmup.optimizer.lr": 3e-4,
}
DATA: dict[str, dict[str, Any]] = {
    "unet": {"data.source": "mosaics", "data.ood": "mosaics_ood"},
    "transformer": {"data.source": "text", "data.ood": "text_ood"},
}
VARIANTS: dict[str, dict[str, Any]] = {
    "mlp, depth 2": {"model.depth": 2},
    "mlp, depth 6": {"model.depth": 6},
    "mlp, feedback alignment": {"model.feedback_alignment": True},
    **{name: {"model": name, **DATA.get(name, {})} for name in NAMES if name != "mlp"},
}
# where a few steps are enough, more examples: a small network takes small steps
WARMUP = {"mlp": 51_200, "transformer": 12_800}


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.networks", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("networks", nargs="*", metavar="NETWORK", help="default: all of them")
    parser.add_argument("--warmup", action="store_true", help="what a warm-up does, not the speed")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    sources, networks = Sources(), Networks()
    columns = WARMUP_COLUMNS if asked.warmup else SPEED_COLUMNS
    print("| " + " | ".join(columns) + " |\n|" + " --- |" * len(columns))
    for name, fields in VARIANTS.items():
        if asked.networks and not any(name.startswith(wanted) for wanted in asked.networks):
            continue
        more = {"warmup.examples": WARMUP.get(name.split(",")[0], COMMON["warmup.examples"])}
        trial = networks.resolve(
            sources.resolve(parse_trial(with_fields({}, COMMON | more | fields)))
        )
        row = (warmup_row if asked.warmup else speed_row)(trial, sources)
        print("| " + " | ".join([name, *row]) + " |", flush=True)


SPEED_COLUMNS = ("Network", "Parameters", "Examples/s", "Loss before", "after an epoch")


def speed_row(trial: Trial, sources: Sources) -> list[str]:
    """Parameters, examples/s, and the loss on the training examples before and after an epoch."""
    control = trial.control()
    network = build(control, CPU)
    source = sources.get(control.data, control.data.source)
    before = measure(evaluate(network, prepare(control, source, None, CPU).train))["loss"]
    with tempfile.TemporaryDirectory() as folder:
        after = _lived(control, sources, Storage(folder))["train_loss"].iloc[-1]
    parameters = sum(p.numel() for p in network.parameters())
    return [f"{parameters:,}", f"{_speed(trial):,.0f}", f"{before:.2f}", f"{after:.2f}"]


def _speed(trial: Trial) -> float:
    """Examples/s of training steps, after one to warm up."""
    network = build(trial, CPU)
    optimizer = make_optimizer(network.parameters(), trial.task.optimizer)
    batch = _noise(trial, BATCH)
    train_epoch(network, optimizer, iter([batch]), lambda examples: None)
    steps, started = 0, time.perf_counter()
    while time.perf_counter() - started < SECONDS:
        train_epoch(network, optimizer, iter([batch]), lambda examples: None)
        steps += 1
    return steps * BATCH / (time.perf_counter() - started)


WARMUP_COLUMNS = (
    "Network",
    "Loss, first and last epoch, and ln C",
    "Accuracy in the last, and chance ± its sampling error",
    "Confidence on noise, before and after, and 1/C",
    "on test examples",
    "on OOD examples",
)


def warmup_row(trial: Trial, sources: Sources) -> list[str]:
    """Loss and accuracy of the warm-up, and what it does to the confidence."""
    classes, settings = trial.facts.classes, trial.warmup
    assert settings is not None
    with tempfile.TemporaryDirectory() as folder:
        storage = Storage(folder)
        history = _lived(trial, sources, storage)
        state = unpack(storage.get(warmup_key(trial, CPU)) or b"", CPU)["network"]
    rows = history[history["phase"] == "warmup"]
    untrained, warmed = build(trial, CPU), build(trial, CPU)
    warmed.load_state_dict(state)
    data, (inputs, labels) = trial.data, _noise(trial, 250)
    looked = prepare(trial, sources.get(data, data.source), sources.get(data, data.ood or ""), CPU)
    noise = Split(inputs, labels, trial.facts.shape, looked.test.positions)
    examples = settings.steps_per_epoch * settings.batch
    error = math.sqrt((1 - 1 / classes) / classes / examples)
    return [
        f"{rows['noise_loss'].iloc[0]:.3f} → {rows['noise_loss'].iloc[-1]:.3f} "
        f"({math.log(classes):.3f})",
        f"{rows['noise_accuracy'].iloc[-1]:.4f} ({1 / classes:.4f} ± {error:.4f})",
        *(
            f"{_confidence(untrained, split):.3f} → {_confidence(warmed, split):.3f} "
            f"({1 / classes:.3f})"
            for split in (noise, looked.test, looked.ood)
            if split is not None
        ),
    ]


def _confidence(network: nn.Module, split: Split) -> float:
    return measure(evaluate(network, split))["confidence"]


def _noise(trial: Trial, examples: int) -> tuple[Tensor, Tensor]:
    facts, random = trial.facts, torch.Generator().manual_seed(1)
    values = sample("gaussian", (examples, *facts.shape), random)
    targets = (examples, *target_shape(facts.kind, facts.shape))
    labels = torch.randint(facts.classes, targets, generator=random)
    return from_noise(facts.kind, values, facts.classes), labels


def _lived(trial: Trial, sources: Sources, storage: Storage) -> Any:
    """The trial's history, a pandas frame."""
    key = run_trial(trial, Inputs(sources.loaded, {}).of(trial), RunContext(storage, CPU))
    return read_record(storage.get(key) or b"").history


if __name__ == "__main__":
    main()
