"""Where the bytes of stored objects lie: a local folder, or an object store by its URL.

Both write an object whole or not at all. Names are relative paths with slashes.
"""

import contextlib
import os
import stat
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

UNFINISHED, DAMAGED = ".unfinished-", ".damaged-"  # how the names of what is no object begin


@dataclass(frozen=True)
class Listed:
    name: str
    size: int  # bytes
    modified: float  # seconds since 1970

    @property
    def last(self) -> str:
        """The last step of its name."""
        return self.name.rpartition("/")[2]


class Folder:
    """Files below a local folder; on a cluster, one that all nodes share.

    `Bucket` promises the same: a write that fails, with an OSError, leaves under the name what was
    there, and deletes and renames are of what is there, for others may be faster.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, name: str, content: bytes) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, unfinished = tempfile.mkstemp(prefix=UNFINISHED, dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(unfinished, path)
            _sync(path.parent)
        except BaseException:
            Path(unfinished).unlink(missing_ok=True)
            raise

    def read(self, name: str) -> bytes | None:
        """None where there is nothing of that name."""
        try:
            return (self.root / name).read_bytes()
        except FileNotFoundError:
            return None

    def has(self, name: str) -> bool:
        return (self.root / name).is_file()

    def listed(self, folder: str) -> list[Listed]:
        """Everything below, in order of the names; also what is no object."""
        found = []
        for path in sorted((self.root / folder).rglob("*")):
            with contextlib.suppress(FileNotFoundError):  # its trial has just finished
                about = path.stat()
                if stat.S_ISREG(about.st_mode):
                    name = path.relative_to(self.root).as_posix()
                    found.append(Listed(name, about.st_size, about.st_mtime))
        return found

    def delete(self, name: str) -> None:
        (self.root / name).unlink(missing_ok=True)

    def rename(self, name: str, new: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.replace(self.root / name, self.root / new)

    def touch(self, name: str) -> None:
        """It has been of use now, for a cleaner that goes by age."""
        with contextlib.suppress(OSError):  # a folder of somebody else's
            os.utime(self.root / name)

    def place(self, name: str) -> str:
        return str(self.root / name)


class Bucket:
    """Objects below an URL such as `s3://bucket/prefix`, by fsspec.

    An object store's put is atomic and durable by itself. Credentials, region and endpoint are what
    the environment says, as everywhere with that store: AWS_ACCESS_KEY_ID, AWS_PROFILE,
    AWS_ENDPOINT_URL, or the role of the machine.
    """

    def __init__(self, url: str) -> None:
        """
        Raises:
            ValueError, ImportError: no such kind of store, or what it needs is not installed.
        """
        from fsspec.core import url_to_fs

        # no listing may be kept: other nodes write too
        self._files, self._root = url_to_fs(  # type: ignore[no-untyped-call]
            url.rstrip("/"), use_listings_cache=False
        )
        self._url = url.rstrip("/")

    def write(self, name: str, content: bytes) -> None:
        with self._as_os_error():
            self._files.pipe_file(self._path(name), content)

    def read(self, name: str) -> bytes | None:
        with self._as_os_error():
            try:
                found: Any = self._files.cat_file(self._path(name))
            except FileNotFoundError:
                return None
        return bytes(found)

    def has(self, name: str) -> bool:
        with self._as_os_error():
            try:
                return bool(self._files.info(self._path(name))["type"] == "file")
            except FileNotFoundError:
                return False

    def listed(self, folder: str) -> list[Listed]:
        found: Mapping[str, Mapping[str, Any]] = {}
        with self._as_os_error(), contextlib.suppress(FileNotFoundError):
            found = self._files.find(self._path(folder), detail=True)
        return [
            Listed(path.removeprefix(f"{self._root}/"), int(about["size"]), _modified(about))
            for path, about in sorted(found.items())
        ]

    def delete(self, name: str) -> None:
        with self._as_os_error(), contextlib.suppress(FileNotFoundError):
            self._files.rm_file(self._path(name))

    def rename(self, name: str, new: str) -> None:
        with self._as_os_error(), contextlib.suppress(FileNotFoundError):
            self._files.cp_file(self._path(name), self._path(new))
            self._files.rm_file(self._path(name))

    def touch(self, name: str) -> None:
        """Nothing: what a store removes by age is for its own rules, which know of no use."""

    def place(self, name: str) -> str:
        return f"{self._url}/{name}"

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    @contextlib.contextmanager
    def _as_os_error(self) -> Iterator[None]:
        """Each store has errors of its own for a network that is down or credentials that lack."""
        try:
            yield
        except OSError:
            raise
        except Exception as error:
            raise OSError(f"{self._url}: {error}") from error


def _modified(about: Mapping[str, Any]) -> float:
    """Seconds since 1970, by the word that its kind of store has for it; now, where it has none."""
    for word in ("LastModified", "last_modified", "mtime", "created"):
        said = about.get(word)
        if isinstance(said, datetime):
            return said.timestamp()
        if isinstance(said, int | float):
            return float(said)
    return time.time()


def _sync(folder: Path) -> None:
    """Make the names in a folder durable, as fsync of a file does its content."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
