"""Processes that share work start with nothing of the user's and end with whoever started them."""

import math
import operator
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest
from support import ROOT

from analysis.process import several
from analysis.process.several import each


@pytest.fixture(autouse=True)
def two_processes(monkeypatch):
    monkeypatch.setattr(several.os, "sched_getaffinity", lambda process: {0, 1}, raising=False)
    several._end(several._helpers())
    yield
    several._end(several._helpers())


def test_what_is_found_has_the_order_of_what_was_asked():
    asked = [(number, 3) for number in range(1000)]
    assert each(operator.mul, asked) == [3 * number for number in range(1000)]
    assert each(operator.mul, []) == []


def test_several_processes_work_and_none_of_them_is_this_one():
    workers = set(each(os.getpid, [()] * 64))
    assert len(workers) == 2
    assert os.getpid() not in workers
    assert set(each(os.getpid, [()] * 64)) == workers  # started once


def test_what_the_work_raises_is_raised_here_and_the_next_work_is_done():
    with pytest.raises(ValueError, match="math domain error"):
        each(math.sqrt, [(1.0,), (-1.0,), (4.0,)])
    assert each(math.sqrt, [(4.0,)]) == [2.0]


def test_a_process_that_is_ended_is_told_of_and_the_next_work_is_done():
    with pytest.raises(ChildProcessError, match=r"ended \(3\), as where memory"):
        each(os._exit, [(3,)])
    assert each(math.sqrt, [(4.0,)]) == [2.0]


def test_what_is_printed_is_no_answer():
    assert each(print, [("not an answer",)]) == [None]


def test_a_users_own_files_are_not_imported_and_the_folder_is_the_one_of_now(tmp_path, monkeypatch):
    for name in ("analysis", "random", "pickle", "numpy"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('imported')\n")
    monkeypatch.chdir(tmp_path)
    assert each(os.getcwd, [()]) == [str(tmp_path)]
    other = tmp_path / "other"
    other.mkdir()
    monkeypatch.chdir(other)
    assert each(os.getcwd, [()]) == [str(other)]


def test_a_folder_that_is_gone_is_no_matter(tmp_path, monkeypatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert each(math.sqrt, [(4.0,)]) == [2.0]


def test_threads_that_ask_at_once_have_each_their_own_answers():
    each(os.getpid, [()])  # the processes are there
    asked = [[(f"{thread}{number:02}", 50_000) for number in range(40)] for thread in range(6)]
    with ThreadPoolExecutor(len(asked)) as pool:
        for some, found in zip(
            asked, pool.map(lambda some: each(operator.mul, some), asked), strict=True
        ):
            assert found == [text * times for text, times in some]


def test_processes_end_with_the_one_that_started_them(tmp_path):
    script = (
        "import os, time; from analysis.process.several import each\n"
        "print(*set(each(os.getpid, [()] * 64)), flush=True); time.sleep(600)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    helpers = [int(number) for number in process.stdout.readline().split()]
    assert helpers
    assert all(psutil.pid_exists(number) for number in helpers)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    until = time.monotonic() + 30
    while any(map(psutil.pid_exists, helpers)) and time.monotonic() < until:
        time.sleep(0.1)
    assert not any(map(psutil.pid_exists, helpers))
