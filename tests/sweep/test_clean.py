"""Cleaning removes what it says, and a launch afterwards finds everything it needs."""

import fcntl
import os
import re
import threading
import time

import pytest

from sweep.clean import main
from sweep.storage.locks import exclusive, using
from trainables.storage.storage import Storage

DAY = 86400.0


def aged(path, days, content=b"0123456789"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (time.time() - days * DAY,) * 2)
    return path


def everything(folder):
    """Every file and its content, but for the lock that cleaning takes."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != ".in-use")
    return {path: path.read_bytes() for path in files}


@pytest.fixture
def littered(copied_place):
    """The finished study's storage with things to keep, and things to remove (returned)."""
    storage = copied_place.folder / "sweep_storage"
    done = next((storage / "records").iterdir()).name
    aged(storage / "checkpoints/cpu/unfinished", 3)
    damaged = aged(storage / "records/damagedrecord", 0, b"not whole")
    aged(storage / "checkpoints/cpu" / damaged.name, 3)
    aged(storage / "records/.unfinished-now", 0.5)
    aged(storage / "ray-tutorial/mine.txt", 30)
    aged(storage / ".unfinished-mine", 30)
    (storage / "ray-mine").mkdir()
    gone = [
        aged(storage / "checkpoints/cpu" / done, 0),
        aged(storage / "records/.unfinished-old", 2),
        aged(storage / "warmups/cpu/some/.damaged-old", 2),
        aged(storage / "ray-abcd123_/tune/state.json", 0),
        aged(storage / "locks/launcher-0123", 0, b""),
    ]
    return copied_place, storage, gone


def said_bytes(out):
    return int(re.search(r"fre\w+ ([\d,]+) bytes", out)[1].replace(",", ""))


def test_a_dry_run_says_what_would_go_and_removes_nothing(littered, said):
    _, storage, gone = littered
    before = everything(storage)
    out = said(main, "--dry-run")
    assert everything(storage) == before
    assert said_bytes(out) == sum(path.stat().st_size for path in gone) == 40
    assert "1 checkpoints of finished trials, 10 bytes" in out
    assert "2 half-written or damaged files, 20 bytes" in out


def test_exactly_what_was_named_goes_and_a_launch_afterwards_runs_nothing(littered, said):
    place, storage, gone = littered
    before = everything(storage)
    assert said_bytes(said(main)) == 40
    assert before.keys() - everything(storage).keys() == set(gone)
    assert not (storage / "ray-abcd123_").exists()
    (storage / "records/damagedrecord").unlink()
    (storage / "checkpoints/cpu/damagedrecord").unlink()

    # with the records and warm-ups gone too, MLflow has it all
    said(main, "--records", "--warmups", "--older-than", "0.001s")
    assert not list((storage / "records").glob("[!.]*"))
    assert not place.stored("warmups")
    assert "8 trials, 0 to run, 8 done already" in place.launch("tiny.yaml")


def test_only_records_that_mlflow_has_whole_are_removed(copied_place, said):
    absent, damaged, failed, deleted, *others = copied_place.runs()
    (copied_place.artifacts(absent) / "record.npz").unlink()
    (copied_place.artifacts(damaged) / "record.npz").write_bytes(b"damaged")
    copied_place.client.set_terminated(failed.info.run_id, "FAILED")
    copied_place.client.delete_run(deleted.info.run_id)
    before = copied_place.stored("records")
    said(main)
    assert copied_place.stored("records") == before
    out = said(main, "--records")
    kept = {run.data.tags["trial_id"] for run in (absent, damaged, failed, deleted)}
    assert copied_place.stored("records") == kept
    assert f"{len(others)} records" in out


def test_a_warm_up_goes_when_nobody_has_started_from_it_for_so_long(copied_place):
    storage = copied_place.folder / "sweep_storage"
    old, used, *_ = sorted(path for path in (storage / "warmups").rglob("*") if path.is_file())
    for path in (old, used):
        os.utime(path, (time.time() - 31 * DAY,) * 2)
    assert main([]) == 0
    assert old.exists()
    Storage(storage).touch(str(used.relative_to(storage)))
    assert main(["--warmups", "--older-than", "32d"]) == 0
    assert old.exists()
    assert main(["--warmups"]) == 0
    assert (old.exists(), used.exists()) == (False, True)


@pytest.mark.parametrize("lock", [using, lambda storage: exclusive(storage, "tiny")])
def test_nothing_is_touched_while_a_launch_uses_the_storage(littered, refused, lock):
    _, storage, _ = littered
    before = everything(storage)
    with lock(storage):
        line = refused(main, "--records", "--warmups", "--older-than", "1s")
    assert "a launch uses it" in line
    after = everything(storage)
    after.pop(storage / "locks/tiny")
    before.pop(storage / "locks/tiny")
    assert after == before


def test_one_who_only_looks_at_a_lock_for_a_moment_refuses_no_launch(tmp_path):
    with exclusive(tmp_path, "tiny"):
        pass
    with (tmp_path / "locks/tiny").open() as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        threading.Timer(0.05, lambda: fcntl.flock(looking, fcntl.LOCK_UN)).start()
        with exclusive(tmp_path, "tiny"):
            pass


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--storage", "absent"], "--storage absent: no launch has left anything there"),
        (["--storage", "."], "--storage .: no launch has left anything there"),
        (["--older-than", "3d"], "--older-than: is of warmed-up networks; give --warmups too"),
        (["--warmups", "--older-than", "soon"], "write a time such as 90s, 30m, 2h or 7d"),
    ],
)
def test_bad_input_is_one_line_with_exit_code_2(here, refused, words, says):
    (here / "sweep_storage/locks").mkdir(parents=True)
    assert says in refused(main, *words)
