"""The sources of examples by name, and what can be said of a name before PyTorch is imported."""

import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from analysis.late import late
from trainables.errors import DataError, shown

SHIPPED: Mapping[str, Callable[[], Any]] = {  # name → what makes its Source
    "photos": late("trainables.data.photos:photos"),
    "photos_ood": late("trainables.data.photos:photos_ood"),
    "digits": late("trainables.data.digits:digits"),
    "textures": late("trainables.data.photos:textures"),
    "mosaics": late("trainables.data.mosaics:mosaics"),
    "mosaics_ood": late("trainables.data.mosaics:mosaics_ood"),
    "text": late("trainables.data.texts:text"),
    "text_ood": late("trainables.data.texts:text_ood"),
    "points": late("trainables.data.points:points"),
    "points_ood": late("trainables.data.points:points_ood"),
}
DOWNLOADED = ("cifar10", "cifar100", "svhn", "mnist", "fashion_mnist", "stl10", "pet", "voc")
FILES = ("npz", "folder", "text")

ACCEPTED = (*SHIPPED, *DOWNLOADED, *(f"{kind}:PATH" for kind in FILES))

_WANTED = {
    "npz": "give the path of an .npz archive",
    "folder": "give one that holds a folder per class",
    "text": "give the path of a text file",
}


def check_name(name: str) -> None:
    """That there can be such a source: its name is known, and the file or folder it names is there.

    Raises:
        DataError: there cannot.
    """
    kind, colon, path = name.partition(":")
    if not colon or kind not in FILES:
        if name not in (*SHIPPED, *DOWNLOADED):
            raise DataError(
                f"{shown(name)!r} is not a known source; choose from {', '.join(ACCEPTED)}"
            )
    elif not path:
        raise DataError(f"{name}: the path is missing; write {kind}:PATH")
    elif shown(path) != path:
        raise DataError(
            f"{shown(name)}: the path holds control characters or bytes that are no UTF-8, which "
            "reports cannot show; rename it, or give a link to it"
        )
    else:
        _check_path(name, kind, path)


def is_read_by_role(name: str) -> bool:
    """Whether the source is read otherwise where it serves as out-of-distribution data."""
    return name.partition(":")[0] in ("npz", "folder") and ":" in name


def _check_path(name: str, kind: str, path: str) -> None:
    wanted = "folder" if kind == "folder" else "file"
    try:
        mode = os.stat(Path(path).expanduser()).st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise DataError(f"{name}: no such {wanted}; {_WANTED[kind]}") from None
    except (OSError, RuntimeError) as error:  # RuntimeError: the home of a user who is not there
        reason = getattr(error, "strerror", None) or str(error)
        raise DataError(f"{name}: cannot be read ({reason}); {_WANTED[kind]}") from error
    if kind == "folder" and not stat.S_ISDIR(mode):
        raise DataError(f"{name}: no such folder, it is a file; {_WANTED[kind]}")
    if kind != "folder" and not stat.S_ISREG(mode):
        found = "a directory" if stat.S_ISDIR(mode) else "no regular file"
        raise DataError(f"{name}: no such file, it is {found}; {_WANTED[kind]}")
