"""A launch as a user makes it, with real Ray and real MLflow: what it leaves and what it spares."""

import itertools
import json
import os
import re
import signal
from collections import Counter

import psutil
import torch
from support import same_numbers, same_records

from analysis.metrics.calibration import expected_calibration_error
from analysis.metrics.classification import confidence_and_correct
from analysis.results.records import read_record
from sweep.backend.capacity import cpus
from sweep.plan.fields import flat
from trainables.config.trial import Data
from trainables.storage.storage import Storage

TRIALS = 8  # of the tiny study: two replicates of a control and three conditions


# What it leaves


def test_every_planned_trial_is_finished_and_the_report_is_there(finished):
    assert finished.results.count("finished") == TRIALS == len(finished.results.trials)
    assert finished.said.startswith("Data photos: 4,000 training, ")  # what was found, once
    assert finished.said.count("Data photos: ") == 1
    assert "8 trials, 8 to run, 0 done already" in finished.said
    page = finished.place.folder / "reports/tiny/laptop-photos/index.html"
    assert f"Report: {page.relative_to(finished.place.folder)}" in finished.said
    assert "<svg" in page.read_text("utf-8")


def test_while_it_runs_nothing_but_its_progress_is_said(finished):
    lines = finished.said.splitlines()
    begins = next(number for number, line in enumerate(lines) if "8 to run" in line)
    said = lines[begins + 1 : lines.index("", begins)]
    assert said
    for line in said:
        assert re.match(r"\d/8 done, 0 reused, \d running, 0 failed", line), line


def test_mlflow_needs_no_flags_in_the_same_folder(finished):
    assert (finished.place.folder / "mlflow.db").is_file()
    for run in finished.place.runs():  # as MLflow's pages read it, wherever the folder is
        assert run.info.artifact_uri.startswith("mlruns/")
        assert (finished.place.artifacts(run) / "record.npz").is_file()


def test_trials_are_nested_named_and_finished_and_so_is_their_parent(finished):
    (parent,) = finished.place.runs(kind="study")
    runs = finished.place.runs()
    assert len(runs) == TRIALS
    assert parent.info.status == "FINISHED"
    assert parent.info.run_name == "laptop, photos"
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert {run.data.tags["mlflow.parentRunId"] for run in runs} == {parent.info.run_id}
    assert Counter(run.info.run_name for run in runs) == Counter(
        f"{name} #{replicate}"
        for name in ("control", "gaussian", "pink", "gaussian, std 0.5")
        for replicate in (0, 1)
    )
    artifacts = {path.name for path in finished.place.artifacts(parent).iterdir()}
    assert artifacts == {"plan.json", "report"}


def test_every_field_of_the_trial_is_a_parameter(finished, planned):
    plan = planned()
    for run in finished.place.runs():
        trial = plan.by_id[run.data.tags["trial_id"]].trial
        expected = {
            name: value if isinstance(value, str) else json.dumps(value)
            for name, value in flat(trial.model_dump(mode="json")).items()
        }
        assert run.data.params == expected


def test_tags_say_arm_pair_cell_commit_and_versions(finished):
    for run in finished.place.runs():
        tags = run.data.tags
        assert tags["arm"] == ("control" if run.info.run_name.startswith("control") else "warmup")
        assert (tags["pair"] == tags["trial_id"]) == (tags["arm"] == "control")
        assert tags["outcome"] == "finished"
        assert tags["device"] == "cpu"
        assert tags["commit"]
        assert tags["version.torch"] == torch.__version__.split("+")[0]
        assert json.loads(tags["cell"]).keys() <= {"warmup.noise.distribution", "warmup.noise.std"}


def test_the_history_is_there_by_optimizer_step_over_both_phases(finished):
    results = finished.results
    for trial in results.trials:
        history = trial.record.history
        for metric in ("test_loss", "test_ece", "validation_accuracy", "train_loss", "noise_loss"):
            logged = finished.place.client.get_metric_history(trial.run_id, metric)
            if metric not in history:
                assert not logged
                continue
            measured = history.dropna(subset=[metric])
            assert [m.step for m in logged] == measured["step"].tolist()
            assert [m.value for m in logged] == measured[metric].tolist()
            assert all(a.timestamp <= b.timestamp for a, b in itertools.pairwise(logged))
    warmed = next(t for t in results.trials if t.arm == "warmup").record.history
    assert warmed["phase"].tolist() == ["untrained"] + ["warmup"] * 2 + ["task"] * 3
    assert warmed["step"].tolist() == [0, 8, 16, 18, 20, 22]


def test_the_summary_follows_from_the_logits(finished):
    trial = finished.results.trials[-1]
    run = finished.place.client.get_run(trial.run_id)
    said = confidence_and_correct(trial.record.logits["test"], trial.record.labels["test"])
    assert run.data.metrics["test_ece"] == expected_calibration_error(*said)
    assert run.data.metrics["examples_warmup"] == 512
    assert run.data.metrics["seconds_total"] > 0


def test_data_sets_are_logged_with_their_digests(finished, sources):
    for run in finished.place.runs() + finished.place.runs(kind="study"):
        logged = {
            entry.dataset.name: (entry.dataset.digest, entry.tags[0].value)
            for entry in run.inputs.dataset_inputs
        }
        assert logged == {
            "photos": (sources.get(Data(), "photos").digest[:16], "training"),
            "photos_ood": (sources.get(Data(), "photos_ood").digest[:16], "out-of-distribution"),
        }


def test_nothing_but_records_and_warm_ups_is_kept(finished):
    assert len(finished.place.stored("records")) == TRIALS
    assert len(list((finished.place.folder / "sweep_storage/warmups/cpu").iterdir())) == 6
    assert not finished.place.stored("checkpoints")
    kept = {path.name for path in (finished.place.folder / "sweep_storage").iterdir()}
    assert kept - {"checkpoints"} == {"records", "warmups", "locks"}


# The same trial, the same numbers: one at a time too, in backend/test_ray_folder.py


def test_a_trial_run_alone_gives_bit_identical_numbers(finished, planned, live, tmp_path):
    storage = Storage(tmp_path)
    for one in reversed(planned().trials):  # and in another order
        alone = read_record(storage.get(live(one.trial, storage)))
        same_numbers(alone, finished.results.by_id[one.trial_id].record)


# What it spares


def test_a_dry_run_says_how_long_it_takes_and_what_that_leaves_out(place):
    tiny = place.write("tiny")
    plain = " ".join(place.launch(tiny, "--dry-run").split())
    probed = " ".join(place.launch(tiny, "--dry-run", "--set", "probes=[layers]").split())
    assert re.search(r"Time left \d+ s, \d+ trials at a time \(by a short measurement", plain)
    assert "on this CPU)" in plain
    assert "on this CPU, without the probes)" in probed
    assert not (place.folder / "mlflow.db").exists()


def test_launching_again_runs_nothing_and_more_replicates_run_only_new_pairs(copied_place):
    before = {run.info.run_id: run.info.end_time for run in copied_place.runs()}
    assert "nothing to run" in copied_place.launch("tiny.yaml", "--dry-run")
    assert "0 to run, 8 done already" in copied_place.launch("tiny.yaml")
    assert {run.info.run_id: run.info.end_time for run in copied_place.runs()} == before

    said = copied_place.launch("tiny.yaml", "--replicates", "3")
    assert "12 trials, 4 to run, 8 done already" in said
    new = [run for run in copied_place.runs() if run.info.run_id not in before]
    assert {run.data.tags["replicate"] for run in new} == {"2"}
    assert len(new) == 4
    assert len(copied_place.runs(kind="study")) == 1
    assert copied_place.results("tiny").count("finished") == 12


def test_what_another_study_has_run_is_adopted_with_its_origin(copied_place):
    other = copied_place.write("other", grids={"std": {"warmup.noise.std": [0.5, 1.0]}})
    said = copied_place.launch(other)
    assert "6 trials, 0 to run, 0 done already, 6 adopted from other studies" in said
    origins = {run.data.tags["trial_id"]: run.info.run_id for run in copied_place.runs()}
    for run in copied_place.runs("other"):
        tags = run.data.tags
        assert tags["adopted_from_run"] == origins[tags["trial_id"]]
        assert tags["adopted_from_study"] == "tiny"
    assert len(same_records(copied_place.results("tiny"), copied_place.results("other"))) == 6
    # the same once more, without the storage: from the runs' own records
    copied_place.folder.joinpath("sweep_storage").rename(copied_place.folder / "gone")
    third = copied_place.write("third", grids={"std": {"warmup.noise.std": [0.5, 1.0]}})
    assert "0 to run, 0 done already, 6 adopted" in copied_place.launch(third)
    assert copied_place.results("third").count("finished") == 6


def test_a_warm_up_is_made_once_however_many_would_need_it_at_the_same_time(place):
    sizes = {"size": {"data.examples": [32, 48, 64]}}
    study = place.write("sized", grids=sizes, scales={"laptop": {"replicates": 1}})
    # four workers, and when the three controls are done nothing is left but what waits for the
    # warm-up: it takes seconds, a control a tenth of one
    share = str(cpus() / 4)
    place.launch(study, "--cpus-per-trial", share, "--set", "warmup.examples=102400")
    warmed = [trial for trial in place.results("sized").trials if trial.arm == "warmup"]
    phases = [trial.record.history.query("phase == 'warmup'") for trial in warmed]
    assert [len(rows) for rows in phases] == [2, 2, 2]
    # its seconds are those of the one trial that has spent them
    assert len({tuple(rows["seconds"]) for rows in phases}) == 1


# Where it runs


def test_a_cluster_of_two_nodes_gives_the_same_numbers(finished, place, cluster):
    address = ("--address", cluster(1, 1).address)
    assert "8 to run" in place.launch(place.write("tiny"), *address)
    larger = ("--replicates", "3", "--cpus-per-trial", "2")
    refused = place.launch("tiny.yaml", *larger, *address, code=2)
    assert "a trial needs 2 CPUs and 0 GPUs on one node; the nodes have 1 CPUs" in refused
    assert len(same_records(finished.results, place.results("tiny"))) == TRIALS


# What goes wrong


def test_a_launch_killed_in_mid_study_leaves_true_statuses_and_the_next_finishes(
    finished, place, rays
):
    study = place.write("tiny")
    first = place.start(study, "--concurrency", "1", RAY_TMPDIR=str(rays))
    place.wait_for(lambda: len(place.stored("records")) >= 3)
    first.kill()  # SIGKILL: it can say nothing
    first.wait()
    place.wait_for(lambda: place.runs(kind="study")[0].info.status == "KILLED", 30)
    assert "RUNNING" not in {run.info.status for run in place.runs()}

    assert len(os.listdir(rays)) == 1  # Ray's files, which nobody could remove
    done = len(place.stored("records"))
    said = place.launch(study, RAY_TMPDIR=str(rays))
    assert not os.listdir(rays)
    assert f"{TRIALS} trials, " in said
    assert done < TRIALS or "0 to run" in said
    runs = place.runs()
    assert len(runs) == TRIALS == len({run.data.tags["trial_id"] for run in runs})
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert len(same_records(finished.results, place.results("tiny"))) == TRIALS


def test_a_long_trial_is_seen_to_run_and_if_terminated_keeps_its_curve_and_checkpoint(place, rays):
    """And so does one by Ctrl-C: see test_status."""
    study = place.write("tiny")
    process = place.start(study, "--scale", "long", RAY_TMPDIR=str(rays))
    place.wait_for(lambda: place.stored("checkpoints"))
    place.wait_for(lambda: place.runs())
    (seen, *_) = place.runs()
    assert (seen.info.status, seen.data.params["task.optimizer.name"]) == ("RUNNING", "adam")
    place.interrupt(process, signal.SIGTERM)
    (parent,) = place.runs(kind="study")
    assert parent.info.status == "KILLED"
    left = place.runs()
    assert {run.info.status for run in left} == {"KILLED"}
    assert all("validation_ece" in run.data.metrics for run in left)
    assert place.stored("checkpoints")
    assert not os.listdir(rays)


def test_a_trial_that_fails_is_failed_in_mlflow_and_is_tried_again_by_the_next_launch(place, rays):
    study = place.write("tiny")
    obstacle = place.folder / "sweep_storage/warmups"
    obstacle.parent.mkdir()
    obstacle.write_text("a file where a folder must be")  # so no warm-up can be stored
    said = place.launch(study, "--retries", "0", code=1, RAY_TMPDIR=str(rays))
    assert not os.listdir(rays)
    assert "6 trials failed; the same command tries them again" in said
    runs = place.runs()
    assert Counter(run.info.status for run in runs) == {"FINISHED": 2, "FAILED": 6}
    failed = [run for run in runs if run.info.status == "FAILED"]
    assert {run.data.tags["outcome"] for run in failed} == {"failed"}
    assert all("Error" in run.data.tags["error"] for run in failed)
    assert [path.name for path in place.artifacts(failed[0]).iterdir()] == ["error.txt"]
    assert place.runs(kind="study")[0].info.status == "FAILED"
    page = (place.folder / "reports/tiny/laptop-photos/index.html").read_text("utf-8")
    assert "6 failed" in page

    obstacle.unlink()
    assert "6 to run, 2 done already" in place.launch(study)
    assert place.results("tiny").count("finished") == TRIALS
    assert place.runs(kind="study")[0].info.status == "FINISHED"


def test_a_worker_that_dies_is_replaced_and_its_trial_goes_on_from_its_checkpoint(place):
    study = place.write("tiny", grids={"std": {"warmup.noise.std": [1.0]}})
    process = place.start(study, "--scale", "long")
    place.wait_for(lambda: place.stored("checkpoints"))
    for pid in workers_of(process.pid):
        os.kill(pid, signal.SIGKILL)
    out, _ = place.ended(process)
    assert (
        "std 1 #0: failed, tried again from its checkpoint: the worker process was killed, as the "
        "system does when memory runs out, or crashed: fewer at a time (--concurrency), " in out
    )
    assert place.results("tiny").count("finished") == 2
    (trial,) = [t for t in place.results("tiny").trials if t.arm == "warmup"]
    assert trial.record.examples["warmup"] == 1_597_440  # no epoch lost, none trained twice
    assert trial.record.history["epoch"].tolist() == [0, *range(1, 33), 1, 2, 3]


def workers_of(driver: int) -> list[int]:
    """Process ids of the Ray workers below a driver that are training."""
    below = psutil.Process(driver).children(recursive=True)
    return [p.pid for p in below if " ".join(p.cmdline()).startswith("ray::ImplicitFunc")]
