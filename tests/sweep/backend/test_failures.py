"""What is said of a failed trial; the reports are Ray's own, of Ray 2.60, with the paths cut."""

import pytest

from sweep.backend.failures import out_of_gpu_memory, what_happened

RAISED = """Failure # 1 (occurred at 2026-11-28_04-53-42)
\x1b[36mray::ImplicitFunc.train()\x1b[39m (pid=10778, ip=192.0.2.2, actor_id=11b3eb67, repr=f)
           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/lib/ray/tune/trainable/trainable.py", line 329, in train
    raise skipped from exception_cause(skipped)
  File "/lib/ray/air/_internal/util.py", line 98, in run
    self._ret = self._target(*self._args, **self._kwargs)
                ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/home/user/mine.py", line 16, in f
    raise ValueError("first line\\nsecond line of it")
    ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
"""
CAUSED = f"""Failure # 1 (occurred at 2026-11-28_04-54-32)
ZeroDivisionError: division by zero

The above exception was the direct cause of the following exception:

{RAISED.partition(chr(10))[2]}"""
GROUP = """Failure # 1 (occurred at 2026-11-28_04-54-41)
+ Exception Group Traceback (most recent call last):
  |   File "python/ray/_raylet.pyx", line 2205, in ray._raylet.execute_task
  |   File "/lib/ray/tune/trainable/function_trainable.py", line 249, in _trainable_func
  |     output = fn()
  |              ^^^^
  |   File "/home/user/mine.py", line 36, in f
  |     raise ExceptionGroup("several", [ValueError("one"), TypeError("two")])
  | ExceptionGroup: several (2 sub-exceptions)
  +-+---------------- 1 ----------------
    | ValueError: one
    +---------------- 2 ----------------
    | TypeError: two
    +------------------------------------
"""
DEAD = """Failure # 1 (occurred at 2026-11-28_04-53-17)
The actor died unexpectedly before finishing this task.
\tclass_name: ImplicitFunc
\tactor_id: f12f2c042fa9d83f717d1dd101000000
\tpid: 10528
\tnamespace: 3b40b5bc-1688-4a50-ac29-a4906b4f05b8
\tip: 192.0.2.2
The actor is dead because its worker process has died. Worker exit type: SYSTEM_ERROR \
Worker exit detail: """
GONE = """Worker unexpectedly exits with a connection error code 2. End of file. Some common \
causes include: (1) the process was killed by the OOM killer due to high memory usage, (2) ray \
stop --force was called, or (3) the worker crashed unexpectedly due to SIGSEGV or another \
unexpected error. If the process was killed by the kernel OOM killer (verifiable by checking for \
OOM in dmesg of the OOMing node), consider enabling resource isolation via \
--enable-resource-isolation to prevent node deaths by resource contention."""
SHORT_OF_MEMORY = """Failure # 1 (occurred at 2026-11-28_04-55-50)
1 worker(s) were killed due to the node running low on memory. Memory on the node (IP: \
192.0.2.2, ID: 8f1ef368) was 22.83GB used / 23.54GB limit (0.970047)
OOM kill reason: Memory usage 24513498951B exceeded threshold of 24012260556B (95.0% of \
25276063744B limit)
Object store memory usage: [- objects spillable: 0
- bytes spillable: 0

Eviction Stats:
(global lru) capacity: 6419025100]
Ray killed 1 worker(s) based on the killing policy
Considered workers: [
Selected to kill: (Task: job ID=01000000, task name=ImplicitFunc.__init__, pid=12063, actual \
memory used=0.05GB, worker ID=ce6aa9e7)
]
Top 10 memory users: PID\tMEM(GB)\tCOMMAND
11462\t0.52\tpython
Refer to the documentation on how to address the out of memory issue: \
https://docs.ray.io/en/latest/ray-observability/user-guides/debug-apps/debug-memory.html. \
Consider provisioning more memory on this node or reducing task parallelism.
"""
OLDER_MEMORY = """ray.exceptions.OutOfMemoryError: Task was killed due to the node running low on \
memory.
Memory on the node (IP: 10.0.62.231, ID: e5d953ef) where the task (task ID: 43534ce9, name=f, \
pid=15692, memory used=0.22GB) was running was 27.91GB / 28.80GB (0.969), which exceeds the \
threshold of 0.95.
Refer to the documentation on how to address the out of memory issue: https://docs.ray.io
"""
NODE = """Failure # 1 (occurred at 2026-11-28_04-53-17)
The actor died unexpectedly before finishing this task.
\tclass_name: ImplicitFunc
\tip: 192.0.2.2
The actor died because its node has died. Node Id: 84ed, NodeIp: 192.0.2.2, the actor's node was \
terminated unexpectedly: health check failed due to missing too many heartbeats
"""
CUDA = """RuntimeError: CUDA error: device-side assert triggered
CUDA kernel errors might be asynchronously reported at some other API call, so the stacktrace \
below might be incorrect.
For debugging consider passing CUDA_LAUNCH_BLOCKING=1
Compile with `TORCH_USE_CUDA_DSA` to enable device-side assertions.

"""
ON_GPU = """torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a \
total capacity of 79.11 GiB of which 1.00 GiB is free. Of the allocated memory 1 GiB is allocated \
by PyTorch. See documentation for Memory Management
"""
ON_CPU = """RuntimeError: [enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't \
allocate memory: you tried to allocate 4000000000000000 bytes. Error code 12 (Cannot allocate \
memory)
"""
BY_NUMPY = """numpy._core._exceptions._ArrayMemoryError: Unable to allocate 7.11 PiB for an array \
with shape (1000000000000000,) and data type float64
"""
FUSED = """MemoryError: 8 networks at once are too many for the device's memory; lower \
resources.fuse
"""
PYDANTIC = """pydantic_core._pydantic_core.ValidationError: 1 validation error for Trial
seed
  Input should be a valid integer [type=int_parsing, input_value='x', input_type=str]
    For further information visit https://errors.pydantic.dev/2.13/v/int_parsing
"""
LESS = ": fewer at a time (--concurrency), a smaller task.batch, or a node with more memory"


@pytest.mark.parametrize(
    ("report", "said"),
    [
        (RAISED + "ValueError: first line\nsecond line of it\n", "ValueError: first line second"),
        (RAISED + "ValueError\n", "ValueError"),
        (CAUSED + "RuntimeError: outer\n", "RuntimeError: outer"),
        (RAISED + PYDANTIC, "pydantic_core._pydantic_core.ValidationError: 1 validation error for"),
        (RAISED + "ValueError: said\na note\nof two lines\n", "ValueError: said a note of two"),
        (GROUP, "ExceptionGroup: several (2 sub-exceptions) ValueError: one TypeError: two"),
        (RAISED + CUDA, "RuntimeError: CUDA error: device-side assert triggered"),
        (RAISED + FUSED, FUSED.strip()),
        ("Traceback (most recent call last):\nValueError: bare", "ValueError: bare"),
        ("ValueError: bare\n", "ValueError: bare"),
        ("", "unknown"),
        ("unknown", "unknown"),
    ],
)
def test_a_traceback_says_all_of_its_exception_and_nothing_of_its_frames(report, said):
    assert what_happened(report).startswith(said)
    assert "File" not in what_happened(report)
    assert "\n" not in what_happened(report)


@pytest.mark.parametrize(
    ("report", "said"),
    [
        (
            SHORT_OF_MEMORY,
            "Ray killed the worker, for its node was short of memory, of which 22.83GB / 23.54GB "
            "was used" + LESS,
        ),
        (
            OLDER_MEMORY,
            "Ray killed the worker, for its node was short of memory, of which 27.91GB / 28.80GB "
            "was used" + LESS,
        ),
        (
            DEAD + GONE,
            "the worker process was killed, as the system does when memory runs out, or crashed"
            + LESS,
        ),
        (
            DEAD + "Worker exits unexpectedly. Worker exits with an exit code 1. The process "
            "receives a SIGTERM.",
            "the worker process was ended from outside (SIGTERM)",
        ),
        (
            DEAD + "Worker exits unexpectedly. Worker exits with an exit code 3.",
            "the worker process ended itself (exit code 3)",
        ),
        (
            NODE,
            "its node has died: the actor's node was terminated unexpectedly: health check failed "
            "due to missing too many heartbeats",
        ),
        (
            RAISED + ON_GPU,
            "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 GiB: a smaller "
            "task.batch, a lower resources.fuse, or a larger --gpus-per-trial",
        ),
        (
            out_of_gpu_memory(RAISED + ON_GPU, 0.25, again=True),
            "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 GiB with "
            "--gpus-per-trial 0.25: it is tried again with a GPU of its own, which "
            "--gpus-per-trial 1 gives to all",
        ),
        (
            out_of_gpu_memory(RAISED + ON_GPU, 1, again=False),
            "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 GiB with "
            "--gpus-per-trial 1: a smaller task.batch, --set compute.bfloat16=true, or a GPU with "
            "more memory",
        ),
        (
            out_of_gpu_memory(RAISED + FUSED, 1, again=True),
            "MemoryError: 8 networks at once are too many for the device's memory with "
            "--gpus-per-trial 1: it is tried again with a GPU of its own, which --gpus-per-trial 1 "
            "gives to all",
        ),
        (RAISED + ON_CPU, ON_CPU.strip() + LESS),
        (RAISED + BY_NUMPY, BY_NUMPY.strip() + LESS),
        (RAISED + "MemoryError\n", "MemoryError" + LESS),
    ],
)
def test_where_a_limit_was_met_the_line_says_what_can_be_done(report, said):
    assert what_happened(report) == said


def test_a_word_in_the_source_of_a_frame_decides_nothing():
    frame = RAISED.replace("first line", "running low on memory")
    assert what_happened(frame + "KeyError: 'x'\n") == "KeyError: 'x'"


def test_no_line_is_longer_than_a_screen():
    assert len(what_happened("ValueError: " + "x " * 5000)) <= 501
