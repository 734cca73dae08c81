"""The sources of examples by name, and what can be said of a name before PyTorch is imported."""

import os
import re
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
HUB_OPTIONS = ("image", "label", "config")  # of hf:NAME?image=COLUMN&label=COLUMN
_OTHERS = ("dataset:my_data:make", "hf:NAME_OR_PATH")

ACCEPTED = (*SHIPPED, *DOWNLOADED, *(f"{kind}:PATH" for kind in FILES), *_OTHERS)

_WANTED = {
    "npz": "give the path of an .npz archive",
    "folder": "give one that holds a folder per class",
    "text": "give the path of a text file",
    "hf": "give a folder that datasets reads, or a name of the hub",
}


def check_name(name: str) -> None:
    """That there can be such a source: its name is known, and the file or folder it names is there.

    Raises:
        DataError: there cannot.
    """
    kind, colon, path = name.partition(":")
    if colon and kind == "dataset":
        _check_import_path(name, path)
    elif colon and kind == "hf":
        _check_hub_name(name)
    elif not colon or kind not in FILES:
        if name not in (*SHIPPED, *DOWNLOADED):
            raise DataError(
                f"{shown(name)!r} is not a known source; choose from {', '.join(ACCEPTED)}"
            )
    elif not path:
        raise DataError(f"{name}: the path is missing; write {kind}:PATH")
    else:
        _check_shown(name)
        _check_path(name, kind, path)


def is_read_by_role(name: str) -> bool:
    """Whether the source is read otherwise where it serves as out-of-distribution data."""
    return name.partition(":")[0] in ("npz", "folder", "dataset", "hf") and ":" in name


def hub_options(name: str) -> tuple[str, dict[str, str]]:
    """The name or path in `hf:NAME_OR_PATH?image=…&label=…`, and the options after it.

    Raises:
        DataError: there is no such option.
    """
    path, question, options = name.removeprefix("hf:").partition("?")
    found: dict[str, str] = {}
    for part in options.split("&") if question else ():
        option, equals, value = part.partition("=")
        if option not in HUB_OPTIONS or not equals or not value or option in found:
            raise DataError(
                f"{shown(name)}: {shown(part)!r} after the ? is none of "
                f"{', '.join(f'{known}=NAME' for known in HUB_OPTIONS)}, each once"
            )
        found[option] = value
    return path, found


def _check_import_path(name: str, path: str) -> None:
    module, _, attribute = path.partition(":")
    if not all(part.isidentifier() for part in (*module.split("."), attribute)):
        raise DataError(f"{shown(name)}: no import path; write dataset:my_data:make")


def _check_hub_name(name: str) -> None:
    path, _ = hub_options(name)
    if not path:
        raise DataError(f"{shown(name)}: the name is missing; write hf:NAME_OR_PATH")
    _check_shown(name)
    if Path(path).expanduser().exists():
        _check_path(name, "hf", path)
    elif not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", path, re.ASCII):
        raise DataError(f"{name}: no such folder; {_WANTED['hf']}")


def _check_shown(name: str) -> None:
    if shown(name) != name:
        raise DataError(
            f"{shown(name)}: the path holds control characters or bytes that are no UTF-8, which "
            "reports cannot show; rename it, or give a link to it"
        )


def _check_path(name: str, kind: str, path: str) -> None:
    wanted = "folder" if kind in ("folder", "hf") else "file"
    try:
        mode = os.stat(Path(path).expanduser()).st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise DataError(f"{name}: no such {wanted}; {_WANTED[kind]}") from None
    except (OSError, RuntimeError) as error:  # RuntimeError: the home of a user who is not there
        reason = getattr(error, "strerror", None) or str(error)
        raise DataError(f"{name}: cannot be read ({reason}); {_WANTED[kind]}") from error
    if wanted == "folder" and not stat.S_ISDIR(mode):
        raise DataError(f"{name}: no such folder, it is a file; {_WANTED[kind]}")
    if wanted == "file" and not stat.S_ISREG(mode):
        found = "a directory" if stat.S_ISDIR(mode) else "no regular file"
        raise DataError(f"{name}: no such file, it is {found}; {_WANTED[kind]}")
