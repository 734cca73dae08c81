"""What MLflow has missed is sent, nothing is run, and it is then what a launch would leave."""

import subprocess
import sys

import pytest

from sweep.publish import main

ITS_OWN = ("mlflow.parentRunId", "launched_at", "mlflow.note.content")  # of each MLflow


def content(place):
    """Everything MLflow has of the trials, by name, but for ids of its own."""
    client, found = place.client, {}
    for run in place.runs():
        (record,) = (path.read_bytes() for path in place.artifacts(run).iterdir())
        found[run.info.run_name] = {
            "params": run.data.params,
            "tags": {k: v for k, v in run.data.tags.items() if k not in ITS_OWN},
            "metrics": {
                name: [
                    (m.step, m.value, m.timestamp)
                    for m in client.get_metric_history(run.info.run_id, name)
                ]
                for name in run.data.metrics
            },
            "times": (run.info.status, run.info.start_time, run.info.end_time),
            "data": [(d.dataset.name, d.dataset.digest) for d in run.inputs.dataset_inputs],
            "record": record,
        }
    return found


def report(place):
    (parent,) = place.runs(kind="study")
    folder = place.artifacts(parent)
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_after_an_outage_mlflow_holds_what_an_undisturbed_launch_leaves(finished, copied_place):
    undisturbed = content(finished.place)
    folder = copied_place.folder
    for name in ("mlflow.db", "mlruns"):
        (folder / name).rename(folder / f"lost-{name}")
    before = {p: p.stat().st_mtime_ns for p in (folder / "sweep_storage/records").iterdir()}
    code = """
import sys
from sweep.publish import main
code = main(["tiny.yaml", "--log", "events.jsonl"])
assert "ray" not in sys.modules
sys.exit(code)
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "8 trials, 0 to run, 0 done already, 8 stored and to be published" in ended.stdout
    assert content(copied_place) == undisturbed
    (parent,) = copied_place.runs(kind="study")
    assert parent.info.status == "FINISHED"
    assert report(copied_place) == report(finished.place)
    assert before == {p: p.stat().st_mtime_ns for p in (folder / "sweep_storage/records").iterdir()}
    assert (folder / "events.jsonl").read_text().count('"published"') == 8


def test_what_is_left_to_run_is_left_and_the_studys_run_keeps_its_status(copied_place, said):
    client, runs = copied_place.client, {r.info.run_name: r for r in copied_place.runs()}
    (parent,) = copied_place.runs(kind="study")
    client.set_tag(parent.info.run_id, "launched_at", "2026-01-31 12:00:00 UTC")
    client.set_terminated(parent.info.run_id, "KILLED")
    for name in ("pink #0", "pink #1"):
        client.delete_run(runs[name].info.run_id)
    left = runs["pink #1"].data.tags["trial_id"]
    (copied_place.folder / "sweep_storage/records" / left).unlink()

    out = said(main, "tiny.yaml")
    assert "1 to run, 6 done already, 1 stored and to be published" in out
    assert "1 trials are not run yet; sweep.launch runs them" in out
    assert {r.info.run_name for r in copied_place.runs()} == runs.keys() - {"pink #1"}
    (parent,) = copied_place.runs(kind="study")
    assert parent.info.status == "KILLED"
    assert parent.data.tags["launched_at"] == "2026-01-31 12:00:00 UTC"


def test_a_smaller_plan_than_was_launched_takes_not_its_place(copied_place, refused):
    line = refused(main, "tiny.yaml", "--replicates", "1", planned=True)
    assert line.startswith("publish: tiny was launched with 4 trials that these options do not")
    assert copied_place.results("tiny").count("finished") == 8
    (parent,) = copied_place.runs(kind="study")
    assert parent.info.status == "FINISHED"


def test_where_nothing_is_stored_nothing_is_written(place, here, monkeypatch, said):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{place.folder}/mlflow.db")
    assert "nothing to publish" in said(main, "tiny.yaml")
    assert place.client.get_experiment_by_name("tiny") is None


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["tinny"], "study 'tinny' is unknown"),
        (["tiny.yaml", "--set", "task.epoch=3"], "task.epoch: no such field"),
        (["tiny.yaml", "--concurrency", "3"], "unrecognized arguments: --concurrency 3"),
        ([], "the following arguments are required: STUDY"),
    ],
)
def test_bad_input_is_one_line_with_exit_code_2(here, refused, words, says):
    assert says in refused(main, *words)


def test_a_search_is_published_with_its_proposals_and_its_best(place, searching):
    place.launch(searching, "--trials", "2")
    before = {run.data.tags["trial_id"] for run in place.runs("searching")}
    for name in ("mlflow.db", "mlruns"):
        (place.folder / name).rename(place.folder / f"lost-{name}")
    assert "0 to run" in place.launch(searching, command="publish")
    runs = place.runs("searching")
    assert {run.data.tags["trial_id"] for run in runs} == before
    assert len(runs) == len(before)
    assert "0 to run, " in place.launch(searching, "--trials", "2")
