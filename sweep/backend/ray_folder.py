"""Where a local Ray keeps its files: a folder of the launch's own, which goes when the launch ends.

Ray itself would use `/tmp/ray`, for all users and for ever: a megabyte and more a launch. A folder
of its own can be removed whole, is never another launch's, and needs no permission of whoever has
made `/tmp/ray`. What a killed launch has left goes with the next one of the same user.
"""

import fcntl
import os
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from sweep.errors import InputError

PREFIX, OWN = "ray-", "r"  # Ray opens its folder to everyone: it has one within ours
LOCK = ".launch"  # held while the launch runs
# The path of a Unix socket has no more bytes than this, and Ray's end so:
SOCKET = 103 if sys.platform == "darwin" else 107
ENDING = f"/{PREFIX}12345678/{OWN}/session_2026-01-31_12-00-00_123456_1234567/sockets/plasma_store"
LONGEST = SOCKET - len(ENDING)  # a folder's path
ROOM = 50e6  # bytes: logs take 3 MB
LAST_SECONDS = 1.0  # for what Ray's dying processes still write


@dataclass
class RayFolder:
    path: Path
    keep: bool = False  # for a person to read, until this user's next launch

    @property
    def temp_dir(self) -> str:
        """What Ray is to be told."""
        return str(self.path / OWN)


@contextmanager
def ray_folder() -> Iterator[RayFolder]:
    """A folder that can be written to, with a path that is short enough.

    Raises:
        InputError: there is none, or `RAY_TMPDIR` names one that will not do.
    """
    path, lock = _make()
    folder = RayFolder(path)
    try:
        yield folder
    finally:
        if not folder.keep:
            _remove(path)
        lock.close()


def own_token() -> Mapping[str, str]:
    """For the environment: a token for a local Ray, where the user has none.

    Ray would write one to HOME, which need not be there; and what lies there makes of every cluster
    that is started later one that asks for it.
    """
    given = {"RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"} & os.environ.keys()
    home = os.environ.get("HOME")
    if given or (home and os.access(f"{home}/.ray/auth_token", os.R_OK)):
        return {}
    return {"RAY_AUTH_TOKEN": secrets.token_hex(32)}


def _make() -> tuple[Path, IO[str]]:
    """The first place that will do: Ray's own choice, else a short one."""
    asked = os.environ.get("RAY_TMPDIR")
    short = ["/tmp", os.environ.get("XDG_RUNTIME_DIR", "/tmp"), "/var/tmp"]
    places = [asked] if asked else [os.environ.get("TMPDIR", "/tmp"), *short]
    refused = {}
    for place in dict.fromkeys(os.path.abspath(place) for place in places):
        reason = _unfit(place)
        if not reason:
            try:
                _remove_left_behind(Path(place))
                return _locked(place)
            except OSError as error:
                reason = error.strerror or str(error)
        refused[place] = reason
    tried = "; ".join(f"{place}: {reason}" for place, reason in refused.items())
    if asked:
        raise InputError(f"RAY_TMPDIR {tried}; give another folder, or unset it")
    raise InputError(f"there is no folder for Ray's files ({tried}); set RAY_TMPDIR to one")


def _unfit(place: str) -> str:
    """Why Ray's files cannot lie there; "": nothing is known against it."""
    if len(os.fsencode(place)) > LONGEST:
        return (
            f"has {len(os.fsencode(place))} characters, and with more than {LONGEST} the paths of "
            f"Ray's sockets are longer than {SOCKET}"
        )
    with suppress(OSError):  # which is told where the folder is made
        free = shutil.disk_usage(place).free
        if free < ROOM:
            return f"has {free / 1e6:.0f} MB of room left, and {ROOM / 1e6:.0f} are needed"
    return ""


def _locked(place: str) -> tuple[Path, IO[str]]:
    """A new folder; its lock is held from the moment that it can be seen."""
    path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=place))
    try:
        lock = (path / f"{LOCK}-new").open("w")
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        (path / f"{LOCK}-new").rename(path / LOCK)
    except OSError:
        _remove(path)
        raise
    return path, lock


def _remove_left_behind(place: Path) -> None:
    """What this user's launches have left there that are no more."""
    for path in place.glob(f"{PREFIX}*"):
        with suppress(OSError):
            if path.is_symlink() or path.stat().st_uid != os.getuid():
                continue
            with (path / LOCK).open("r+") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _remove(path)


def _remove(path: Path) -> None:
    """The folder and all in it; Ray's processes, as they end, may put something there again."""
    until = time.monotonic() + LAST_SECONDS
    while path.exists() and time.monotonic() < until:
        shutil.rmtree(path, ignore_errors=True)
        if path.exists():
            time.sleep(0.05)
