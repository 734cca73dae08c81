"""How studies stand, against a count of what lies in MLflow and in the storage folder."""

import json
import os
import socket
from collections import Counter

import pytest

from sweep.status import main

HOST = socket.gethostname()


def status(place, *arguments, code=0):
    return json.loads(place.launch(*arguments, "--json", command="status", code=code))


def test_a_finished_study_stands_as_it_was_left(copied_place, said):
    found = json.loads(said(main, "tiny", "--json"))
    (launch,) = found["launches"]
    runs = copied_place.runs()
    assert launch["counts"] == {"finished": len(runs), "diverged": 0, "failed": 0, "missing": 0}
    assert (launch["status"], launch["running"], launch["unpublished"]) == ("FINISHED", False, [])
    assert launch["nodes"] == {HOST: 8} == Counter(run.data.tags["node"] for run in runs)
    assert launch["last_finished"] == max(run.info.end_time for run in runs) / 1000
    assert found["storage"] == {"place": os.path.realpath("sweep_storage"), "records": 8,
                                "locks": {}}  # fmt: skip
    assert {trial["trial_id"] for trial in launch["trials"]} == copied_place.stored("records")

    line, below = said(main).splitlines()
    assert line.startswith("tiny, laptop, photos: finished · 8/8 done · launched 20")
    assert below.endswith("8 records; locks held: none")
    page = said(main, "tiny")
    assert "8: 8 finished, 0 diverged, 0 failed, 0 missing" in page
    assert f"nodes       {HOST} 8" in page


def test_what_ended_a_launch_in_which_no_trial_has_failed_is_said(copied_place, said):
    client = copied_place.client
    (parent,) = copied_place.runs(kind="study")
    client.set_terminated(parent.info.run_id, "FAILED")
    assert "photos: not complete · 8/8 done" in said(main)  # as an earlier version left it
    client.set_tag(parent.info.run_id, "ended_by", "8 trials are not published: it is full")
    assert "photos: not complete: 8 trials are not published: it is full · 8/8" in said(main)

    (trial, *_) = copied_place.runs()
    client.set_tag(trial.info.run_id, "outcome", "failed")
    client.set_terminated(trial.info.run_id, "FAILED")
    (copied_place.folder / "sweep_storage/records" / trial.data.tags["trial_id"]).unlink()
    assert "ended with failures: 8 trials are not published" in said(main, code=1)
    client.update_run(parent.info.run_id, status="RUNNING")
    assert "it is full" not in said(main, code=1)


def test_what_runs_is_counted_apart_from_what_is_missing_and_a_failure_half_told_is_one(
    copied_place, said
):
    client, (running, failing, lacking, *_) = copied_place.client, copied_place.runs()
    for run in (running, failing):
        client.update_run(run.info.run_id, status="RUNNING")
    client.delete_tag(running.info.run_id, "outcome")
    client.set_tag(failing.info.run_id, "outcome", "failed")
    client.delete_run(lacking.info.run_id)
    assert "5/8 done, 1 failed, 1 running, 1 missing" in said(main, code=1)
    assert f"running     1 ({running.info.run_name})" in said(main, "tiny", code=1)


def test_what_is_missing_failed_or_unpublished_is_counted_and_named(copied_place, said):
    runs = {run.info.run_name: run for run in copied_place.runs()}
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
    # as of a record of an earlier version
    client.delete_tag(runs["control #0"].info.run_id, "node")

    (launch,) = json.loads(said(main, "tiny", "--json", code=1))["launches"]
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
    page = said(main, "tiny", code=1)
    assert "2 × OSError: disk full (gaussian #0, pink #1, on a, b)" in page
    assert "1 stored (control #1); python -m sweep.publish tiny sends them" in page
    assert "1 of unfinished trials (pink #1, " in page


def test_while_a_launch_runs_its_process_is_told_of_and_afterwards_that_it_was_interrupted(
    place, rays
):
    """Nothing gets in its way meanwhile, and it leaves what it should."""
    study = place.write("tiny")
    process = place.start(study, "--scale", "long", RAY_TMPDIR=str(rays))
    place.wait_for(lambda: place.stored("checkpoints"))
    found = status(place, "tiny.yaml")
    (launch,) = found["launches"]
    assert (launch["status"], launch["process"]) == ("RUNNING", str(process.pid))
    assert found["storage"]["locks"] == {"tiny": str(process.pid)}
    assert {t["trial_id"] for t in launch["trials"] if t["checkpoint_age"] is not None} >= (
        place.stored("checkpoints") - place.stored("records")
    )
    running = f"tiny, long, photos: running (process {process.pid}) · "
    assert running in place.launch(command="status")
    for words, command, refusal in (
        ((study, "--scale", "long"), "launch", f"process {process.pid} is running it"),
        ((), "clean", f"a launch uses it: tiny (process {process.pid})"),
    ):
        said = place.launch(*words, command=command, code=2)
        assert refusal in said
        assert len(said.splitlines()) == 1

    place.interrupt(process)
    assert not [run for run in place.runs() if run.info.status == "RUNNING"]
    assert place.stored("checkpoints")
    assert not os.listdir(rays)
    (launch,) = status(place, "tiny", "--scale", "long")["launches"]
    assert (launch["status"], launch["process"]) == ("KILLED", None)
    assert launch["counts"]["missing"] == len(launch["trials"]) - launch["counts"]["finished"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["tinny"], "no study 'tinny' in MLflow; did you mean 'tiny'?"),
        (["tiny", "--scale", "paper"], "tiny was never launched so; there is laptop on photos"),
        (["--storage", "absent"], "--storage absent: there is no such folder"),
        (["absent.yaml"], "absent.yaml: cannot be read"),
        (["--what"], "unrecognized arguments: --what"),
    ],
)
def test_bad_input_is_one_line_with_exit_code_2(copied_place, refused, words, says):
    assert says in refused(main, *words)


def test_where_there_is_no_database_none_is_made(tmp_path, monkeypatch, refused):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    assert "status: there is nothing here: no MLflow database" in refused(main)
    assert not list(tmp_path.iterdir())
