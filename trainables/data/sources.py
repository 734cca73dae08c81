"""A source of examples by the name a user writes in a study or on the command line.

| name            | examples                                                                      |
|-----------------|-------------------------------------------------------------------------------|
| `photos`        | patches of ten photographs, shipped with the dependencies                     |
| `photos_ood`    | patches of eight others, to be used as out-of-distribution data               |
| `digits`        | handwritten digits of 8×8 pixels, likewise                                    |
| `textures`      | patches of the photographs of `photos_ood`, as classes                        |
| `mosaics`       | pictures made of several of the ten photographs, to be segmented              |
| `mosaics_ood`   | the same of the eight others                                                  |
| `text`          | Python's own documentation in English, byte by byte                           |
| `text_ood`      | source code of Python's standard library                                      |
| `points`        | points in the plane with random labels, of the paper's toy network            |
| `points_ood`    | points further out                                                            |
| `cifar10`       | or cifar100, svhn, mnist, fashion_mnist, stl10: labelled images, by           |
|                 | torchvision; fetched only where downloading is allowed                        |
| `pet`, `voc`    | photographs to be segmented, likewise                                         |
| `npz:PATH`      | an archive with Keras's keys (x_train, y_train, x_test, y_test) or MedMNIST's |
| `folder:PATH`   | a folder of class folders, or train/ and test/ of such                        |
| `text:PATH`     | any text file, byte by byte                                                   |
| `dataset:M:F`   | a torch.utils.data.Dataset of the user's own, `dataset:my_data:make`          |
| `hf:PATH`       | a data set of Hugging Face's library, or the hub's by its name                |

Every failure is a `DataError` of one line.
"""

from pathlib import Path

from trainables.config.data_names import ACCEPTED, FILES, SHIPPED, check_name
from trainables.data.archive import from_archive
from trainables.data.downloads import from_torchvision
from trainables.data.examples import Source
from trainables.data.folder import from_folder, ood_from_folder
from trainables.data.hugging_face import from_hugging_face
from trainables.data.own_sets import from_own
from trainables.data.texts import from_text
from trainables.errors import DataError

__all__ = ["ACCEPTED", "DataError", "load"]


def load(
    name: str,
    root: Path | None = None,
    download: bool = False,
    side: int | None = None,
    as_ood: bool = False,
    size: tuple[int, int] | None = None,
) -> Source:
    """The decoded examples of a source.

    Args:
        name: one of `ACCEPTED`; a relative PATH starts at the working directory.
        root: folder where torchvision's sets are kept; default `~/.cache/warmup-sweep`.
        download: whether those may be fetched where they are not in `root`.
        side: height and width in pixels to which images are resized where a source has them in
            mixed sizes, or large photographs; a source whose images all have one size gives them
            as they are.
        as_ood: the examples of a PATH are to serve as out-of-distribution data only, which need
            neither training examples nor classes. What serves as other data too gives the same.
        size: (height, width) to which those are resized instead, by the same rule; None: that of
            the first.

    Raises:
        DataError: the name is not known, or its examples are missing or cannot be used.
    """
    check_name(name)
    kind, _, path = name.partition(":")
    if kind in ("dataset", "hf") and path:
        asked = size[::-1] if size is not None else None if side is None else (side, side)
        if kind == "dataset":
            return from_own(name, asked, as_ood)
        return from_hugging_face(name, download, asked, as_ood)
    if kind in FILES and path:
        return _from_path(kind, name, Path(path).expanduser(), side, as_ood, size)
    if name in SHIPPED:
        source: Source = SHIPPED[name]()
        return source
    home = root if root is not None else Path.home() / ".cache" / "warmup-sweep"
    return from_torchvision(name, home, download, side)


def _from_path(
    kind: str, name: str, path: Path, side: int | None, as_ood: bool, size: tuple[int, int] | None
) -> Source:
    match kind:
        case "npz":
            return from_archive(name, path, as_ood)
        case "folder" if as_ood:
            return ood_from_folder(name, path, None if size is None else (size[1], size[0]))
        case "folder":
            return from_folder(name, path, side)
        case _:
            return from_text(name, path)
