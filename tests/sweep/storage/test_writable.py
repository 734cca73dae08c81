"""What a launch cannot write is told of at once in one line, as a user without rights has it."""

import os
from urllib.parse import quote

import pytest
from support import PATIENCE
from users import NOBODY, as_nobody

from sweep.errors import InputError
from sweep.storage.writable import check_database


@pytest.fixture
def here(place):
    """A folder of NOBODY's, with a study and a storage folder."""
    place.write("tiny")
    (place.folder / "kept").mkdir()
    for path in (place.folder, *place.folder.iterdir()):
        os.chown(path, NOBODY, NOBODY) if os.geteuid() == 0 else None
    return place


def refusal(place, *arguments, command="launch"):
    """The one line, and that nothing was left behind."""
    before = sorted(place.folder.rglob("*"))
    process = place.start("tiny.yaml", *arguments, command=command, before=as_nobody())
    out, err = process.communicate(timeout=100 * PATIENCE)
    assert (process.returncode, out) == (2, "")
    assert sorted(place.folder.rglob("*")) == before
    (line,) = err.splitlines()
    return line


@pytest.mark.parametrize("command", ["launch", "publish"])
def test_a_folder_that_can_only_be_read_with_the_storage_elsewhere(here, command):
    here.folder.chmod(0o555)
    said = refusal(here, "--storage", str(here.folder / "kept"), command=command)
    assert said == (
        f"{command}: {here.folder}: cannot be written to, and MLflow's database mlflow.db has to "
        "be; make it writable, launch from a folder of your own, or give another --tracking-uri"
    )
    elsewhere = ("--tracking-uri", "http://127.0.0.1:1")
    said = refusal(here, "--storage", str(here.folder / "kept"), *elsewhere, command=command)
    assert f"{here.folder}: cannot be written to, and reports are kept in reports/" in said


def test_a_database_that_can_only_be_read(here):
    database = here.folder / "mlflow.db"
    database.write_text("")
    database.chmod(0o444)
    assert f"{database}: cannot be written to" in refusal(here)


def test_a_database_in_a_folder_that_is_not_there(here):
    said = refusal(here, "--tracking-uri", "sqlite:////not/there/x.db")
    assert "--tracking-uri: there is no folder /not/there for MLflow's database x.db" in said


def test_reports_that_are_a_file(here):
    (here.folder / "reports").write_text("")
    assert f"{here.folder}/reports: cannot be written to" in refusal(here)


def test_what_can_be_written_and_what_is_no_file_is_not_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    odd = tmp_path / "50%20noise é #"
    odd.mkdir()
    named = quote(str(odd))  # as SQLAlchemy wants a path in an URL
    for url in (
        "sqlite:///x.db",
        f"sqlite:///{named}/x.db",
        "postgresql://host/name",
        "http://host",
    ):
        check_database(url, "the database", "--option")
    with pytest.raises(InputError, match="there is no folder"):
        check_database(f"sqlite:///{named}/absent/x.db", "the database", "--option")


def test_reading_needs_no_right_to_write(here):
    """Nothing is there to be read: that is what is said, and not that something is not allowed."""
    here.folder.chmod(0o555)
    process = here.start(command="status", before=as_nobody())
    assert "status: there is nothing here" in process.communicate(timeout=100 * PATIENCE)[1]
