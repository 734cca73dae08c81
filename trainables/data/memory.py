"""Whether decoded examples fit the memory of this machine, told before they are decoded."""

import psutil

from trainables.errors import DataError


def check_fits(name: str, needed: int, remedy: str) -> None:
    """That `needed` bytes are available.

    Raises:
        DataError: they are not; it ends with the remedy.
    """
    available = psutil.virtual_memory().available
    if needed > available:
        raise DataError(
            f"{name}: decoded it takes {_gigabytes(needed)} of memory and "
            f"{_gigabytes(available)} are available; {remedy}"
        )


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:,.1f} GB"
