"""Is a trial on a GPU the trial that it is on the CPU, and is it the same twice?

Columns
- weights: equal to the bit before anything is trained, as drawn on the CPU
- gradients of the first mini-batch, ‖GPU − CPU‖ / ‖CPU‖ over all parameters: as the service runs
  it, and without TF32, which PyTorch allows cuDNN; wanted: 1e-4
- accuracy and ECE of a control at its end, GPU − CPU of one seed, and the standard deviation of
  seeds on the GPU, within which the difference should be
- the same warmed-up trial twice; with `torch.use_deterministic_algorithms`, and its time over the
  other's; cut short in both phases and resumed. "equal": to the bit; else by how much a logit of
  the test examples differs at the most
- bfloat16 and channels_last: accuracy and ECE minus those without, and its time over the other's
- warm-ups: those of the two devices are stored apart, and differ
"""

import statistics
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from benchmarks.on_gpu.cases import MODELS, Size, lacking, trial_of
from benchmarks.on_gpu.clock import Clock, Table, within
from benchmarks.on_gpu.lives import Lived, live, live_cut_short
from trainables.config.trial import Compute, Trial
from trainables.data.splits import prepare
from trainables.lifecycle.context import TrialInputs
from trainables.models.build import build
from trainables.storage.keys import warmup_key
from trainables.storage.serialization import unpack
from trainables.storage.storage import Storage
from trainables.training.losses import loss_of

CPU = torch.device("cpu")
SEEDS = 3
TABLE = Table(
    "Network",
    "Weights",
    "Gradients, as run",
    "without TF32",
    "Accuracy, ECE of a control, GPU − CPU",
    "std of seeds",
    "Twice",
    "Deterministic, × time",
    "Resumed",
    "bfloat16: accuracy, ECE, × time",
    "Warm-ups",
)


def run(clock: Clock, device: torch.device, size: Size, networks: list[str]) -> None:
    rows = []
    for name in [name for name in MODELS if name in networks]:
        package = lacking(name)
        if package is None:
            rows.append((name, lambda name=name: _Checked(name, size, device).cells()))
        else:
            print(f"{name} is left out: it needs {package}")
    within(clock, TABLE, rows)


@dataclass
class _Checked:
    name: str
    size: Size
    device: torch.device

    def __post_init__(self) -> None:
        self.trial, self.inputs = trial_of(self.name, self.size)

    def cells(self) -> list[str]:
        weights = _equal(build(self.trial, CPU), build(self.trial, self.device))
        gradients = [self._gradients(tf32) for tf32 in (True, False)]
        plain = self._live(self.trial)  # the first warms the device up
        again = self._live(self.trial)
        resumed = live_cut_short(self.trial, self.inputs, self.device)
        return [
            "equal" if weights else "differ",
            *(f"{value:.1e}" for value in gradients),
            *self._controls(),
            _said(plain.differs(again)),
            self._deterministic(again),
            _said(plain.differs(resumed)),
            self._bfloat16(again),
            self._warmups(),
        ]

    def _live(self, trial: Trial) -> Lived:
        return live(trial, self.inputs, self.device)

    def _gradients(self, tf32: bool) -> float:
        with _tf32(tf32):
            here, there = (_first_gradients(self.trial, self.inputs, d) for d in (CPU, self.device))
        apart = sum(float((a - b).square().sum()) for a, b in zip(here, there, strict=True))
        return float((apart / sum(float(a.square().sum()) for a in here)) ** 0.5)

    def _controls(self) -> tuple[str, str]:
        control = self.trial.control()
        seeds = [self._live(control.model_copy(update={"seed": seed})) for seed in range(SEEDS)]
        on_cpu = live(control, self.inputs, CPU)
        spread = [statistics.stdev(getattr(one, m) for one in seeds) for m in ("accuracy", "ece")]
        first = seeds[control.seed]
        apart = first.accuracy - on_cpu.accuracy, first.ece - on_cpu.ece
        return f"{apart[0]:+.3f}, {apart[1]:+.3f}", f"{spread[0]:.3f}, {spread[1]:.3f}"

    def _deterministic(self, plain: Lived) -> str:
        torch.use_deterministic_algorithms(True)
        try:
            one, two = self._live(self.trial), self._live(self.trial)
        except RuntimeError as error:  # PyTorch has no such algorithm for some operation
            return f"not possible: {str(error).splitlines()[0][:80]}"
        finally:
            torch.use_deterministic_algorithms(False)
        return f"{_said(one.differs(two))}, {_time(two, plain)}"

    def _bfloat16(self, plain: Lived) -> str:
        compute = Compute(bfloat16=True, channels_last=len(self.trial.facts.shape) == 3)
        trial = self.trial.model_copy(update={"compute": compute})
        self._live(trial)
        fast = self._live(trial)
        apart = fast.accuracy - plain.accuracy, fast.ece - plain.ece
        return f"{apart[0]:+.3f}, {apart[1]:+.3f}, {_time(fast, plain)}"

    def _warmups(self) -> str:
        if self.device.type == "cpu":
            return "one device"
        with tempfile.TemporaryDirectory() as folder:
            states = []
            for device in (CPU, self.device):
                live(self.trial, self.inputs, device, Path(folder) / device.type)
                stored = Storage(Path(folder) / device.type).get(warmup_key(self.trial, device))
                states.append(unpack(stored or b"", CPU)["network"])
        apart = warmup_key(self.trial, CPU) != warmup_key(self.trial, self.device)
        same = all(torch.equal(a, b) for a, b in zip(*(s.values() for s in states), strict=True))
        return f"{'apart' if apart else 'not apart'}, {'equal' if same else 'differ'}"


def _first_gradients(trial: Trial, inputs: TrialInputs, device: torch.device) -> list[Tensor]:
    """Of the loss of a mini-batch of the task, in float64 on the CPU."""
    data = prepare(trial, inputs.source, None, device).train
    network = build(trial, device).train()
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.eval()  # the devices draw other masks
    taken, labels = data.taken(slice(0, trial.task.batch))
    loss_of(network(taken), labels, trial.task.loss).backward()  # type: ignore[no-untyped-call]
    return [p.grad.double().cpu() for p in network.parameters() if p.grad is not None]


@contextmanager
def _tf32(allowed: bool) -> Iterator[None]:
    """As PyTorch has it by default, or nowhere."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = before and allowed
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before


def _equal(one: nn.Module, other: nn.Module) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a.cpu(), b.cpu()) for a, b in pairs)


def _said(apart: float) -> str:
    return "equal" if apart == 0 else f"{apart:.1e}"


def _time(one: Lived, other: Lived) -> str:
    return f"× {one.seconds['total'] / other.seconds['total']:.2f}"
