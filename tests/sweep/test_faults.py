"""Faults of the world, with real processes: after each, the table of an undisturbed run.

Nodes that die, disks that are full, files cut off, an MLflow server that comes and goes, networks
that diverge, signals, clocks and locales. Numbers are compared to the bit; nothing is run or
recorded twice.
"""

import contextlib
import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest.mock import Mock

import psutil
import pytest
import torch
from mlflow import MlflowClient
from support import PATIENCE, ROOT, same_records

from analysis.results.loading import load_study
from trainables.storage.keys import checkpoint_key, record_key, warmup_key
from trainables.storage.storage import Storage

TRIALS = 8  # of the tiny study
CPU = torch.device("cpu")


def as_undisturbed(place, finished, study="tiny", client=None):
    """The study is complete, every trial is recorded once, and shared ones have equal numbers."""
    client = client or place.client
    results = load_study(client, study)
    assert results.count("finished") == len(results.trials)
    experiment = client.get_experiment_by_name(study).experiment_id
    runs = client.search_runs([experiment], "tags.kind = 'trial'")
    good = [run for run in runs if run.info.status == "FINISHED"]
    assert Counter(run.data.tags["trial_id"] for run in good) == Counter(list(results.by_id))
    assert "RUNNING" not in {run.info.status for run in runs}
    return same_records(results, finished.results)


def damage(path: Path) -> None:
    """Cut a file off in its middle."""
    os.truncate(path, path.stat().st_size // 2)


# A node dies


@pytest.mark.slow
def test_a_node_that_dies_with_its_trials_is_made_up_for_by_another(finished, place, cluster):
    nodes = cluster(0, 2)  # every trial is on the second, for the head has no CPU to give
    launch = place.start(place.write("tiny"), "--address", nodes.address)
    place.wait_for(lambda: place.stored("records"))
    nodes.remove_node(nodes.node, allow_graceful=False)
    nodes.add_node(num_cpus=1)
    out, err = place.ended(launch)
    assert "failed, tried again from its checkpoint" in out
    assert "Traceback" not in out + err
    assert len(as_undisturbed(place, finished)) == TRIALS


# The disk is full


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 700 kB, of its own."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=700k", "tmpfs", str(folder)]
    try:
        done = subprocess.run(mount, capture_output=True)
    except FileNotFoundError:
        pytest.skip("there is no mount")
    if done.returncode:
        pytest.skip("mounting needs a privilege")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.slow
def test_a_disk_that_gets_full_costs_the_trials_that_do_not_fit_and_nothing_else(
    finished, place, small_disk
):
    study = place.write("tiny")  # whose storage takes 1.4 MB
    said = place.launch(study, "--storage", str(small_disk), code=1)
    assert "No space left on device" in said
    assert "trials failed; the same command tries them again" in said
    assert "Traceback" not in said
    files = [path for path in small_disk.rglob("*") if path.is_file()]
    assert not [path for path in files if path.name.startswith((".unfinished", ".damaged"))]
    kept = [path for path in files if path.parent.name == "records"]
    assert all(Storage(small_disk).get(f"records/{path.name}") for path in kept)
    assert len(kept) < TRIALS

    subprocess.run(["mount", "-o", "remount,size=9m", str(small_disk)], check=True)
    assert f"{TRIALS - len(kept)} to run" in place.launch(study, "--storage", str(small_disk))
    assert len(as_undisturbed(place, finished)) == TRIALS


def test_a_disk_without_any_room_is_told_of_before_anything_runs(place, small_disk):
    with contextlib.suppress(OSError), (small_disk / "filler").open("wb", buffering=0) as filler:
        while True:
            filler.write(bytes(4096))
    said = place.launch(place.write("tiny"), "--storage", str(small_disk), code=2)
    assert "cannot be used (No space left on device)" in said
    assert len(said.splitlines()) == 1


# A file is cut off


def test_what_is_cut_off_is_set_aside_and_computed_again(finished, place, planned, live):
    """A checkpoint, a shared warm-up and a record, each in its middle."""
    storage = Storage(place.folder / "sweep_storage")
    begun, shared, recorded = [p.trial for p in planned().trials if p.trial.warmup][:3]
    for trial in (shared, recorded):
        live(trial, storage, checkpoint_seconds=0)
    storage.delete(record_key(shared.trial_id))
    seventeen = [None] * 16 + [InterruptedError]  # a step into the task
    with pytest.raises(InterruptedError):
        live(begun, storage, Mock(side_effect=seventeen), checkpoint_seconds=0)

    keys = (checkpoint_key(begun, CPU), warmup_key(shared, CPU), record_key(recorded.trial_id))
    for key in keys:
        damage(storage.root / key)
    assert f"{TRIALS} to run" in place.launch(place.write("tiny"))
    aside = [path.name for path in storage.root.rglob(".damaged-*")]
    assert sorted(aside) == sorted(f".damaged-{key.rpartition('/')[2]}" for key in keys)
    assert len(as_undisturbed(place, finished)) == TRIALS
    assert not place.stored("checkpoints")


def test_a_published_record_that_is_cut_off_is_published_again(finished, copied_place):
    trial_id, result = next(iter(finished.results.by_id.items()))
    damage(next(copied_place.folder.glob(f"mlruns/**/{result.run_id}/artifacts/record.npz")))
    assert copied_place.results("tiny").by_id[trial_id].outcome == "missing"
    said = copied_place.launch("tiny.yaml")
    assert "0 to run, 7 done already, 1 stored and to be published" in said
    assert len(as_undisturbed(copied_place, finished)) == TRIALS


# MLflow comes and goes


@pytest.mark.slow
def test_a_server_that_is_away_for_a_while_is_told_everything_when_it_is_back(
    finished, place, server, tiny
):
    long = {"label": "long", "warmup.examples": 798_720, "warmup.epochs": 16, "warmup.batch": 128}
    replicates = {"distribution": 2, "std": 2, "long": 1}
    study = place.write(
        "with_a_long_one",
        grids=tiny["grids"] | {"long": [long]},  # beside which there is time for an outage
        scales={"laptop": {"replicates": replicates}},
    )
    launch = place.start(study, "--tracking-uri", server.uri, MLFLOW_HTTP_REQUEST_MAX_RETRIES="1")
    place.wait_for(lambda: len(place.stored("records")) >= 2)
    server.stop()
    place.wait_for(lambda: len(place.stored("records")) >= 4)
    server.start()
    out, err = place.ended(launch)
    assert "Traceback" not in out + err
    client = MlflowClient(server.uri)
    assert len(as_undisturbed(place, finished, "with_a_long_one", client)) == TRIALS


# A network diverges


def test_a_network_that_diverges_is_counted_and_is_no_failure(finished, place):
    study = place.write(
        "tiny",
        grids={
            "distribution": {"warmup.noise.distribution": ["gaussian", "pink"]},
            "explodes": [{"label": "explodes", "warmup.optimizer.lr": 1e30}],
        },
    )
    said = place.launch(study)
    assert "8 trials, 8 to run" in said
    results = place.results("tiny")
    assert Counter((t.condition, t.outcome) for t in results.trials) == {
        ("", "finished"): 2,
        ("gaussian", "finished"): 2,
        ("pink", "finished"): 2,
        ("explodes", "diverged"): 2,
    }
    assert len(same_records(results, finished.results)) == 6
    page = (place.folder / "reports/tiny/laptop-photos/index.html").read_text("utf-8")
    assert "2 diverged" in page
    assert "0 to run, 8 done already" in place.launch(study)  # it would diverge again


# Signals


def below(launch: subprocess.Popen[str]) -> list[psutil.Process]:
    """The processes that a launch has started, and theirs."""
    try:
        return psutil.Process(launch.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def runs_below(launch: subprocess.Popen[str], name: str) -> bool:
    for process in below(launch):
        with contextlib.suppress(psutil.Error):
            if name in " ".join(process.cmdline()):
                return True
    return False


def planned(place, launch) -> bool:
    lock = place.folder / "sweep_storage/locks/tiny"
    return lock.is_file() and lock.read_text() != ""


MOMENTS: dict[str, Callable] = {
    "importing": lambda place, launch: True,  # a second after its start
    "planned": planned,
    "Ray is starting": lambda place, launch: runs_below(launch, "gcs_server"),
    "Ray is there": lambda place, launch: runs_below(launch, "raylet/raylet"),
    "training": lambda place, launch: runs_below(launch, "ray::ImplicitFunc"),
}


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_signal_ends_a_launch_soon_whatever_it_is_at(place, rays, number, moment):
    launch = place.start(place.write("tiny"), "--scale", "long", RAY_TMPDIR=str(rays))
    time.sleep(1)
    place.wait_for(lambda: MOMENTS[moment](place, launch))
    left = below(launch)
    sent_at = time.monotonic()
    launch.send_signal(number)
    out, err = place.ended(launch, 130, 100)
    assert time.monotonic() - sent_at < 20 * PATIENCE
    assert err.splitlines() == ["launch: interrupted; the same command goes on from here"]
    assert "Traceback" not in out
    place.wait_for(lambda: not [process for process in left if alive(process)], 30)
    assert not os.listdir(rays)


def alive(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.status() != psutil.STATUS_ZOMBIE
    return False


# Clock and locale

CLOCK = """
import time
start, now = time.monotonic(), time.time
# set back by a day, two seconds after each process's start
time.time = lambda: now() - 86_400 * (time.monotonic() - start > 2)
"""


@pytest.mark.slow
def test_a_clock_that_is_set_back_and_another_locale_leave_ids_and_numbers_alone(finished, place):
    (place.folder / "sitecustomize.py").write_text(CLOCK, "utf-8")
    said = place.launch(
        place.write("tiny"),
        PYTHONPATH=f"{place.folder}{os.pathsep}{ROOT}",
        TZ="<+14>-14",  # Kiritimati's, without a database of time zones
        LC_ALL="C",
        PYTHONUTF8="0",
        PYTHONCOERCECLOCALE="0",
        PYTHONIOENCODING="ascii",
    )
    assert "8 trials, 8 to run" in said
    assert len(as_undisturbed(place, finished)) == TRIALS == len(finished.results.trials)
    assert "0 to run, 8 done already" in place.launch("tiny.yaml")  # with the clock right again


# Two launches at a time


@pytest.mark.slow
def test_two_studies_that_share_trials_can_be_launched_at_the_same_time(finished, place):
    tiny = place.write("tiny")
    other = place.write("other", grids={"std": {"warmup.noise.std": [0.5, 1.0]}})
    launches = [place.start(study) for study in (tiny, other)]
    for launch in launches:
        place.ended(launch, seconds=280)
    assert len(as_undisturbed(place, finished)) == TRIALS
    assert len(as_undisturbed(place, finished, "other")) == 6
    assert len(place.stored("records")) == TRIALS
