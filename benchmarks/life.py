"""One network's life: how fast does a trial train? `python -m benchmarks.life [NETWORK …]`

Examples/s of the warm-up and of the task inside a trial (as its record says), on one thread of the
CPU, against what `benchmarks.loops` describes and against the machine:

- bare: the shortest loop that takes the same steps; 1.00 is a service that costs nothing
- usual: the way most training scripts are written
- MKL, oneDNN: of the operations a second that a square matrix product of these libraries reaches in
  the same minute, the share that goes into the network's own products; which of the two computes
  them, `trainables.models.linear` says

All four are taken in turns, round after round, and each ratio within one round, for a machine's
speed drifts; the table has the medians.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from analysis.results.records import read_record
from benchmarks.loops import bare, network_of, usual
from sweep.inputs.datasets import Sources
from sweep.plan.fields import parse_trial, with_fields
from trainables.config.trial import Trial
from trainables.data.splits import prepare
from trainables.lifecycle.context import RunContext, TrialInputs
from trainables.lifecycle.trial_run import run_trial
from trainables.models.linear import OneDnnProduct
from trainables.storage.storage import Storage

CPU = torch.device("cpu")
ROUNDS = 7
PHASES = ("warmup", "task")
PRODUCTS = 20  # of which the fastest says the peak
COLUMNS = ("Network", "Phase", "Examples/s", "× bare", "× usual", "of MKL's peak", "of oneDNN's")
COMMON: dict[str, Any] = {
    "data.ood": None,
    "data.validation": 2,
    "data.test": 2,
    "warmup.epochs": 1,
}
# batch, examples of a phase: some seconds each
SIZES: dict[str, tuple[dict[str, Any], int, int]] = {
    "mlp, depth 2": ({"model.depth": 2}, 128, 25_600),
    "mlp, depth 6": ({"model.depth": 6}, 128, 25_600),
    "resnet18": ({"model": "resnet18"}, 32, 128),
    "densenet121": ({"model": "densenet121"}, 32, 96),
    "vit": ({"model": "vit"}, 32, 256),
}


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.life", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("networks", nargs="*", metavar="NETWORK", help="default: all of them")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    sources = Sources()
    print("| " + " | ".join(COLUMNS) + " |\n|" + " --- |" * len(COLUMNS))
    for name, (fields, batch, examples) in SIZES.items():
        if asked.networks and not any(name.startswith(wanted) for wanted in asked.networks):
            continue
        trial = sources.resolve(
            parse_trial(with_fields({}, COMMON | _sized(batch, examples) | fields))
        )
        for row in rows(trial, sources, asked.rounds):
            print("| " + " | ".join([name, *row]) + " |", flush=True)


def _sized(batch: int, examples: int) -> dict[str, Any]:
    subset = min(examples, 1280)
    return {
        "warmup.batch": batch,
        "warmup.examples": examples,
        "data.examples": subset,
        "task.batch": batch,
        "task.epochs": examples // subset,
    }


@dataclass(frozen=True)
class Round:
    """All that is compared, taken in turns."""

    ours: dict[str, float]  # seconds, by phase
    others: tuple[dict[str, float], dict[str, float]]  # of the bare loop and the usual one
    peaks: tuple[float, float]  # operations a second, of MKL and oneDNN


def rows(trial: Trial, sources: Sources, rounds: int) -> list[list[str]]:
    """A row a phase: examples/s, then how many times as fast as each loop, and shares of peaks."""
    source = sources.get(trial.data, trial.data.source)
    data = prepare(trial, source, None, CPU)
    examples = {"warmup": trial.warmup_examples, "task": trial.task_examples}
    of_one = operations(trial)
    found = []
    for number in range(rounds + 1):
        taken = Round(
            ours=lived(trial, source),
            others=(bare(trial, data), usual(trial, data)),
            peaks=(gemm_peak(torch.mm), gemm_peak(lambda a, b: OneDnnProduct.apply(a, b, None))),
        )
        if number > 0:  # the first warms the machine up
            found.append(taken)

    def row(phase: str) -> Iterator[str]:
        speeds = [examples[phase] / r.ours[phase] for r in found]
        yield f"{statistics.median(speeds):,.0f}"
        for other in (0, 1):
            yield f"{statistics.median(r.others[other][phase] / r.ours[phase] for r in found):.2f}"
        for peak in (0, 1):
            shares = [v * of_one / r.peaks[peak] for v, r in zip(speeds, found, strict=True)]
            yield f"{statistics.median(shares):.0%}"

    return [[phase, *row(phase)] for phase in PHASES]


def lived(trial: Trial, source: Any) -> dict[str, float]:
    """Seconds of a trial's phases, from its record."""
    with tempfile.TemporaryDirectory() as folder:
        storage = Storage(folder)
        payload = storage.get(run_trial(trial, TrialInputs(source), RunContext(storage, CPU)))
    assert payload is not None
    return dict(read_record(payload).seconds)


def operations(trial: Trial) -> float:
    """Floating-point operations of matrix products and convolutions, forward and backward, an
    example."""
    network = network_of(trial)  # the counter knows PyTorch's own operators
    inputs = torch.randn(2, *trial.facts.shape)
    counter = FlopCounterMode(display=False)
    with counter:
        loss = F.cross_entropy(network(inputs), torch.zeros(2, dtype=torch.long))
        loss.backward()  # type: ignore[no-untyped-call]
    return counter.get_total_flops() / 2


@torch.inference_mode()
def gemm_peak(product: Callable[[Tensor, Tensor], Tensor], side: int = 1024) -> float:
    """Floating-point operations a second of a square float32 matrix product, the best of some."""
    a, b = torch.randn(side, side), torch.randn(side, side)
    best = float("inf")
    for _ in range(PRODUCTS):
        started = time.perf_counter()
        product(a, b)
        best = min(best, time.perf_counter() - started)
    return 2 * side**3 / best


if __name__ == "__main__":
    main()
