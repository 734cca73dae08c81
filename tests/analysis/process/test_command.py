"""How a command ends whatever ends it, as a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ENDING = """
import sys
from analysis.process.command import run_command
def carry_out():
    {body}
    return {code}
sys.exit(run_command("test", carry_out, "interrupted", (LookupError,), {only_prints}))
"""


def end(body="pass", code=0, only_prints=True, **how):
    text = ENDING.format(body=body, code=code, only_prints=only_prints)
    how = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | how
    return subprocess.run([sys.executable, "-c", text], text=True, timeout=60, **how)


@pytest.mark.parametrize(
    ("body", "code", "said"),
    [
        ("pass", 0, ""),
        ("raise LookupError('no such\\nthing')", 2, "test: no such thing\n"),
        ("raise KeyboardInterrupt", 130, "test: interrupted\n"),
        ("import os; os.kill(os.getpid(), 15)", 130, "test: interrupted\n"),
    ],
)
def test_the_exit_code_and_one_line_say_how(body, code, said):
    done = end(body)
    assert (done.returncode, done.stdout, done.stderr) == (code, "", said)


def test_a_fault_in_a_job_leaves_its_traceback_in_the_jobs_log():
    done = end("raise TypeError('at http://me:secret@host')")
    assert done.returncode == 1
    *trace, last = done.stderr.splitlines()
    assert trace[0].startswith("Traceback")
    assert last == ("test: a fault of this program, not of its input: TypeError: at http://…@host")


def test_a_fault_on_a_terminal_is_one_line_that_says_where_the_traceback_is(tmp_path):
    window, terminal = os.openpty()
    env = os.environ | {"TMPDIR": str(tmp_path)}
    assert end("raise TypeError('wrong')", stderr=terminal, env=env).returncode == 1
    (line,) = os.read(window, 10_000).decode().splitlines()
    (kept,) = tmp_path.iterdir()
    assert line.endswith(f"TypeError: wrong; its traceback is in {kept}")
    assert kept.read_text().startswith("Traceback")
    assert kept.read_text().endswith("TypeError: wrong\n")


@pytest.mark.parametrize("code", [0, 1, 2])
def test_without_a_reader_the_exit_code_is_the_same(code):
    read, write = os.pipe()
    os.close(read)
    for streams in ({"stdout": write}, {"stdout": write, "stderr": write}):
        done = end("print('x' * 100_000); print('y', file=sys.stderr)", code, **streams)
        assert done.returncode == code
        assert done.stderr in ("y\n", None)
    os.close(write)


@pytest.mark.parametrize(("only_prints", "code"), [(True, 1), (False, 0)])
def test_a_full_disk_is_told_of_and_fails_what_only_prints(only_prints, code):
    with open("/dev/full", "w") as full:
        done = end("print('x')", only_prints=only_prints, stdout=full)
    assert done.returncode == code
    assert done.stderr == "test: not all of this could be printed (No space left on device)\n"


def test_where_a_stream_is_closed_no_file_gets_its_number(tmp_path):
    text = ENDING.format(
        body="print('x'); file = open('made', 'w'); assert file.fileno() > 2",
        code=0,
        only_prints=True,
    )
    shell = f'exec {sys.executable} -c "$0" >&- 2>&- <&-'
    done = subprocess.run(["sh", "-c", shell, text], cwd=tmp_path)
    assert done.returncode == 0
    assert Path(tmp_path, "made").read_text() == ""
