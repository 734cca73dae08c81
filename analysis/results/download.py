"""A trial's record from its run: where it lies if that is here, else from the cache or a download.

Every record's bytes are looked at, and their digest is compared with the one that the run was
published with, where it says one. The arrays are not kept: what comes back reads them from the file
when they are asked for. A record's numbers are the run's metrics, where these are sealed
(`analysis.results.published`). Else they are computed from the whole record, and are in the cache
(`analysis.cache`) the next time.
"""

import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from urllib.parse import urlparse

from mlflow.entities import Run
from mlflow.tracking import MlflowClient
from mlflow.utils.credentials import get_default_host_creds
from mlflow.utils.rest_utils import http_request

from analysis.cache import Cache, sha256
from analysis.results.mlflow_store import RECORD, local_artifact
from analysis.results.places import artifact_store, naming_artifacts
from analysis.results.published import published_numbers
from analysis.results.records import Record, RecordError, read_record, stored_record
from analysis.results.summary import summarise
from analysis.results.tags import RECORD_DIGEST

os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")  # one for each download

# NumPy parses an array's header as Python, which two threads cannot do at once: up to 3.12 it may
# fail (SystemError, "recursion depth mismatch"). They share one interpreter: none is the slower
_READING = Lock()

_DIGEST = re.compile(r"[0-9a-f]{64}")


def read_run(client: MlflowClient, run: Run, cache: Cache) -> tuple[Record, Mapping[str, float]]:
    """A run's record, and the numbers that `summarise` gives of it.

    Raises:
        RecordError: it is damaged, or not the one that the run was published with.
        MlflowException, OSError: there is none, or it cannot be had.
    """
    payload, path = _payload(client, run, cache)
    digest, published = sha256(payload), _published(run)
    if published not in ("", digest):
        raise RecordError(f"{path or RECORD}: damaged, or not the record that was published")
    # whoever seals numbers, or keeps them, has read the whole record
    numbers = published_numbers(run) if published else None
    if numbers is None:
        numbers = cache.facts(digest)
    if numbers is None:
        with _READING:
            whole = read_record(payload, str(path or RECORD))
        numbers = summarise(whole) if whole.status == "finished" else {}
        cache.keep_facts(digest, numbers)
    path = path or cache.keep_record(payload)
    with _READING:
        # without a path it stays in memory
        return stored_record(path, payload) if path else read_record(payload), numbers


def artifact_bytes(client: MlflowClient, run: Run, name: str) -> bytes:
    """An artifact's content, read where it lies or downloaded."""
    local = local_artifact(client, run, name)
    if local is not None:
        return local.read_bytes()
    relative = not urlparse(run.info.artifact_uri).scheme
    if relative and client.tracking_uri.startswith("http"):  # in the folder of the database there
        return _from_server(client, run, name)
    # by the address that the run has told, or the server is asked for it each time
    address = run.info.artifact_uri
    store = artifact_store(client.tracking_uri, address)
    with tempfile.TemporaryDirectory() as folder, naming_artifacts(f"{address}/{name}"):
        path = Path(folder, name)
        # past `download_artifacts`, which asks whether this is a folder first: as long again
        store._download_file(name, str(path))  # type: ignore[no-untyped-call]
        return path.read_bytes()


def _from_server(client: MlflowClient, run: Run, name: str) -> bytes:
    """As MLflow's pages have it, for the client would look in this folder."""
    asked = {"path": name, "run_uuid": run.info.run_id}
    credentials = get_default_host_creds(client.tracking_uri)  # type: ignore[no-untyped-call]
    answer = http_request(  # type: ignore[no-untyped-call]
        credentials, "/get-artifact", "GET", params=asked
    )
    if answer.status_code != 200:
        raise FileNotFoundError(f"{name}: the server answers {answer.status_code}")
    return bytes(answer.content)


def _payload(client: MlflowClient, run: Run, cache: Cache) -> tuple[bytes, Path | None]:
    """A record's bytes, and the file that has them, if there is one that stays."""
    local, digest = local_artifact(client, run, RECORD), _published(run)
    if local is not None and local.is_file():
        return local.read_bytes(), local
    kept = cache.record(digest) if digest else None
    if kept is not None:
        return kept, cache.place(digest)
    return artifact_bytes(client, run, RECORD), None


def _published(run: Run) -> str:
    """The digest that the run says; "" for none, as of runs that were published by earlier code."""
    said = str(run.data.tags.get(RECORD_DIGEST, ""))
    return said if _DIGEST.fullmatch(said) else ""
