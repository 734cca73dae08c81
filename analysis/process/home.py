"""A home for those who have none: a container's user without HOME, or one that is not there.

Libraries ask for the home and for the user's name while they are imported, and fail where there is
neither. They get a folder of this user's own among the temporary files, the same for every command,
so that what is fetched into it is fetched once.
"""

import getpass
import os
import stat
import tempfile
from pathlib import Path


class HomeError(ValueError):
    """There is no place for a home; one line."""


_CACHES = {"XDG_CACHE_HOME": "cache", "MPLCONFIGDIR": "matplotlib"}


def give_home() -> None:
    """See that HOME, and folders for caches, are there for this process and those it starts.

    A home that can only be read stays: it may hold credentials. Only caches are made elsewhere.

    Raises:
        HomeError: there is no folder for temporary files either.
    """
    _give_name()
    try:
        _give_folders(_home())
    except OSError as error:
        raise HomeError(
            "there is no HOME to write to, and no folder for temporary files; set HOME or TMPDIR"
        ) from error


def _give_folders(home: Path | None) -> None:
    if home is None or not home.is_dir():
        os.environ["HOME"] = str(_own_folder())
    elif not writable(home):
        for variable, name in _CACHES.items():
            if not os.environ.get(variable):
                os.environ[variable] = str(_own_folder() / name)


def writable(path: Path) -> bool:
    """Whether this process may change the file, or make files in the folder."""
    mode = os.W_OK | (os.X_OK if path.is_dir() else 0)
    return os.access(path, mode, effective_ids=os.access in os.supports_effective_ids)


def _home() -> Path | None:
    if os.environ.get("HOME") == "":  # which Python takes for /
        return None
    try:
        return Path.home()
    except RuntimeError:  # neither HOME nor an entry among the system's users
        return None


def _give_name() -> None:
    try:
        getpass.getuser()
    except (KeyError, OSError, ImportError):  # as above; the kind depends on Python's version
        os.environ["USER"] = f"user-{os.getuid()}"


def _own_folder() -> Path:
    """This user's, and closed to all others: another's of that name is not taken."""
    folder = Path(tempfile.gettempdir(), f"warmup-sweep-{os.getuid()}")
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        found = folder.lstat()
        if found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) != 0o700:
            return Path(tempfile.mkdtemp(prefix=f"{folder.name}-"))
    return folder
