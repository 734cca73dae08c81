"""A real S3 server on loopback, for tests of storage on an object store."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from urllib.error import URLError
from urllib.request import Request, urlopen

from s3fs import S3FileSystem
from support import free_port

BUCKET = "sweeps"


@contextmanager
def s3_server() -> Iterator[SimpleNamespace]:
    """Its `url` for --storage, and the `env` in which clients find it; ends with the context."""
    port = free_port()
    endpoint = f"http://127.0.0.1:{port}"
    env = {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": endpoint,
    }
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        env=os.environ | env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _make_bucket(f"{endpoint}/{BUCKET}", server)
        yield SimpleNamespace(url=f"s3://{BUCKET}/some/prefix", env=env, server=server)
    finally:
        server.kill()
        server.wait()
        S3FileSystem.clear_instance_cache()  # or the next server's clients would ask this one


def _make_bucket(address: str, server: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 60
    while True:
        assert server.poll() is None, "the S3 server has ended"
        try:
            urlopen(Request(address, method="PUT"), timeout=5).close()
            return
        except (URLError, OSError):
            assert time.monotonic() < end, "the S3 server does not answer"
            time.sleep(0.2)
