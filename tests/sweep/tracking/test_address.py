"""An address of MLflow that will not do is refused with the remedy that is true of it."""

import http.server
import re
import sqlite3
import threading
from pathlib import Path

import pytest
from mlflow.exceptions import MlflowException
from support import refusal, silent_port

from sweep.tracking.address import check_address, no_answer
from sweep.tracking.client import connect


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_ALLOW_FILE_STORE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        ("127.0.0.1:5599", "give http://127.0.0.1:5599"),
        ("localhost:5000/", "give http://localhost:5000/"),
        ("mlflow.my-lab.org:80", "give http://mlflow.my-lab.org:80"),
        ("[::1]:5000", "give http://[::1]:5000"),
        ("http:/127.0.0.1:5000", "give http://127.0.0.1:5000"),
        ("http//127.0.0.1:5000", "give http://127.0.0.1:5000"),
        ("https:127.0.0.1", "give https://127.0.0.1"),
        ("mlflow.db", "give sqlite:///mlflow.db"),
        ("/data/runs.sqlite3", "give sqlite:////data/runs.sqlite3"),
        ("file:///data/mlflow.db", "give sqlite:////data/mlflow.db"),
        ("sqlite://mlflow.db", "give sqlite:///mlflow.db"),
        ("sqlite:/mlflow.db", "give sqlite:///mlflow.db"),
        ("sqlite:mlflow.db", "give sqlite:///mlflow.db"),
        ("sqlite://", "give sqlite:///FILE"),
        ("sqlite:///:memory:", "give sqlite:///FILE"),
        ("postgres://me@there/runs", "give postgresql:// in place of postgres://"),
        ("./mlruns", "give --tracking-uri sqlite:///mlflow.db"),
        ("file:///data/mlruns", "give --tracking-uri sqlite:///mlflow.db"),
    ],
)
def test_an_address_that_cannot_be_meant_so_is_refused_with_the_one_that_is(uri, says):
    said = refusal(check_address, uri)
    assert says in said
    assert "start it" not in said


@pytest.mark.parametrize(
    "uri",
    [
        "http://127.0.0.1:5000",
        "https://user:word@mlflow.org/path",
        "sqlite:///mlflow.db",
        "sqlite:////data/mlflow.db",
        "sqlite+pysqlite:///mlflow.db",
        "postgresql+psycopg://me@there/runs",
        "mysql://me@there/runs",
        "databricks",
        "databricks://profile",
        "file-plugin://x",
    ],
)
def test_an_address_that_mlflow_can_read_is_left_to_it(uri):
    check_address(uri)


def test_a_database_is_known_by_its_first_bytes(tmp_path):
    with sqlite3.connect("runs") as database:
        database.execute("CREATE TABLE t (x)")
    assert "give sqlite:///runs" in refusal(check_address, "runs")


def test_no_password_is_repeated():
    for uri in (
        "http:/me:secret@there:5000",
        "http//me:secret@there:5000",
        "postgres://me:secret@there/x",
        "sqlite:/me:secret@there",
    ):
        assert "secret" not in refusal(check_address, uri)
    for uri in ("me:secret@there:5000", "htp://me:secret@there", "http://me:secret@there:99999"):
        assert "secret" not in no_answer(uri, MlflowException(f"unknown: {uri}"))


def test_older_runs_in_a_folder_are_brought_over_by_the_command_that_is_named(tmp_path):
    """MLflow takes such a folder for its own default: the user has given no address."""
    (tmp_path / "mlruns/0").mkdir(parents=True)
    (tmp_path / "mlruns/0/meta.yaml").write_text("name: Default\n")
    said = refusal(connect)
    assert "give --tracking-uri sqlite:///mlflow.db" in said
    command = f"`mlflow migrate-filestore --source {tmp_path}/mlruns --target sqlite:///mlflow.db`"
    assert command in said
    assert not (tmp_path / "mlflow.db").exists()


def test_a_folder_that_mlflow_is_told_to_use_all_the_same_is_left_to_it(monkeypatch):
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    check_address("./mlruns")


# What answers, or does not


@pytest.fixture
def answers():
    """Something that answers a path with the status that it begins with, and is no MLflow."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(int(self.path.split("/")[1]))
            self.end_headers()
            self.wfile.write(b"<html>")

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("http://{}/200", "what answers there is no MLflow"),
        ("http://{}/404", "what answers there is no MLflow"),
        ("http://{}/401", "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"),
        ("http://{}/403", "the user lacks a permission"),
        ("http://{}/500", "its log says why"),
        ("http://{}/503", "does not reach it"),
        ("https://{}/200", "give http:// in place of https://"),
    ],
)
def test_what_answers_is_not_told_to_be_started(answers, monkeypatch, address, says):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address.format(answers))
    said = refusal(connect)
    assert says in said
    assert "does not answer" not in said


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        ("http://nowhere.invalid:5000", "there is no host of that name"),
        ("htp://127.0.0.1:5000", "MLflow cannot read that address; give http://HOST:PORT"),
        ("http://127.0.0.1:99999", "MLflow cannot read that address; give http://HOST:PORT"),
        ("mssql+nosuchdriver://there/runs", "MLflow cannot read that address"),
        ("sqlite:///no_database", "is a file, and no SQLite database; give another"),
    ],
)
def test_what_cannot_answer_is_not_told_to_be_started(monkeypatch, uri, says):
    Path("no_database").write_text("something else " * 100)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    said = refusal(connect)
    assert says in said
    assert "start it" not in said


def test_what_does_not_answer_is_to_be_started(monkeypatch):
    with silent_port() as port:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
        said = refusal(connect)
    assert "MLflow does not answer" in said
    assert "start it, or give another" in said


def test_a_driver_that_is_not_installed_is_named():
    said = no_answer("postgresql://there/runs", ModuleNotFoundError("No module named 'psycopg2'"))
    assert "not installed (No module named 'psycopg2')" in said
    assert "postgresql+psycopg://" in said


def test_a_long_answer_is_cut_and_holds_no_password():
    error = MlflowException("no way to //me:secret@there " * 100)
    said = no_answer("http://me:secret@there:5000", error)
    assert "secret" not in said
    assert len(said) < 500


@pytest.fixture
def nameless(monkeypatch):
    """A server that is started from now on does not know what it is called."""
    monkeypatch.setenv("MLFLOW_SERVER_ALLOWED_HOSTS", "mlflow.example")


@pytest.mark.slow
def test_a_server_that_does_not_know_its_name_is_started_with_what_the_refusal_says(
    nameless, server, monkeypatch
):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    allowed = re.search(r"start it with --allowed-hosts (\S+),", refusal(connect))
    assert allowed
    server.stop()
    monkeypatch.setenv("MLFLOW_SERVER_ALLOWED_HOSTS", allowed[1])
    server.start()
    connect()
