"""What is printed of MLflow's addresses can be opened by who reads it, and holds no password."""

from types import SimpleNamespace

import pytest

from sweep.errors import InputError
from sweep.tracking.addresses import of_artifact, of_study
from sweep.tracking.public import PUBLIC_URL, check_public_url, opened_at

INSIDE = "http://mlflow:5000"  # an address that only a container knows
RUNS = "/#/experiments/7/runs?workflowType=machine_learning&viewStateShareKey=trials"


def lines(uri):
    return of_study(SimpleNamespace(tracking_uri=uri), "7", "abc")


@pytest.fixture(autouse=True)
def unset(monkeypatch):
    monkeypatch.delenv(PUBLIC_URL, raising=False)


def test_a_servers_report_and_runs_are_where_it_is():
    assert lines(INSIDE) == [
        f"Report in MLflow: {INSIDE}/#/experiments/7/runs/abc/artifactPath/report/index.html",
        f"Runs: {INSIDE}{RUNS}",
    ]


@pytest.mark.parametrize("uri", [INSIDE, "sqlite:///mlflow.db", "postgresql://db/sweep"])
def test_where_people_open_it_somewhere_else_that_address_alone_is_told(monkeypatch, uri):
    monkeypatch.setenv(PUBLIC_URL, "http://127.0.0.1:5000/")
    assert lines(uri) == lines("http://127.0.0.1:5000")
    assert "mlflow:5000" not in "".join(lines(uri))


def test_without_a_server_it_says_how_to_start_one():
    (line,) = lines("sqlite:///mlflow.db")
    assert line == f"Runs: `mlflow ui` in this folder, then http://127.0.0.1:5000{RUNS}"
    assert of_artifact(SimpleNamespace(tracking_uri="sqlite:///mlflow.db"), "7", "a", "b") == ""


@pytest.mark.parametrize("variable", [True, False])
def test_user_and_password_are_left_out_of_an_address_that_can_still_be_opened(
    monkeypatch, variable
):
    address = "https://me:secret@mlflow.example.org/sweep"
    if variable:
        monkeypatch.setenv(PUBLIC_URL, address)
    assert opened_at(INSIDE if variable else address) == "https://mlflow.example.org/sweep"


@pytest.mark.parametrize(
    "url",
    ["", "http://127.0.0.1:5000", "https://mlflow.example.org/sweep/", "http://[::1]:5000"],
)
def test_an_address_of_the_web_is_taken(monkeypatch, url):
    monkeypatch.setenv(PUBLIC_URL, url)
    check_public_url()


@pytest.mark.parametrize(
    "url",
    [
        *("127.0.0.1:5000", "mlflow", "sqlite:///mlflow.db", "ftp://there", "javascript:alert(1)"),
        *("http:/there", "http://", "http://:5000", "http://there:port", "http://there:99999"),
        *(
            "http://the re",
            "http://there\nhttp://else",
            "http://there/#/experiments",
            "http://[::1",
        ),
        *("htp://me:secret@there", "http:/me:secret@there", "me:secret@there:5000"),
    ],
)
def test_what_no_browser_opens_is_refused_in_a_line_without_its_password(monkeypatch, url):
    monkeypatch.setenv(PUBLIC_URL, url)
    said = r"^MLFLOW_PUBLIC_URL .*: no browser opens that; give http://HOST:PORT or https://HOST,"
    with pytest.raises(InputError, match=said) as refused:
        check_public_url()
    assert "secret" not in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1
