"""What the numbers of a run are of: processor, memory, versions. `python -m benchmarks.machine`"""

import os
import platform
from importlib.metadata import version
from pathlib import Path

import torch

from sweep.commit import code_commit

PACKAGES = ("torch", "torchvision", "ray", "mlflow", "optuna", "numpy")


def processor() -> str:
    """Its name where Linux says it, else its kind."""
    described = Path("/proc/cpuinfo")
    lines = described.read_text().splitlines() if described.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def main() -> None:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    capability = torch.backends.cpu.get_cpu_capability()
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    print(f"{processor()} ({capability}), {os.cpu_count()} CPUs, {memory:.0f} GB, CPU only")
    print(f"Python {platform.python_version()}, {versions}; commit {code_commit()[:7]}")


if __name__ == "__main__":
    main()
