"""A user's own files do not take the place of modules that this program imports.

Python looks in the working folder first, and there a user may have an `analysis.py`, a `random.py`
or a folder `trainables`. What is installed goes first here, the working folder last: networks of
the user's own are still found in it. So it is in Ray's workers, which import this first.
"""

import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

_ROOT = str(Path(__file__).resolve().parents[2])
_OURS = ("analysis", "sweep", "trainables")


class _InstalledFirst:  # its protocol's class would import half of the standard library first
    def __init__(self, folder: str) -> None:
        self.folder = folder

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if path is not None:  # in a package
            return None
        elsewhere = [place for place in sys.path if place not in ("", self.folder)]
        found = PathFinder.find_spec(name, [_ROOT] if name in _OURS else elsewhere, target)
        # a folder without any code, wherever, does not come before a module
        return found if found is not None and found.loader is not None else None


def taken_names(folder: Path) -> list[Path]:
    """Of a user's folder, the files and packages with names of ours that it gives to others: the
    workers of a cluster that was started without us look into it first."""
    places = [folder / name for name in _OURS]
    found = [place / "__init__.py" for place in places] + [p.with_suffix(".py") for p in places]
    return [path for path in found if path.is_file() and str(path.resolve().parents[1]) != _ROOT]


def installed_first() -> None:
    """From now on. Once is enough."""
    if any(type(finder).__name__ == _InstalledFirst.__name__ for finder in sys.meta_path):
        return
    try:
        folder = os.getcwd()
    except OSError:  # it has been removed
        return
    at = sys.meta_path.index(PathFinder) if PathFinder in sys.meta_path else 0
    sys.meta_path.insert(at, _InstalledFirst(folder))
    if sys.flags.safe_path and folder not in sys.path:  # by PYTHONSAFEPATH, for a user's sweep.py
        sys.path.append(folder)
