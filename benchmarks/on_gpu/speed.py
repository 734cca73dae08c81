"""How fast does a trial train on the device, and what limits it?

Examples/s of the warm-up and of the task inside a trial, as its record says, against the loops of
`plain`, which take the same number of steps in the same arithmetic; the share of what the device
reaches in a square matrix product of that arithmetic. Then, of the service's own steps under
PyTorch's profiler, where the time goes: kernels by what they do, and the device's waiting for
launches. Measured in turns, medians; the first round warms up.
"""

import statistics
from collections import Counter
from collections.abc import Callable
from functools import partial
from itertools import islice
from typing import Any

import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.on_gpu.cases import Size, lacking, trial_of
from benchmarks.on_gpu.clock import Clock, Table, timed, within
from benchmarks.on_gpu.lives import live
from benchmarks.on_gpu.plain import bare, compiled, network_of, usual
from trainables.config.trial import Compute, Trial
from trainables.data.splits import prepare
from trainables.lifecycle.checkpoint import Progress
from trainables.lifecycle.context import TrialInputs
from trainables.lifecycle.phases import Phase, task_phase, warmup_phase
from trainables.models.build import build
from trainables.training.loop import train_epoch

ROUNDS = 3
PROFILED = 20  # steps
NETWORKS = {  # name → network, arithmetic
    "resnet18, bfloat16, channels_last": ("resnet18", Compute(bfloat16=True, channels_last=True)),
    "mlp, depth 6": ("mlp", Compute()),
    "resnet18": ("resnet18", Compute()),
    "mlp, bfloat16": ("mlp", Compute(bfloat16=True)),
    "vit, bfloat16": ("vit", Compute(bfloat16=True)),
}
SPEED = Table(
    "Network",
    "Examples/s, warm-up",
    "× bare",
    "task",
    "× bare",
    "× usual",
    "of the peak, task",
    "torch.compile: task, seconds to compile",
)
LIMITS = Table("Network", "Phase", "ms a step", "Device waits", "Kernels, share of their time")
KINDS = {  # part of a kernel's name → what it does; the first that is found
    "memcpy": "copies",
    "memset": "copies",
    "adam": "optimizer",
    "multi_tensor": "optimizer",
    "sgd": "optimizer",
    "distribution": "noise",
    "normal_": "noise",
    "index": "gathering",
    "gather": "gathering",
    "batch_norm": "batch norm",
    "bn_": "batch norm",
    "conv": "convolutions",
    "wgrad": "convolutions",
    "dgrad": "convolutions",
    "fprop": "convolutions",
    "gemm": "products",
    "addmm": "products",
    "cutlass": "products",
    "nvjet": "products",
    "mm": "products",
    "reduce": "reductions",
    "softmax": "loss",
    "nll": "loss",
    "elementwise": "element by element",
}


def run(clock: Clock, device: torch.device, size: Size, networks: list[str]) -> None:
    known = {n: case for n, case in NETWORKS.items() if case[0] in networks}
    for name in [name for name, (network, _) in known.items() if lacking(network)]:
        print(f"{name} is left out: it needs {lacking(known.pop(name)[0])}")
    speeds = clock.part(0.7)
    within(speeds, SPEED, [(n, partial(_speed, *case, size, device)) for n, case in known.items()])
    print()
    phases = [
        (n, partial(_limits, *case, size, device, phase))
        for n, case in known.items()
        for phase in ("warmup", "task")
    ]
    within(clock, LIMITS, phases)


def _made(network: str, compute: Compute, size: Size) -> tuple[Trial, TrialInputs]:
    trial, inputs = trial_of(network, size)
    return trial.model_copy(update={"compute": compute}), inputs


def _speed(network: str, compute: Compute, size: Size, device: torch.device) -> list[str]:
    trial, inputs = _made(network, compute, size)
    data = prepare(trial, inputs.source, None, device)
    found: list[dict[str, dict[str, float]]] = []
    for turn in range(ROUNDS + 1):
        seconds = {
            "ours": live(trial, inputs, device).seconds,
            "bare": bare(trial, data, device),
            "usual": usual(trial, data, device),
        }
        if turn:
            found.append(seconds)

    def times(other: str, phase: str) -> str:
        return f"{statistics.median(r[other][phase] / r['ours'][phase] for r in found):.2f}"

    warmup, task = (
        examples / statistics.median(r["ours"][phase] for r in found)
        for phase, examples in (("warmup", trial.warmup_examples), ("task", trial.task_examples))
    )
    peak = gemm_peak(device, compute.bfloat16, 512 if device.type == "cpu" else 8192)
    return [
        f"{warmup:,.0f}",
        times("bare", "warmup"),
        f"{task:,.0f}",
        times("bare", "task"),
        times("usual", "task"),
        f"{task * operations(trial) / peak:.0%}",
        _compiled(trial, data, device),
    ]


def _compiled(trial: Trial, data: Any, device: torch.device) -> str:
    if device.type == "cpu":
        return "on a GPU alone"
    seconds = compiled(trial, data, device)
    return f"{trial.task_examples / seconds['task']:,.0f}, {seconds['compile']:.0f}"


def operations(trial: Trial) -> float:
    """Floating-point operations of products and convolutions, forward and backward, an example."""
    network = network_of(trial, torch.device("cpu"))
    inputs = torch.randn(2, *trial.facts.shape)
    counter = FlopCounterMode(display=False)
    with counter:
        loss = F.cross_entropy(network(inputs), torch.zeros(2, dtype=torch.long))
        loss.backward()  # type: ignore[no-untyped-call]
    return counter.get_total_flops() / 2


@torch.inference_mode()
def gemm_peak(device: torch.device, bfloat16: bool, side: int) -> float:
    """Floating-point operations a second of a square matrix product, the best of some."""
    dtype = torch.bfloat16 if bfloat16 else torch.float32
    a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    return 2 * side**3 / min(timed(lambda: a @ b, device) for _ in range(10))


def _limits(
    network: str, compute: Compute, size: Size, device: torch.device, phase: str
) -> list[str]:
    trial, inputs = _made(network, compute, size)
    data = prepare(trial, inputs.source, None, device)
    made = build(trial, device)
    assert trial.warmup is not None
    its = (
        warmup_phase(trial, trial.warmup, made, device)
        if phase == "warmup"
        else task_phase(trial, made, data, Progress())
    )
    steps = partial(_steps, made, its)
    timed(steps, device)
    count = steps()
    seconds = timed(steps, device) / count
    return [phase, f"{1000 * seconds:.2f}", *_profiled(steps, device, seconds * count)]


def _steps(network: torch.nn.Module, phase: Phase) -> int:
    """Some steps, at most an epoch's; how many."""
    said: list[int] = []
    train_epoch(network, phase.optimizer, islice(phase.batches(), PROFILED), said.append)
    return len(said)


def _profiled(steps: Callable[[], object], device: torch.device, seconds: float) -> list[str]:
    """The share of the seconds without a kernel, and what the kernels do."""
    from torch.profiler import ProfilerActivity, profile

    on_gpu = device.type == "cuda"
    activity = ProfilerActivity.CUDA if on_gpu else ProfilerActivity.CPU
    with profile(activities=[activity]) as profiler:
        timed(steps, device)
    spent: Counter[str] = Counter()
    for event in profiler.key_averages():
        if "#" in event.key or getattr(event, "is_user_annotation", False):
            continue  # what a name is given to, beside its kernels
        if on_gpu and "CUDA" in str(event.device_type):
            spent[kind_of(event.key)] += event.self_device_time_total
        elif not on_gpu and event.self_cpu_time_total:
            spent[kind_of(event.key)] += event.self_cpu_time_total
    busy = sum(spent.values())
    waits = f"{max(0.0, 1 - busy / 1e6 / seconds):.0%}" if on_gpu else "–"
    shares = [f"{kind} {value / busy:.0%}" for kind, value in spent.most_common(6)]
    return [waits, ", ".join(shares)]


def kind_of(kernel: str) -> str:
    name = kernel.lower()
    return next((kind for part, kind in KINDS.items() if part in name), "other")
