"""Durable objects by key: records, shared warm-ups and checkpoints.

An object is written whole or not at all, and carries the digest of its payload: a damaged one is
set aside and counts as absent, so that it is computed again. Keys are relative paths such as
`records/3f2a…`; they cannot leave the storage folder.
"""

import contextlib
import hashlib
import logging
import os
import re
import tempfile
from pathlib import Path

log = logging.getLogger(__name__)

RECORDS, WARMUPS, CHECKPOINTS = "records", "warmups", "checkpoints"  # first step of every key
UNFINISHED, DAMAGED = ".unfinished-", ".damaged-"  # how the names of what is no object begin

_KEY = re.compile(r"[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*")
_MAGIC = b"warmup-sweep sha256 "


class Storage:
    """A folder of objects; on a cluster, one that all nodes share."""

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)

    def put(self, key: str, payload: bytes) -> None:
        """Write the object under `key`, durably and atomically.

        Raises:
            OSError: it could not be written; nothing is left under `key` but what was there.
        """
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, unfinished = tempfile.mkstemp(prefix=UNFINISHED, dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(_header(payload))
                file.write(payload)
                file.flush()
                os.fsync(file.fileno())
            os.replace(unfinished, path)
            _sync(path.parent)
        except BaseException:
            Path(unfinished).unlink(missing_ok=True)
            raise

    def get(self, key: str) -> bytes | None:
        """The object's payload; None where there is none or it is damaged."""
        path = self._path(key)
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None
        payload = _payload(content)
        if payload is not None:
            return payload
        log.warning("%s is damaged; set aside, to be computed again", path)
        with contextlib.suppress(FileNotFoundError):  # another reader was faster
            os.replace(path, path.with_name(f"{DAMAGED}{path.name}"))
        return None

    def __contains__(self, key: str) -> bool:
        """Whether an object is there; only `get` says whether it is whole."""
        return self._path(key).is_file()

    def is_whole(self, key: str) -> bool:
        """Whether `get` would give it. Nothing is set aside."""
        path = self._path(key)
        return path.is_file() and _payload(path.read_bytes()) is not None

    def touch(self, key: str) -> None:
        """The object has been of use now: what has not been for long may be cleaned away."""
        with contextlib.suppress(OSError):  # a folder of somebody else's
            os.utime(self._path(key))

    def delete(self, key: str) -> None:
        """Remove the object, where there is one."""
        self._path(key).unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        if not _KEY.fullmatch(key):
            raise ValueError(f"storage key {key!r}: only letters, digits, _ and - between slashes")
        return self.root / key


def _sync(folder: Path) -> None:
    """Make the names in a folder durable, as fsync of a file does its content."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _payload(content: bytes) -> bytes | None:
    """Of a file's content; None where it is damaged."""
    header, newline, payload = content.partition(b"\n")
    return payload if newline and header + newline == _header(payload) else None


def _header(payload: bytes) -> bytes:
    return _MAGIC + hashlib.sha256(payload).hexdigest().encode() + b"\n"
