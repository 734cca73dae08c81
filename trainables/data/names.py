"""The sources of examples by name, and what can be said of a name before PyTorch is imported."""

from pathlib import Path

from trainables.errors import DataError

SHIPPED = (
    *("photos", "photos_ood", "digits", "textures", "mosaics", "mosaics_ood"),
    *("text", "text_ood", "points", "points_ood"),
)
DOWNLOADED = ("cifar10", "cifar100", "svhn", "mnist", "fashion_mnist", "stl10", "pet", "voc")
FILES = ("npz", "folder", "text")

ACCEPTED = (*SHIPPED, *DOWNLOADED, *(f"{kind}:PATH" for kind in FILES))


def check_name(name: str) -> None:
    """That there can be such a source: its name is known, and the file or folder it names is there.

    Raises:
        DataError: there cannot.
    """
    kind, colon, path = name.partition(":")
    if not colon or kind not in FILES:
        if name not in (*SHIPPED, *DOWNLOADED):
            raise DataError(f"{name!r} is not a known source; choose from {', '.join(ACCEPTED)}")
    elif not path:
        raise DataError(f"{name}: the path is missing; write {kind}:PATH")
    else:
        _check_path(name, kind, Path(path).expanduser())


def _check_path(name: str, kind: str, path: Path) -> None:
    if kind == "npz" and not path.is_file():
        raise DataError(f"{name}: no such file; give the path of an .npz archive")
    if kind == "folder" and not path.is_dir():
        raise DataError(f"{name}: no such folder; give one that holds a folder per class")
    if kind == "text" and not path.exists():
        raise DataError(f"{name}: no such file; give the path of a text file")
