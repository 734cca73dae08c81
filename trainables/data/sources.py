"""A source of images by the name a user writes in a study or on the command line.

| name            | images                                                                        |
|-----------------|-------------------------------------------------------------------------------|
| `photos`        | patches of ten photographs, shipped with the dependencies                     |
| `photos_ood`    | patches of eight others, to be used as out-of-distribution data               |
| `cifar10`       | Krizhevsky 2009, by torchvision; fetched only where downloading is allowed    |
| `svhn`          | Netzer et al. 2011, likewise                                                  |
| `npz:PATH`      | a Keras-style archive: x_train, y_train, x_test, y_test                       |
| `folder:PATH`   | a folder of class folders, or train/ and test/ of such                        |

Every failure is a `DataError` of one line.
"""

from pathlib import Path

from trainables.data.archive import from_archive
from trainables.data.downloads import from_torchvision
from trainables.data.folder import from_folder
from trainables.data.images import DataError, Source
from trainables.data.photos import photos, photos_ood

__all__ = ["ACCEPTED", "DataError", "load"]

ACCEPTED = ("photos", "photos_ood", "cifar10", "svhn", "npz:PATH", "folder:PATH")


def load(name: str, root: Path | None = None, download: bool = False) -> Source:
    """The decoded images of a source.

    Args:
        name: one of `ACCEPTED`; a relative PATH starts at the working directory.
        root: folder where cifar10 and svhn are kept; default `~/.cache/warmup-sweep`.
        download: whether cifar10 and svhn may be fetched where they are not in `root`.

    Raises:
        DataError: the name is not known, or its images are missing or cannot be used.
    """
    kind, colon, path = name.partition(":")
    if colon and kind in ("npz", "folder"):
        if not path:
            raise DataError(f"{name}: the path is missing; write {kind}:PATH")
        return (from_archive if kind == "npz" else from_folder)(name, Path(path).expanduser())
    match name:
        case "photos":
            return photos()
        case "photos_ood":
            return photos_ood()
        case "cifar10" | "svhn":
            home = root if root is not None else Path.home() / ".cache" / "warmup-sweep"
            return from_torchvision(name, home, download)
    raise DataError(f"{name!r} is not a known source of images; choose from {', '.join(ACCEPTED)}")
