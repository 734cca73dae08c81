"""What the numbers of a run are of: processor, memory, versions. `python -m benchmarks.machine`"""

import platform
from importlib.metadata import version

import psutil
import torch

from sweep.backend.capacity import cpus
from sweep.tracking.commit import code_commit
from trainables.models.linear import cpuinfo

PACKAGES = ("torch", "torchvision", "ray", "mlflow", "optuna", "numpy")


def main() -> None:
    processor = cpuinfo("model name") or platform.machine()
    kernels, memory = torch.backends.cpu.get_cpu_capability(), psutil.virtual_memory().total
    print(f"{processor} ({kernels}), {cpus()} CPUs, {memory / 2**30:.0f} GB")
    print(f"Python {platform.python_version()}", end="")
    print("".join(f", {name} {version(name)}" for name in PACKAGES))
    print(f"commit {code_commit()}")


if __name__ == "__main__":
    main()
