"""The log for programs, against MLflow and the exit code."""

from collections import Counter
from datetime import UTC, datetime

import pytest

from sweep.cli.main import run_command
from sweep.errors import InputError
from sweep.launch import main
from sweep.run.events import Log, logged


def test_every_trial_of_mlflow_is_in_the_log_of_its_launch_with_what_became_of_it(place):
    study = place.write("tiny", grids={"std": {"warmup.noise.std": [1.0]}})
    obstacle = place.folder / "sweep_storage/warmups"
    obstacle.parent.mkdir()
    obstacle.write_text("a file where a folder must be")  # so no warm-up can be stored
    begun = datetime.now(UTC)
    place.launch(study, "--retries", "1", "--log", "events.jsonl", code=1)
    lines = place.log("events.jsonl")

    assert lines[0]["event"] == "planned"
    where = ("tiny", "laptop", "photos")
    assert tuple(lines[0][k] for k in ("study", "scale", "data")) == where
    assert {k: lines[0][k] for k in ("trials", "to_run", "done")} == {
        "trials": 4, "to_run": 4, "done": 0,
    }  # fmt: skip
    assert (lines[-1]["event"], lines[-1]["code"]) == ("ended", 1)
    runs = place.runs()
    for status, event in (("FINISHED", "finished"), ("FAILED", "failed")):
        ids = {run.data.tags["trial_id"] for run in runs if run.info.status == status}
        assert {line["trial_id"] for line in lines if line["event"] == event} == ids
        assert len(ids) == 2
    errors = {r.data.tags["trial_id"]: r.data.tags["error"] for r in runs if "error" in r.data.tags}
    failed = [line for line in lines if line["event"] == "failed"]
    assert {line["trial_id"]: line["error"] for line in failed} == errors
    # Ray said where they failed, and MLflow was told
    nodes = {r.data.tags["node"] for r in runs}
    assert len(nodes) == 1
    assert {line["node"] for line in failed} == nodes
    events = Counter(line["event"] for line in lines)
    assert (events["retried"], events["published"]) == (2, 4)
    told = [n["trial_id"] for n in lines if n["event"] == "published" and "outcome" in n]
    assert set(told) == errors.keys()
    names = {run.data.tags["trial_id"]: run.info.run_name for run in runs}
    for line in lines[1:-1]:
        assert line["name"] == names[line["trial_id"]]
    times = [datetime.fromisoformat(line["time"]) for line in lines]
    assert all(time.utcoffset().total_seconds() == 0 for time in times)
    assert begun <= times[0].replace(microsecond=999999)
    assert times[-1] <= datetime.now(UTC)

    # the next launch's lines come after them
    obstacle.unlink()
    place.launch(study, "--log", "events.jsonl")
    both = place.log("events.jsonl")
    assert both[: len(lines)] == lines
    assert both[-1]["code"] == 0
    assert (both[len(lines)]["done"], both[len(lines)]["to_run"]) == (2, 2)


@pytest.mark.slow
def test_a_searchs_log_has_its_proposals_and_their_trials(place, searching):
    place.launch(searching, "--trials", "2", "--log", "events.jsonl")
    lines = place.log("events.jsonl")
    proposed = {n["number"]: set(n["trial_ids"]) for n in lines if n["event"] == "proposed"}
    judged = {n["number"]: n["state"] for n in lines if n["event"] == "judged"}
    assert judged == {0: "finished", 1: "finished"} == dict.fromkeys(proposed, "finished")
    finished = {n["trial_id"] for n in lines if n["event"] == "finished"}
    assert finished >= proposed[0] | proposed[1]
    assert finished == {run.data.tags["trial_id"] for run in place.runs("searching")}
    assert finished == {n["trial_id"] for n in lines if n["event"] == "published"}
    assert lines[-1]["code"] == 0


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (InputError("wrong: --this"), 2, "wrong: --this"),
        (KeyboardInterrupt(), 130, "KeyboardInterrupt"),
        (ValueError("a fault"), 1, "a fault"),
    ],
)
def test_whatever_ends_a_command_its_last_line_and_its_exit_code_agree(place, error, code, said):
    def fail():
        raise error

    log = place.folder / "log"
    assert run_command("test", lambda: logged(log, fail), "interrupted") == code
    (line,) = place.log()
    assert (line["event"], line["code"], line["error"]) == ("ended", code, said)


def test_a_log_that_cannot_be_written_is_bad_input_and_one_that_fills_the_disk_is_not(
    here, refused
):
    line = refused(main, "tiny.yaml", "--log", "absent/events.jsonl")
    assert "absent/events.jsonl: cannot be written (No such file or directory)" in line
    Log(here / "absent" / "file").write("planned")  # no error
