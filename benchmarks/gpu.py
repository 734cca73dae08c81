"""Is it right on a GPU, and how fast? `python -m benchmarks.gpu --seconds 600`

Parts, the most important first, each a table that is printed as it grows and ends in time:

- right: a trial on the GPU against the same on the CPU, twice, cut short, in other arithmetic
- fused: K small networks one after another, in processes side by side, in a stack
- speed: a trial's examples/s against plain loops and the device's peak, and what limits it
- real: `noise_ablation --scale laptop --gpus-per-trial 0.25`, from command to report
- paper: pairs of the paper's ResNet-18, of --images FILE.npz (Keras's keys)

With `--device cpu --tiny` every part runs anywhere in a minute, to see that it does.

A bare machine needs PyTorch and NumPy, and six small packages, 13 MB as wheels: torchvision of
PyTorch's own release (0.26 for 2.11; for the ResNet and the DenseNet) and pydantic with what it
stands on. Where there is a network (with the machine's Python and platform):

    python -m pip download --only-binary :all: --no-deps -d wheels pydantic pydantic-core \\
        annotated-types typing-extensions typing-inspection torchvision==0.26.*

and on the machine:

    python -m pip install --no-index --no-deps --target brought wheels/*.whl
    PYTHONPATH=brought python -m benchmarks.gpu --seconds 600

The part `real` needs all of pyproject.toml in the same way, without `--no-deps` and torch; what a
part lacks, it says, and the others run.
"""

import argparse
import os
import platform
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # what is missing is to be said, not to fail
    import torch

    from benchmarks.on_gpu.clock import Clock

# for part `right`: cuBLAS is deterministic only so, and reads it when it is first used
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
NEEDED = ("torch", "numpy", "pydantic", "typing_extensions")
# share of the time that is left when a part begins
SHARES = {"right": 0.4, "fused": 0.3, "speed": 0.5, "real": 0.5, "paper": 1.0}


def main(arguments: list[str] | None = None) -> int:
    asked = _parser().parse_args(arguments)
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        print(f"{', '.join(missing)} cannot be imported; see `python -m benchmarks.gpu --help`")
        return 2
    import torch

    from benchmarks.on_gpu.clock import Clock

    device = torch.device(asked.device or ("cuda" if torch.cuda.is_available() else "cpu"))
    if device.type == "cuda" and not torch.cuda.is_available():
        print(f"--device {device}: PyTorch {torch.__version__} can use no GPU here")
        return 2
    if asked.tiny:
        torch.set_num_threads(1)  # several wait for each other longer than they work
    clock = Clock(asked.seconds)
    print(_machine(device))
    parts = asked.parts or list(SHARES)
    for name in parts:
        last = name == parts[-1]
        print(f"\n## {name}\n", flush=True)
        if device.type == "cuda":
            torch.cuda.empty_cache()  # for the processes that a part starts
        _part(name, asked, device)(clock.part(1.0 if last else SHARES[name]))
        print(f"\n{name} done; {max(0, clock.left):.0f} s are left", flush=True)
    return 0


def _part(
    name: str, asked: argparse.Namespace, device: "torch.device"
) -> "Callable[[Clock], None]":
    """What runs the part in the time that it is given."""
    from benchmarks.on_gpu import cases, fused, paper, real, right, speed

    size = cases.TINY if asked.tiny else cases.FULL
    timed = cases.LONG if size is cases.FULL and str(device) != "cpu" else size
    networks = asked.networks or list(cases.MODELS)
    shares = ("0",) if str(device) == "cpu" else ("0.25", "0")
    return {
        "right": lambda clock: right.run(clock, device, size, networks),
        "fused": lambda clock: fused.run(clock, device, asked.tiny),
        "speed": lambda clock: speed.run(clock, device, timed, networks),
        "real": lambda clock: real.run(clock, asked.tiny, shares),
        "paper": lambda clock: paper.run(clock, device, asked.images, asked.tiny),
    }[name]


def _machine(device: "torch.device") -> str:
    import torch

    name = platform.processor() or platform.machine()
    if str(device) != "cpu":
        gpu = torch.cuda.get_device_properties(0)
        name = f"{gpu.name}, {gpu.total_memory / 1e9:.0f} GB, CUDA {torch.version.cuda}"
    versions = f"Python {platform.python_version()}, torch {torch.__version__}"
    return f"{name}; {os.cpu_count()} CPUs; {versions}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m benchmarks.gpu", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add = parser.add_argument
    add("parts", nargs="*", metavar="PART", help=f"of {', '.join(SHARES)}; default: all of them")
    add("--seconds", type=float, default=600.0, help="for all parts; default: 600")
    add("--device", choices=("cuda", "cpu"), help="default: the GPU where there is one")
    add("--tiny", action="store_true", help="the smallest sizes, to see that everything runs")
    add("--networks", nargs="+", metavar="NETWORK", help="of right and speed; default: all")
    add("--images", type=Path, metavar="FILE.npz", help="for paper: CIFAR-10 or other images")
    return parser


if __name__ == "__main__":
    sys.exit(main())
