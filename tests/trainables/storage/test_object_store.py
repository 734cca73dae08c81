"""Storage on an object store keeps what storage in a folder promises, on a real S3 server."""

import logging
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from uuid import uuid4

import fsspec
import pytest
from buckets import s3_server

from sweep.cli.launch_arguments import parse_options
from sweep.errors import InputError
from sweep.storage.location import check_writable, open_storage
from trainables.storage.storage import Storage

KEY = "records/3f2a"


@pytest.fixture(scope="module")
def server() -> Iterator[SimpleNamespace]:
    with s3_server() as one, pytest.MonkeyPatch.context() as patch:
        for name, value in one.env.items():
            patch.setenv(name, value)
        yield one


@pytest.fixture
def storage(server: SimpleNamespace) -> Storage:
    return Storage(f"{server.url}/{uuid4().hex}")


def content(storage: Storage, key: str) -> bytes:
    return bytes(fsspec.open(f"{storage.root}/{key}").fs.cat_file(f"{storage.root}/{key}"))


def overwrite(storage: Storage, key: str, damaged: bytes) -> None:
    fsspec.open(f"{storage.root}/{key}").fs.pipe_file(f"{storage.root}/{key}", damaged)


@pytest.mark.parametrize(
    "payload",
    [b"", b"\n", bytes(range(256)), os.urandom(5_000_000), os.urandom(60_000_000)],
    ids=["empty", "newline", "all bytes", "5 MB", "60 MB, in parts"],
)
def test_what_is_put_is_got(storage, payload):
    assert storage.get(KEY) is None
    assert KEY not in storage
    storage.put(KEY, payload)
    assert KEY in storage
    assert storage.get(KEY) == payload
    storage.put(KEY, b"other")
    assert storage.get(KEY) == b"other"
    storage.delete(KEY)
    storage.delete(KEY)
    assert storage.get(KEY) is None
    assert KEY not in storage


def test_an_object_is_what_a_folder_has_as_a_file(storage, tmp_path):
    folder = Storage(tmp_path)
    for one in (storage, folder):
        one.put(KEY, b"payload\nof lines")
    assert content(storage, KEY) == (tmp_path / KEY).read_bytes()


def test_keys_do_not_get_in_each_others_way(storage):
    keys = ["records/a", "records/a/b", "checkpoints/a", "a"]
    for key in keys:
        storage.put(key, key.encode())
    assert [storage.get(key) for key in keys] == [key.encode() for key in keys]
    assert "records" not in storage


@pytest.mark.parametrize("key", ["../x", "a/../b", "/a", "s3://other/x", ".hidden", ""])
def test_a_key_that_could_leave_the_prefix_is_refused(storage, key):
    with pytest.raises(ValueError, match="storage key"):
        storage.put(key, b"payload")


@pytest.mark.parametrize("damage", [b"", b"warmup-sweep sha256 0\nx", b"\x80\x05cpickle"])
def test_a_damaged_object_is_absent_set_aside_and_said(storage, damage, caplog):
    storage.put(KEY, b"payload")
    overwrite(storage, KEY, damage)
    with caplog.at_level(logging.WARNING):
        assert storage.get(KEY) is None
    assert f"{storage.root}/{KEY} is damaged" in caplog.text
    assert content(storage, "records/.damaged-3f2a") == damage
    assert KEY not in storage
    storage.put(KEY, b"computed again")
    assert storage.get(KEY) == b"computed again"


def test_writers_of_one_key_leave_one_whole_object(storage):
    payloads = {bytes([writer]) * 100_000 for writer in range(8)}

    def write(payload: bytes) -> bytes | None:
        storage.put(KEY, payload)
        return storage.get(KEY)

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(write, payloads)) <= payloads
    assert storage.get(KEY) in payloads


def test_another_process_of_the_cluster_is_seen_at_once(storage):
    other = Storage(str(storage.root))
    assert KEY not in other
    storage.put(KEY, b"payload")
    assert KEY in other
    other.delete(KEY)
    assert storage.get(KEY) is None


# What cannot be used is said in one line


def test_a_bucket_that_is_not_there_is_refused(server):
    with pytest.raises(InputError, match=r"--storage s3://nowhere/x: cannot be used \(.*bucket"):
        check_writable("s3://nowhere/x")
    check_writable(server.url)


def test_a_server_that_is_away_is_an_os_error(server, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    try:
        with pytest.raises(OSError, match=r"127\.0\.0\.1:9"):
            Storage(server.url).get(KEY)
    finally:
        fsspec.get_filesystem_class("s3").clear_instance_cache()


@pytest.mark.parametrize(
    ("url", "said"),
    [("nosuch://x/y", "Protocol not known"), ("gs://bucket/x", "pip install gcsfs")],
)
def test_a_store_that_cannot_be_opened_is_refused(url, said):
    with pytest.raises(InputError, match=said) as error:
        open_storage(url)
    assert "\n" not in str(error.value)


def test_a_password_in_the_url_is_refused_and_not_repeated():
    with pytest.raises(InputError, match="by the environment") as error:
        parse_options(["tiny", "--storage", "s3://key:secret@bucket/prefix"])
    assert "secret@" not in str(error.value)


def test_what_belongs_to_the_launch_stays_in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    remote = parse_options(["tiny", "--storage", "s3://bucket/prefix"])
    assert (remote.storage, remote.folder) == ("s3://bucket/prefix", tmp_path / "sweep_storage")
    local = parse_options(["tiny", "--storage", "mine"])
    assert local.storage == local.folder == tmp_path / "mine"
    assert parse_options(["tiny", "--storage", f"file://{tmp_path}/x"]).storage == tmp_path / "x"
