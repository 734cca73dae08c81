"""Sets that torchvision fetches, checks and unpacks: nothing is fetched unless it is allowed.

Where allowed, only what is not there: a set that can be read is left as it is. Which sets there
are: `labelled_sets` and `segmentation_sets`.
"""

from pathlib import Path

from trainables.data.examples import Source
from trainables.data.labelled_sets import labelled
from trainables.data.segmentation_sets import SEGMENTED, SIDE, segmentation
from trainables.errors import DataError

_OTHERWISE = "or give images of your own as npz:PATH or folder:PATH"


def from_torchvision(name: str, root: Path, download: bool, side: int | None) -> Source:
    """A set from `root`, fetched into it where missing and `download` allows it.

    `side`: pixels a side of images whose sizes are mixed, 64 where it is None.
    """
    try:
        return _read(name, root, False, side)
    except DataError:
        raise
    except (OSError, RuntimeError) as error:  # missing, as torchvision says it
        if not download:
            raise DataError(
                f"{name}: not found in {root}; allow fetching it with --download, {_OTHERWISE}"
            ) from error
    except (ValueError, AssertionError) as error:  # MNIST's files: their contents go unchecked
        raise DataError(
            f"{name}: damaged in {root} ({_reason(error)}); remove it from there and fetch it "
            f"again with --download, {_OTHERWISE}"
        ) from error
    try:
        return _read(name, root, True, side)
    except (OSError, RuntimeError) as error:  # URLError is an OSError
        raise DataError(
            f"{name}: could not be fetched into {root} ({_reason(error)}); "
            f"try again with internet access, {_OTHERWISE}"
        ) from error


def _read(name: str, root: Path, download: bool, side: int | None) -> Source:
    if name in SEGMENTED:
        return segmentation(name, root, download, side or SIDE)
    return labelled(name, root, download)


def _reason(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
