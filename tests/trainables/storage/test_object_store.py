"""Storage in a folder and on an object store, a real S3 server, promise the same."""

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
def bucket(server) -> Storage:
    return Storage(f"{server.url}/{uuid4().hex}")


@pytest.fixture(params=["folder", "bucket"])
def storage(request, tmp_path) -> Storage:
    in_a_folder = request.param == "folder"
    return Storage(tmp_path / "storage") if in_a_folder else request.getfixturevalue("bucket")


def content(storage: Storage, key: str) -> bytes:
    return bytes(fsspec.open(f"{storage.root}/{key}").fs.cat_file(f"{storage.root}/{key}"))


def overwrite(storage: Storage, key: str, damaged: bytes) -> None:
    fsspec.open(f"{storage.root}/{key}").fs.pipe_file(f"{storage.root}/{key}", damaged)


def files(storage: Storage) -> list[str]:
    """All that lies in it, what is left over by accident too."""
    system, root = fsspec.core.url_to_fs(str(storage.root))
    return sorted(path.removeprefix(f"{root}/") for path in system.find(root))


# In a folder and in a bucket


@pytest.mark.parametrize(
    "payload",
    [
        *(b"", b"\n", b"\n\n", b"warmup-sweep sha256 0\n", bytes(range(256))),
        *(os.urandom(5_000_000), os.urandom(60_000_000)),
    ],
    ids=["empty", "newline", "newlines", "header-like", "all bytes", "5 MB", "60 MB, in parts"],
)
def test_what_is_put_is_got_and_the_last_put_counts(storage, payload):
    assert storage.get(KEY) is None
    assert KEY not in storage
    storage.put(KEY, payload)
    assert KEY in storage
    assert storage.get(KEY) == payload
    storage.put(KEY, b"other")
    assert storage.get(KEY) == b"other"
    assert files(storage) == [KEY]
    storage.delete(KEY)
    storage.delete(KEY)  # an absent one
    assert storage.get(KEY) is None
    assert KEY not in storage


def test_keys_are_apart_from_each_other(storage):
    keys = ["records/a", "records/b", "checkpoints/a", "warmups/a/b", "a"]
    for key in keys:
        storage.put(key, key.encode())
    assert [storage.get(key) for key in keys] == [key.encode() for key in keys]
    assert "records" not in storage  # a folder
    storage.delete("records/a")
    assert [storage.get(key) for key in keys] == [None, *(key.encode() for key in keys[1:])]
    storage.delete("records/a")
    assert storage.get("records/a") is None


def test_whether_an_object_is_there_is_told_without_reading_it(storage):
    storage.put(KEY, b"payload")
    overwrite(storage, KEY, b"damaged")
    assert KEY in storage
    storage.get(KEY)
    assert KEY not in storage


BAD_KEYS = [
    *("", "/", "/etc/passwd", "..", "../x", "a/../b", "a//b", "a/", "/a", ".", ".hidden", "a.npz"),
    *("a/./b", "a b", "a\\b", "a\n", "a\0b", "C:x", "~", "ä"),
    "٣",  # a digit to Python, not to us
]


@pytest.mark.parametrize("key", [*BAD_KEYS, "s3://other/x"])
@pytest.mark.parametrize("operation", ["put", "get", "delete", "__contains__"])
def test_a_key_that_could_leave_the_place_or_hide_in_it_is_refused(storage, key, operation):
    arguments = (key, b"payload") if operation == "put" else (key,)
    with pytest.raises(ValueError, match="storage key") as error:
        getattr(storage, operation)(*arguments)
    assert repr(key) in str(error.value)
    assert files(storage) == []


PAYLOAD = bytes(range(200)) * 3


def flipped(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


DAMAGED = {
    "empty file": lambda content: b"",
    "header cut": lambda content: content[:30],
    "header alone": lambda content: content.partition(b"\n")[0],
    "payload gone": lambda content: content.partition(b"\n")[0] + b"\n",
    "last byte lost": lambda content: content[:-1],
    "a byte more": lambda content: content + b"\0",
    "bit of the magic": lambda content: flipped(content, 3),
    "bit of the digest": lambda content: flipped(content, 40),
    "bit of the payload": lambda content: flipped(content, 200),
    "last bit": lambda content: flipped(content, len(content) - 1),
    "foreign text": lambda content: b"hello\nworld\n",
    "without the header": lambda content: PAYLOAD,
    "zeros": lambda content: bytes(len(content)),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_object_is_absent_set_aside_and_said(storage, damage, caplog):
    storage.put(KEY, PAYLOAD)
    damaged = DAMAGED[damage](content(storage, KEY))
    overwrite(storage, KEY, damaged)
    for said in ([f"{storage.root}/{KEY} is damaged"], []):  # absent then, and worth no warning
        caplog.clear()
        assert storage.get(KEY) is None
        found = [r for r in caplog.records if r.name.startswith("trainables")]
        assert [r.levelname for r in found] == ["WARNING"] * len(said)
        assert all(text in caplog.text for text in said)
    assert content(storage, "records/.damaged-3f2a") == damaged
    assert KEY not in storage
    storage.put(KEY, b"computed again")
    assert storage.get(KEY) == b"computed again"


# In a bucket


def test_an_object_is_what_a_folder_has_as_a_file(bucket, tmp_path):
    for one in (bucket, Storage(tmp_path)):
        one.put(KEY, b"payload\nof lines")
    assert content(bucket, KEY) == (tmp_path / KEY).read_bytes()


def test_writers_of_one_key_leave_one_whole_object(bucket):
    payloads = {bytes([writer]) * 100_000 for writer in range(8)}

    def write(payload: bytes) -> bytes | None:
        bucket.put(KEY, payload)
        return bucket.get(KEY)

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(write, payloads)) <= payloads
    assert bucket.get(KEY) in payloads


def test_another_process_of_the_cluster_is_seen_at_once(bucket):
    other = Storage(str(bucket.root))
    assert KEY not in other
    bucket.put(KEY, b"payload")
    assert KEY in other
    other.delete(KEY)
    assert bucket.get(KEY) is None


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
