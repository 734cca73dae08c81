"""Data files that ship in the wheels of dependencies, found without importing any of these."""

from importlib.util import find_spec
from pathlib import Path

from trainables.errors import DataError

_WHEELS = {"skimage": "scikit-image", "sklearn": "scikit-learn"}


def shipped(package: str, file: str) -> Path:
    """A package's file; relative where the package itself is not there."""
    spec = find_spec(package)  # spares the second that importing it takes
    folder = Path(spec.origin).parent if spec and spec.origin else Path(package)
    return folder / file


def damaged(name: str, package: str, path: Path, error: BaseException) -> DataError:
    """What to raise where a source's file cannot be read."""
    return DataError(
        f"{name}: cannot read {path} ({type(error).__name__}); "
        f"reinstall {_WHEELS[package]} from its wheel, which ships this file"
    )
