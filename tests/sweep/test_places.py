"""What lies in a folder belongs to it, whatever it is called and wherever it comes from."""

import os
import re
import shutil
import sqlite3
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient
from ready import forget_databases, live, tree, write
from users import NOBODY, as_nobody

from analysis.report import main as report
from analysis.results.loading import load_study
from analysis.results.study_results import StudyResults
from sweep.clean import main as clean
from sweep.launch import main as launch
from sweep.publish import main as publish
from sweep.settle import main as settle
from sweep.status import main as status

NAMES = ["my é #?50%20[x]", "it's & ; {a} $HOME", "-日本語."]
MORE = [
    *("my sweep", "josé", unicodedata.normalize("NFD", "josé"), "a#b", "a?b", "100%", "50%20noise"),
    *("[x]", "it's", "a&b;c", "-dash", "--storage", "日本語", "trailing.", ".hidden", "~", "a:b"),
    *("a=b", "back\\slash", 'quo"te', "new\nline", "n" * 200, "mlruns"),
]


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a study and the records of two replicates, and no MLflow."""
    folder = tmp_path_factory.mktemp("stored")
    write(folder, "small")
    live(folder, ["small.yaml"], replicates=2)
    return folder


@pytest.fixture
def begin(
    stored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], Path]]:
    """Make a folder of that name with what is stored, and go there."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)

    def begin(name: str) -> Path:
        folder = tmp_path / name
        shutil.copytree(stored, folder)
        enter(folder, monkeypatch)
        return folder

    yield begin
    forget_databases()


def enter(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    forget_databases()


def addresses(folder: Path) -> list[str]:
    query = "SELECT artifact_location FROM experiments UNION ALL SELECT artifact_uri FROM runs"
    with sqlite3.connect(folder / "mlflow.db") as database:
        return [address for (address,) in database.execute(query)]


def results(folder: Path) -> StudyResults:
    return load_study(MlflowClient(f"sqlite:///{folder}/mlflow.db"), "small")


def made_absolute(folder: Path) -> None:
    """As MLflow leaves it to itself, and older versions of this did."""
    with sqlite3.connect(folder / "mlflow.db") as database:
        for table, column in (("experiments", "artifact_location"), ("runs", "artifact_uri")):
            database.execute(f"UPDATE {table} SET {column} = ? || '/' || {column}", (str(folder),))


@pytest.mark.parametrize(
    "name", [*NAMES, *(pytest.param(name, marks=pytest.mark.slow) for name in MORE)]
)
def test_every_command_works_in_a_folder_of_any_name_and_leaves_nothing_outside(
    begin, tmp_path, said, name
):
    folder = begin(name)
    before = tmp_path.stat().st_mtime_ns
    log = f"{name.replace('/', '')}.jsonl"
    asked = (launch, "small.yaml", f"--log={log}")
    assert "0 to run, 0 done already, 2 stored" in said(*asked)
    assert "0 to run, 2 done already" in said(*asked)
    assert "2/2 done" in said(status)
    assert (report(["small"]), publish(["small.yaml"]), clean(["--records"])) == (0, 0, 0)
    assert len(list((folder / "sweep_storage/records").iterdir())) == 2  # of the other replicate
    assert "0 to run, 2 done already" in said(
        launch, "small.yaml", "--replicates", "1"
    )  # by MLflow

    assert len(list(folder.glob("mlruns/1/*/artifacts/record.npz"))) == 2
    assert (folder / log).is_file()
    assert [p.name for p in tmp_path.iterdir()] == [name]
    assert tmp_path.stat().st_mtime_ns == before  # nor was anything made and removed again
    assert not [address for address in addresses(folder) if not address.startswith("mlruns/")]


def test_storage_and_a_log_of_any_name(begin, tmp_path, capsys):
    folder = begin("plain")
    for name in NAMES:
        os.rename(folder / "sweep_storage", tmp_path / name)
        asked = ["small.yaml", f"--storage={tmp_path / name}", f"--log={tmp_path / name}/log"]
        assert launch(asked) == 0
        assert publish(asked) == 0
        assert clean([f"--storage={tmp_path / name}"]) == 0
        assert status([f"--storage={tmp_path / name}"]) == 0
        assert "2 records" not in capsys.readouterr().err
        assert (tmp_path / name / "log").stat().st_size
        os.rename(tmp_path / name, folder / "sweep_storage")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["plain"]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_trials_are_run_in_a_folder_of_any_name(place, tmp_path, name):
    """With Ray, as processes, and two workers a trial: Ray's own files too."""
    place.folder = tmp_path / name
    place.folder.mkdir()
    write(place.folder, "small")
    assert "2 to run" in place.launch("small.yaml")
    asked = ("small.yaml", "--workers-per-trial", "2", "--set", "task.epochs=3")
    assert "2 to run" in place.launch(*asked)
    assert "2/2 done" in place.launch(command="status")
    assert [p.name for p in tmp_path.iterdir()] == [name]


@pytest.mark.slow
def test_where_the_folder_above_cannot_be_written(begin, place):
    """As in a home: `/home` is nobody's but root's."""
    other = as_nobody()
    place.folder = begin("josé's sweep")
    for path in [place.folder, *place.folder.rglob("*")]:
        os.chown(path, NOBODY, NOBODY)
    assert "2 stored" in place.launch("small.yaml", before=other)


def test_a_copy_never_touches_its_original(begin, tmp_path, monkeypatch, said):
    original = begin("A")
    assert launch(["small.yaml"]) == 0
    before = tree(original)
    copy = tmp_path / "B"
    shutil.copytree(original, copy)
    enter(copy, monkeypatch)
    assert "4 trials, 0 to run, 2 done already, 2 stored" in said(
        launch, "small.yaml", "--replicates", "2"
    )
    assert "4/4 done" in said(status)
    assert report(["small"]) == 0
    assert tree(original) == before
    assert len(list(copy.glob("mlruns/1/*/artifacts/record.npz"))) == 4

    enter(original, monkeypatch)
    assert "2/2 done" in said(status)
    assert results(copy).count("finished") == 4  # from another folder, too


def test_a_project_that_was_moved_works_where_it_is(begin, tmp_path, monkeypatch, said):
    was = begin("A")
    assert launch(["small.yaml"]) == 0
    now = was.rename(tmp_path / "C")
    enter(now, monkeypatch)
    assert "2/2 done" in said(status)
    assert report(["small"]) == 0
    assert "4 trials, 0 to run, 2 done already" in said(launch, "small.yaml", "--replicates", "2")
    assert not was.exists()


def test_absolute_addresses_within_the_folder_go_on_working(begin, said):
    folder = begin("A")
    assert launch(["small.yaml"]) == 0
    made_absolute(folder)
    forget_databases()
    assert "4 trials, 0 to run, 2 done already, 2 stored" in said(
        launch, "small.yaml", "--replicates", "2"
    )
    assert status([]) == 0
    assert report(["small"]) == 0
    assert len(list(folder.glob("mlruns/1/*/artifacts/record.npz"))) == 4


@pytest.mark.parametrize("way", ["copied", "moved", "copied without artifacts"])
def test_addresses_of_another_folder_are_refused_and_brought_over_when_asked(
    begin, tmp_path, monkeypatch, said, refused, way
):
    original = begin("A")
    assert launch(["small.yaml"]) == 0
    made_absolute(original)
    here = tmp_path / "B"
    if way == "moved":
        original.rename(here)
    else:
        without = shutil.ignore_patterns("mlruns") if way.endswith("artifacts") else None
        shutil.copytree(original, here, ignore=without)
    enter(here, monkeypatch)
    before = tree(tmp_path)
    for command, *words in (
        *((launch, "small.yaml"), (publish, "small.yaml"), (status,)),
        *((report, "small"), (clean, "--records")),
    ):
        line = refused(command, *words)
        assert f"artifacts of 3 runs are addressed in {original}; python -m sweep.settle" in line
    assert tree(tmp_path) == before | {k: v for k, v in tree(tmp_path).items() if "/locks" in k}

    before = tree(original) if original.exists() else None
    would = said(settle, "--dry-run")
    copied = "0" if way in ("copied", "moved") else r"[1-9]\d*"
    assert original.exists() == (way != "moved")
    assert re.search(f"5 addresses would be made relative .* {copied} files", would)
    assert all(address.startswith(str(original)) for address in addresses(here))
    assert re.search(f"5 addresses made relative .* {copied} files", said(settle))
    assert "0 addresses made relative to this folder, 0 files" in said(settle)

    forget_databases()
    assert "4 trials, 0 to run, 2 done already, 2 stored" in said(
        launch, "small.yaml", "--replicates", "2"
    )
    assert results(here).count("finished") == 4
    assert before == (tree(original) if original.exists() else None)


def test_the_old_address_of_artifacts_that_are_nowhere_is_kept(begin, tmp_path, monkeypatch, said):
    original = begin("A")
    assert launch(["small.yaml"]) == 0
    made_absolute(original)
    shutil.rmtree(next(original.glob("mlruns/1/*/artifacts/record.npz")).parents[1])
    enter(original.rename(tmp_path / "B"), monkeypatch)
    assert "1 runs have no artifacts, here or where they were" in said(settle)
    client = MlflowClient(f"sqlite:///{tmp_path}/B/mlflow.db")
    tags = [run.data.tags for run in client.search_runs(["1"])]
    kept = [t["artifacts_before"] for t in tags if "artifacts_before" in t]
    assert len(kept) == 1
    assert kept[0].startswith(f"{original}/mlruns/1/")


def test_artifacts_whose_place_was_chosen_stay_there(begin, tmp_path, monkeypatch):
    original, chosen = begin("A"), tmp_path / "chosen"
    client = MlflowClient(f"sqlite:///{original}/mlflow.db")
    client.create_experiment("small", str(chosen))
    assert launch(["small.yaml"]) == 0
    assert len(list(chosen.glob("*/artifacts/record.npz"))) == 2
    copy = tmp_path / "B"
    shutil.copytree(original, copy)
    made = [a for a in addresses(copy) if a.startswith(str(chosen))]
    assert len(made) == 4
    enter(copy, monkeypatch)
    with sqlite3.connect(copy / "mlflow.db") as database:  # MLflow's own, that nobody uses
        database.execute(
            "UPDATE experiments SET artifact_location = '/A/mlruns/0' WHERE name = 'Default'"
        )
    assert launch(["small.yaml"]) == 0
    assert settle([]) == 0
    assert [a for a in addresses(copy) if a.startswith(str(chosen))] == made


def test_a_database_of_another_folder_keeps_its_artifacts_there(begin, tmp_path, monkeypatch, said):
    begin("B")
    (tmp_path / "50%20A").mkdir()
    elsewhere = f"sqlite:///{tmp_path}/50%2520A/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", elsewhere)
    assert launch(["small.yaml"]) == 0
    assert "0 to run, 2 done already" in said(launch, "small.yaml")
    assert len(list(tmp_path.glob("50%20A/mlruns/1/*/artifacts/record.npz"))) == 2
    assert not (tmp_path / "B/mlruns").exists()
    assert status([]) == 0
    enter(tmp_path / "50%20A", monkeypatch)
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert settle([]) == 0
    enter(tmp_path / "B", monkeypatch)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", elsewhere)
    assert launch(["small.yaml", "--replicates", "2"]) == 0
    assert len(list(tmp_path.glob("50%20A/mlruns/1/*/artifacts/record.npz"))) == 4
    assert not (tmp_path / "B/mlruns").exists()
    assert not (tmp_path / "50 A").exists()


@pytest.mark.slow
def test_through_a_server_artifacts_beside_its_database_are_read_and_not_written(
    stored, server, tmp_path, monkeypatch, refused
):
    server.stop()
    shutil.copytree(stored, server.folder, dirs_exist_ok=True)
    enter(server.folder, monkeypatch)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{server.folder}/server.db")
    assert launch(["small.yaml"]) == 0
    server.start()
    shutil.copytree(stored, tmp_path / "elsewhere")
    enter(tmp_path / "elsewhere", monkeypatch)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    assert load_study(MlflowClient(server.uri), "small").count("finished") == 2
    line = refused(launch, "small.yaml", "--replicates", "2")
    assert "in the folder of the server's database" in line
    assert not (tmp_path / "elsewhere/mlruns").exists()
    forget_databases()
