"""Durable objects by key: records, shared warm-ups and checkpoints.

An object is written whole or not at all, and carries the digest of its payload: a damaged one is
set aside and counts as absent, so that it is computed again. Keys are relative paths such as
`records/3f2a…`; they cannot leave the storage.
"""

import hashlib
import logging
import re
from pathlib import Path

from trainables.errors import StorageError
from trainables.storage.backends import DAMAGED, Bucket, Folder, Listed

log = logging.getLogger(__name__)

RECORDS, WARMUPS, CHECKPOINTS = "records", "warmups", "checkpoints"  # first step of every key

_KEY = re.compile(r"[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*")
_MAGIC = b"warmup-sweep sha256 "


class Storage:
    """Objects in a folder, or below the URL of an object store; on a cluster all nodes see it."""

    def __init__(self, root: Path | str) -> None:
        """
        Args:
            root: a folder, or an URL such as `s3://bucket/prefix`.
        """
        self.root = root if is_url(root) else Path(root)
        self._objects = Bucket(str(root)) if is_url(root) else Folder(Path(root))

    def __reduce__(self) -> tuple[type["Storage"], tuple[Path | str]]:
        """In another process it is opened anew, with the credentials there."""
        return Storage, (self.root,)

    def put(self, key: str, payload: bytes) -> None:
        """Write the object under `key`, durably and atomically.

        Raises:
            OSError: it could not be written; nothing is left under `key` but what was there.
        """
        self._objects.write(_checked(key), _header(payload) + payload)

    def get(self, key: str) -> bytes | None:
        """The object's payload; None where there is none or it is damaged.

        Raises:
            StorageError: the storage does not answer.
        """
        name = _checked(key)
        try:
            content = self._objects.read(name)
        except OSError as error:
            raise StorageError(f"{self._objects.place(name)}: {error}") from error
        if content is None:
            return None
        payload = _payload(content)
        if payload is not None:
            return payload
        log.warning("%s is damaged; set aside, to be computed again", self._objects.place(key))
        folder, slash, name = key.rpartition("/")
        self._objects.rename(key, f"{folder}{slash}{DAMAGED}{name}")
        return None

    def __contains__(self, key: str) -> bool:
        """Whether an object is there; only `get` says whether it is whole."""
        return self._objects.has(_checked(key))

    def is_whole(self, key: str) -> bool:
        """Whether `get` would give it. Nothing is set aside."""
        content = self._objects.read(_checked(key))
        return content is not None and _payload(content) is not None

    def listed(self, kind: str) -> list[Listed]:
        """All of a kind in order: objects by their keys, and what is half written or damaged.

        Raises:
            OSError: the storage does not answer.
        """
        return self._objects.listed(_checked(kind))

    def discard(self, listed: Listed) -> None:
        self._objects.delete(listed.name)

    def touch(self, key: str) -> None:
        """The object has been of use now: what has not been for long may be cleaned away."""
        self._objects.touch(_checked(key))

    def delete(self, key: str) -> None:
        self._objects.delete(_checked(key))


def is_url(location: Path | str) -> bool:
    """Whether it names an object store, not a folder."""
    return isinstance(location, str) and "://" in location


def _checked(key: str) -> str:
    if not _KEY.fullmatch(key):
        raise ValueError(f"storage key {key!r}: only letters, digits, _ and - between slashes")
    return key


def _payload(content: bytes) -> bytes | None:
    """Of a file's content; None where it is damaged."""
    header, newline, payload = content.partition(b"\n")
    return payload if newline and header + newline == _header(payload) else None


def _header(payload: bytes) -> bytes:
    return _MAGIC + hashlib.sha256(payload).hexdigest().encode() + b"\n"
