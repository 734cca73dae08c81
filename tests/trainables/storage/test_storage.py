"""Storage keeps whole objects or none: through failing writes, kills, damage and concurrency."""

import hashlib
import logging
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import Mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lives import keys
from support import ROOT

from trainables.storage.storage import Storage

KEY = "records/3f2a"


def file_of(storage: Storage, key: str = KEY) -> Path:
    return storage.root / key


@pytest.fixture(params=[None, b"old"])
def before(request, storage) -> bytes | None:
    """What is there already."""
    if request.param is not None:
        storage.put(KEY, request.param)
    return request.param


def unchanged(storage: Storage, before: bytes | None) -> bool:
    return storage.get(KEY) == before and keys(storage) == [KEY] * (before is not None)


# Round trips


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    key=st.from_regex(r"[A-Za-z0-9_-]{1,20}(/[A-Za-z0-9_-]{1,20}){0,3}", fullmatch=True),
    payload=st.binary(max_size=2000),
)
def test_what_is_put_is_got(key, payload, tmp_path_factory):
    storage = Storage(tmp_path_factory.mktemp("storage"))
    assert storage.get(key) is None
    storage.put(key, payload)
    assert storage.get(key) == payload
    assert Storage(str(storage.root)).get(key) == payload


def test_a_file_is_one_header_with_the_digest_and_then_the_payload(storage):
    payload = b"payload\nof lines"
    storage.put(KEY, payload)
    header = f"warmup-sweep sha256 {hashlib.sha256(payload).hexdigest()}\n"
    assert file_of(storage).read_bytes() == header.encode() + payload


def test_what_is_there_is_listed_by_kind_with_its_size_and_age(storage):
    assert storage.listed("warmups") == []
    for key in ("records/b", "records/a", "warmups/cpu/one/two"):
        storage.put(key, key.encode())
    (storage.root / "records/.unfinished-x").write_bytes(b"123")
    found = storage.listed("records")
    assert [one.name for one in found] == ["records/.unfinished-x", "records/a", "records/b"]
    assert [one.size for one in found] == [
        os.stat(storage.root / one.name).st_size for one in found
    ]
    assert all(abs(one.modified - time.time()) < 60 for one in found)
    assert [one.last for one in storage.listed("warmups")] == ["two"]
    for one in found:
        storage.discard(one)
    assert keys(storage) == ["warmups/cpu/one/two"]
    storage.discard(found[0])


def test_reading_makes_no_folder(storage):
    storage.get(KEY)
    storage.delete(KEY)
    assert not storage.root.exists()


# Writes that fail


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """No file can grow beyond `size` bytes, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_disk_that_is_full_halfway_leaves_what_was_there(storage, before):
    with largest_file(10_000), pytest.raises(OSError, match="File too large"):
        storage.put(KEY, os.urandom(1_000_000))
    assert unchanged(storage, before)


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize("fault", [OSError("no space"), KeyboardInterrupt()], ids=repr)
def test_a_fault_at_the_last_moment_leaves_what_was_there(
    storage, call, fault, before, monkeypatch
):
    with monkeypatch.context() as patch:
        patch.setattr(os, call, Mock(side_effect=fault))
        with pytest.raises(type(fault)):
            storage.put(KEY, b"new")
    assert unchanged(storage, before)


def test_the_content_is_on_the_disk_before_it_has_its_name(storage, monkeypatch):
    calls: list[tuple[str, int]] = []
    fsync, replace = os.fsync, os.replace

    def spied_fsync(handle: int) -> None:
        calls.append(("fsync", os.fstat(handle).st_size))
        fsync(handle)

    def spied_replace(source: str, target: Path) -> None:
        calls.append(("replace", os.stat(source).st_size))
        replace(source, target)

    monkeypatch.setattr(os, "fsync", spied_fsync)
    monkeypatch.setattr(os, "replace", spied_replace)
    storage.put(KEY, b"x" * 10_000)
    size = file_of(storage).stat().st_size
    assert calls[:2] == [("fsync", size), ("replace", size)]


WRITES_FOREVER = """
import sys
from trainables.storage.storage import Storage
storage = Storage(sys.argv[1])
for byte in range(256):
    storage.put("a", bytes([byte]) * 2_000_000)
    print(byte, flush=True)
"""


def test_a_writer_that_is_killed_leaves_a_whole_object(storage):
    with subprocess.Popen(
        [sys.executable, "-c", WRITES_FOREVER, str(storage.root)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    ) as writer:
        assert writer.stdout is not None
        for _ in range(3):
            writer.stdout.readline()
        writer.send_signal(signal.SIGKILL)
    assert writer.returncode == -signal.SIGKILL
    payload = storage.get("a")
    assert payload is not None
    assert len(payload) == 2_000_000
    assert len(set(payload)) == 1


# Damage


@settings(deadline=None, max_examples=200)
@given(payload=st.binary(max_size=50), data=st.data())
def test_no_change_of_a_single_byte_goes_unnoticed(payload, data, tmp_path_factory):
    storage = Storage(tmp_path_factory.mktemp("storage"))
    storage.put("a", payload)
    content = file_of(storage, "a").read_bytes()
    at, other = data.draw(st.integers(0, len(content) - 1)), data.draw(st.integers(1, 255))
    changed = content[:at] + bytes([content[at] ^ other]) + content[at + 1 :]
    file_of(storage, "a").write_bytes(changed)
    assert storage.get("a") is None


# Concurrency


def test_writers_of_one_key_leave_one_whole_object_and_readers_see_whole_ones(storage, caplog):
    payloads = {bytes([writer]) * (100_000 + writer) for writer in range(8)}
    seen: set[bytes | None] = set()

    def write(payload: bytes) -> None:
        for _ in range(10):
            storage.put(KEY, payload)
            seen.add(storage.get(KEY))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, payloads))
    assert seen <= payloads
    assert storage.get(KEY) in payloads
    assert keys(storage) == [KEY]
    assert not caplog.records


def test_two_that_find_the_same_damage_both_get_none(storage):
    """The second reader comes while the first is about to set the file aside."""

    class SecondReader(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            logger.removeHandler(self)
            assert storage.get(KEY) is None

    storage.put(KEY, b"payload")
    file_of(storage).write_bytes(b"damaged")
    logger = logging.getLogger("trainables.storage.storage")
    second = SecondReader()
    logger.addHandler(second)
    try:
        assert storage.get(KEY) is None
    finally:
        logger.removeHandler(second)
