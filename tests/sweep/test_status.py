"""How studies stand, against a count of what lies in MLflow and in the storage folder."""

import json
import os
import signal
import socket
import sys
from collections import Counter

import pytest
from support import PATIENCE

from sweep.status import main

HOST = socket.gethostname()


def status(place, *arguments, code=0):
    return json.loads(place.launch(*arguments, "--json", command="status", code=code))


def children(place, study="tiny"):
    experiment = place.client.get_experiment_by_name(study)
    return place.client.search_runs([experiment.experiment_id], "tags.kind = 'trial'")


def told(capsys, *arguments, code=0):
    assert main(arguments) == code
    return capsys.readouterr().out


def test_a_finished_study_stands_as_it_was_left(copied_place, capsys):
    found = json.loads(told(capsys, "tiny", "--json"))
    (launch,) = found["launches"]
    runs = children(copied_place)
    assert launch["counts"] == {"finished": len(runs), "diverged": 0, "failed": 0, "missing": 0}
    assert (launch["status"], launch["running"], launch["unpublished"]) == ("FINISHED", False, [])
    assert launch["nodes"] == {HOST: 8} == Counter(run.data.tags["node"] for run in runs)
    assert launch["last_finished"] == max(run.info.end_time for run in runs) / 1000
    assert found["storage"] == {"place": os.path.realpath("sweep_storage"), "records": 8,
                                "locks": {}}  # fmt: skip
    assert {trial["trial_id"] for trial in launch["trials"]} == copied_place.stored("records")

    line, below = told(capsys).splitlines()
    assert line.startswith("tiny, laptop, photos: finished · 8/8 done · launched 20")
    assert below.endswith("8 records; locks held: none")
    page = told(capsys, "tiny")
    assert "8: 8 finished, 0 diverged, 0 failed, 0 missing" in page
    assert f"nodes       {HOST} 8" in page


def test_what_ended_a_launch_in_which_no_trial_has_failed_is_said(copied_place, capsys):
    client = copied_place.client
    experiment = client.get_experiment_by_name("tiny")
    (parent,) = client.search_runs([experiment.experiment_id], "tags.kind = 'study'")
    client.set_terminated(parent.info.run_id, "FAILED")
    assert "photos: not complete · 8/8 done" in told(capsys)  # as an earlier version left it
    client.set_tag(parent.info.run_id, "ended_by", "8 trials are not published: it is full")
    assert "photos: not complete: 8 trials are not published: it is full · 8/8" in told(capsys)

    (trial, *_) = children(copied_place)
    client.set_tag(trial.info.run_id, "outcome", "failed")
    client.set_terminated(trial.info.run_id, "FAILED")
    (copied_place.folder / "sweep_storage/records" / trial.data.tags["trial_id"]).unlink()
    assert "ended with failures: 8 trials are not published" in told(capsys, code=1)
    client.update_run(parent.info.run_id, status="RUNNING")
    assert "it is full" not in told(capsys, code=1)


def test_what_is_missing_failed_or_unpublished_is_counted_and_named(copied_place, capsys):
    runs = {run.info.run_name: run for run in children(copied_place)}
    client = copied_place.client
    for name, node in (("gaussian #0", "a"), ("pink #1", "b")):
        run_id = runs[name].info.run_id
        for key, value in (("outcome", "failed"), ("error", "OSError: disk full"), ("node", node)):
            client.set_tag(run_id, key, value)
        client.set_terminated(run_id, "FAILED")
    gone = runs["control #1"]
    client.delete_run(gone.info.run_id)
    stored = copied_place.folder / "sweep_storage/records"
    for name in ("gaussian #0", "pink #1"):
        (stored / runs[name].data.tags["trial_id"]).unlink()
    checkpoint = copied_place.folder / "sweep_storage/checkpoints/cpu"
    checkpoint.mkdir(parents=True, exist_ok=True)
    (checkpoint / runs["pink #1"].data.tags["trial_id"]).write_bytes(b"half a trial")
    old = copied_place.client.search_runs(
        [gone.info.experiment_id], "attributes.run_name = 'control #0'"
    )[0]  # fmt: skip
    client.delete_tag(old.info.run_id, "node")  # as of a record of an earlier version

    (launch,) = json.loads(told(capsys, "tiny", "--json", code=1))["launches"]
    assert launch["counts"] == {"finished": 5, "diverged": 0, "failed": 2, "missing": 1}
    assert launch["nodes"] == {"": 1, HOST: 4}
    ids = [runs[name].data.tags["trial_id"] for name in ("gaussian #0", "pink #1")]
    assert {e: sorted(t) for e, t in launch["failures"].items()} == {
        "OSError: disk full": sorted(ids)
    }
    assert launch["unpublished"] == [gone.data.tags["trial_id"]]
    ages = {t["name"]: t["checkpoint_age"] for t in launch["trials"] if t["checkpoint_age"]}
    assert list(ages) == ["pink #1"]
    assert 0 < ages["pink #1"] < 60
    page = told(capsys, "tiny", code=1)
    assert "2 × OSError: disk full (gaussian #0, pink #1, on a, b)" in page
    assert "1 stored (control #1); python -m sweep.publish tiny sends them" in page
    assert "1 of unfinished trials (pink #1, " in page


def test_a_running_launch_is_told_of_with_its_process_and_an_interrupted_one_as_that(place):
    study = place.write("tiny")
    process = place.start(study, "--scale", "long")
    place.wait_for(lambda: place.stored("checkpoints"))
    found = status(place, "tiny.yaml")
    (launch,) = found["launches"]
    assert (launch["status"], launch["process"]) == ("RUNNING", str(process.pid))
    assert found["storage"]["locks"] == {"tiny": str(process.pid)}
    assert {t["trial_id"] for t in launch["trials"] if t["checkpoint_age"] is not None} >= (
        place.stored("checkpoints") - place.stored("records")
    )
    said = place.launch(command="status")
    assert f"tiny, long, photos: running (process {process.pid}) · " in said
    refused = place.launch(command="clean", code=2)
    assert f"a launch uses it: tiny (process {process.pid})" in refused
    assert len(refused.splitlines()) == 1

    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60 * PATIENCE)
    (launch,) = status(place, "tiny", "--scale", "long")["launches"]
    assert (launch["status"], launch["process"]) == ("KILLED", None)
    assert launch["counts"]["missing"] == len(launch["trials"]) - launch["counts"]["finished"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["tinny"], "no study 'tinny' in MLflow; did you mean 'tiny'?"),
        (["tiny", "--scale", "paper"], "tiny was never launched so; there is laptop on photos"),
        (["--storage", "absent"], "--storage absent: there is no such folder"),
        (["absent.yaml"], "absent.yaml: cannot be read"),
        (["--what"], "unrecognized arguments: --what"),
    ],
)
def test_bad_input_is_one_line_with_exit_code_2(copied_place, capsys, arguments, said):
    try:
        code = main(arguments)
    except SystemExit as ended:  # argparse
        code = ended.code
    out, err = capsys.readouterr()
    assert (code, out) == (2, "")
    assert err.startswith("status: ")
    assert said in err
    assert len(err.splitlines()) == 1


def test_where_there_is_no_database_none_is_made(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    assert main([]) == 2
    assert "status: there is nothing here: no MLflow database" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["launch", "status", "publish", "clean"])
def test_help_teaches_by_example_and_imports_nothing_slow(command, place):
    import subprocess

    code = f"""
import sys
from sweep.{command} import main
try:
    main(["--help"])
except SystemExit as ended:
    assert ended.code == 0
slow = {{"mlflow", "torch", "ray", "optuna", "pandas"}} & set(sys.modules)
assert not slow, slow
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert f"python -m sweep.{command} " in ended.stdout
