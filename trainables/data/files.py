"""The image files of a folder, and how many files beside them are left out and why.

Left out at every depth: what is hidden, what systems and tools leave behind, what has another
ending than those of images, and what is no regular file. Links to files are followed; links to
folders only where they are class folders themselves, so that no link leads around in a circle.
"""

import errno
import os
import stat
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from trainables.errors import DataError, shown

# as torchvision's ImageFolder
ENDINGS = {".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp"}

# folders of macOS, Windows, NAS systems, Linux and Python; hidden ones begin with a dot
_LEFT_BY_SYSTEMS = {
    *("__macosx", "$recycle.bin", "system volume information", "@eadir", "@recycle", "@tmp"),
    *("#recycle", "#snapshot", "lost+found", "__pycache__"),
}


class Listing(NamedTuple):
    """What lies directly in a folder, in the order of the names."""

    folders: list[Path]
    images: list[Path]


def listing(name: str, folder: Path, left_out: Counter[str], links: bool = True) -> Listing:
    """The sub-folders and images directly in `folder`; what else is there is counted.

    Args:
        name: of the source, for errors.
        left_out: of files, by ending or by place; added to.
        links: whether links to folders are folders.

    Raises:
        DataError: the folder cannot be read.
    """
    found = Listing([], [])
    for path in _entries(name, folder):
        try:
            mode, linked = path.stat().st_mode, path.is_symlink()
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ELOOP):
                raise _unreadable(name, path, error) from error
            left_out["broken links"] += 1
            continue
        if stat.S_ISDIR(mode):
            if path.name.startswith(".") or path.name.lower() in _LEFT_BY_SYSTEMS:
                left_out[f"{shown(path.name)}/"] += 0 if linked else _count(path)
            elif linked and not links:
                left_out["links to folders"] += 1
            else:
                found.folders.append(path)
        elif path.name.startswith("."):
            left_out["hidden"] += 1
        elif path.suffix.lower() not in ENDINGS:
            left_out[_ending(path)] += 1
        elif not stat.S_ISREG(mode):
            left_out["pipes, sockets and devices"] += 1
        else:
            found.images.append(path)
    return found


def images_under(name: str, folder: Path, left_out: Counter[str]) -> list[Path]:
    """The image files at any depth, in the order of their paths."""
    images, waiting = [], [folder]
    while waiting:
        found = listing(name, waiting.pop(), left_out, links=False)
        images += found.images
        waiting += found.folders
    return sorted(images, key=lambda path: path.relative_to(folder).as_posix())


def _entries(name: str, folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir(), key=lambda path: path.name)
    except OSError as error:
        raise _unreadable(name, folder, error) from error


def _unreadable(name: str, path: Path, error: OSError) -> DataError:
    return DataError(
        f"{name}: {shown(path)} cannot be read ({error.strerror}); "
        "allow reading it, or move it away"
    )


def _count(folder: Path) -> int:
    """Files at any depth; unreadable folders count as empty, as nothing in them is wanted."""
    return sum(len(files) for _, _, files in os.walk(folder))


def _ending(path: Path) -> str:
    ending = path.suffix.lower()
    plain = ending[1:].isascii() and ending[1:].isalnum() and not ending[1:].isdigit()
    return ending if plain and len(ending) <= 9 else "no known ending"
