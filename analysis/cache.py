"""What reading MLflow leaves on this machine, so that a report made again has not to wait for it.

    python -m analysis.cache            # where it is, and how much
    python -m analysis.cache --clear    # remove it

Two things are kept, both addressed by the SHA-256 of a record's bytes: the record, where it was
downloaded, and its facts, which are its final numbers, where MLflow's metrics are not those. What
a content is called after cannot be out of date; facts count for the code and libraries that made
them alone. An entry is written whole or not at all, and a damaged one counts as absent. Nothing is
lost with the cache, and where it cannot be written reports are made without it.

It lies in WARMUP_SWEEP_CACHE, else in `warmup-sweep` where the user's caches are: XDG_CACHE_HOME or
~/.cache. It grows until it is cleared, by the records of a server.
"""

import argparse
import contextlib
import hashlib
import importlib.metadata
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from analysis.process.command import run_command

RECORDS, FACTS = "records", "facts"


class Cache:
    """Records and their facts by the record's SHA-256 in hexadecimal digits."""

    def __init__(self, root: Path | None = None) -> None:
        self.root = root or default_root()

    def record(self, digest: str) -> bytes | None:
        """None where there is none, or a damaged one."""
        payload = _read(self.place(digest))
        return payload if payload is not None and sha256(payload) == digest else None

    def keep_record(self, payload: bytes) -> Path | None:
        """Where it is from now on; None where it cannot be kept."""
        place = self.place(sha256(payload))
        return place if _write(place, payload) else None

    def place(self, digest: str) -> Path:
        """Of a record that is kept."""
        return self.root / RECORDS / digest[:2] / f"{digest}.npz"

    def facts(self, digest: str) -> dict[str, Any] | None:
        """None where there are none, or damaged ones."""
        head, newline, text = (_read(self._facts(digest)) or b"").partition(b"\n")
        if not newline or sha256(text).encode() != head:
            return None
        facts: dict[str, Any] = json.loads(text)
        return facts

    def keep_facts(self, digest: str, facts: Mapping[str, Any]) -> None:
        text = json.dumps(facts).encode()
        _write(self._facts(digest), sha256(text).encode() + b"\n" + text)

    def size(self) -> tuple[int, int]:
        """(files, bytes)."""
        every = (path for kind in (RECORDS, FACTS) for path in (self.root / kind).rglob("*"))
        sizes = [path.stat().st_size for path in every if path.is_file()]
        return len(sizes), sum(sizes)

    def clear(self) -> None:
        for kind in (RECORDS, FACTS):
            with contextlib.suppress(FileNotFoundError):
                shutil.rmtree(self.root / kind)

    def _facts(self, digest: str) -> Path:
        return self.root / FACTS / code_of_numbers() / digest[:2] / f"{digest}.json"


def sha256(content: bytes) -> str:
    """In hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def default_root() -> Path:
    """Where the user's cache is."""
    ours = os.environ.get("WARMUP_SWEEP_CACHE")
    if ours:
        return Path(os.path.expanduser(ours)).absolute()
    caches = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if not caches.is_absolute():  # as its specification wants it
        caches = Path("~/.cache").expanduser()
    return caches / "warmup-sweep"


@cache
def code_of_numbers() -> str:
    """Of all that facts depend on beside the record: the code that makes them, its libraries."""
    here, digest = Path(__file__).parent, hashlib.sha256()
    metrics = sorted((here / "metrics").glob("*.py"))
    for path in (here / "results/records.py", here / "results/summary.py", *metrics):
        digest.update(path.read_bytes())
    for library in ("numpy", "scipy", "scikit-learn"):
        digest.update(f"{library} {importlib.metadata.version(library)}".encode())
    return digest.hexdigest()[:16]


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _write(path: Path, content: bytes) -> bool:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, unfinished = tempfile.mkstemp(prefix=".unfinished-", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            os.replace(unfinished, path)
        except BaseException:
            Path(unfinished).unlink(missing_ok=True)
            raise
    except OSError:  # a full disk, or a home that is not there: a report needs no cache
        return False
    return True


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; its exit code."""
    return run_command("cache", lambda: _look(arguments), "interrupted", (OSError,))


def _look(arguments: Sequence[str] | None) -> int:
    parser = argparse.ArgumentParser(
        "python -m analysis.cache",
        description="What reports keep of MLflow's records here. Nothing is lost with it.",
    )
    parser.add_argument("--clear", action="store_true", help="remove it")
    asked, kept = parser.parse_args(arguments), Cache()
    files, size = kept.size()
    if asked.clear:
        kept.clear()
    print(f"{kept.root}: {files:,} files, {size:,} bytes{', removed' if asked.clear else ''}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
