"""What has happened to a trial that failed, in one line, out of a traceback or of Ray's report.

Ray's reports have what happened in their middle: the last line of a worker that was killed for
memory begins with "Refer to the documentation". Where a machine's limit was met, the line ends in
what can be done about it.
"""

import re
from collections.abc import Callable

LONGEST = 500  # characters
FEWER = "fewer at a time (--concurrency), a smaller task.batch, or a node with more memory"
LESS_ON_GPU = "a smaller task.batch, a lower resources.fuse, or a larger --gpus-per-trial"
GPU_OF_ITS_OWN = "it is tried again with a GPU of its own, which --gpus-per-trial 1 gives to all"
LARGER_GPU = "a smaller task.batch, --set compute.bfloat16=true, or a GPU with more memory"

_FRAME = re.compile(r'\s+File ".*", line \d+')
_SOURCE = re.compile(r"\s{4}")  # of a frame's source line, and of the carets below
_REPORTED = re.compile(
    r"Traceback \(|Failure # \d+ \(|\t|(\x1b\[\d+m)?ray::"
)  # what Tune and Ray put around it
_GROUP = re.compile(r"^ *[|+] ?|[+-]{4,}(?: \d+ -+)?")  # the borders of an exception group


def what_happened(report: str) -> str:
    """The line for a person.

    Args:
        report: a traceback, the last of several if one was raised while another was handled; or
            Ray's account of a worker or of a node that is dead.
    """
    message = _message(report)
    for pattern, said in _KNOWN.items():
        found = re.search(pattern, message)
        if found:
            message = said(found)
            break
    return message if len(message) <= LONGEST else f"{message[:LONGEST]}…"


def out_of_gpu_memory(report: str, share: float, again: bool) -> str:
    """A traceback of a trial that ran out of a GPU's memory, with its share of one and the remedy.

    again: it is tried again, with all of one.
    """
    remedy = GPU_OF_ITS_OWN if again else LARGER_GPU
    return f"{report.rstrip()}\n[with --gpus-per-trial {share:g}: {remedy}]"


def _message(report: str) -> str:
    """All that follows the last frame of a traceback, in one line."""
    lines = [_GROUP.sub("", line) for line in report.splitlines()]
    begin = 1 + max((i for i, line in enumerate(lines) if _FRAME.match(line)), default=-1)
    while begin and begin < len(lines) and _SOURCE.match(lines[begin]):
        begin += 1
    said = " ".join(" ".join(x for x in lines[begin:] if not _REPORTED.match(x)).split())
    return said or "unknown"


def _low_memory(found: re.Match[str]) -> str:
    used = re.search(r"\d[\d.]* ?\w*B(?: used)? / \d[\d.]* ?\w*B", found.string)
    on = f", of which {used[0].replace(' used', '')} was used" if used else ""
    return f"Ray killed the worker, for its node was short of memory{on}: {FEWER}"


def _dead_worker(found: re.Match[str]) -> str:
    detail = found[1]
    if "SIGTERM" in detail:
        return "the worker process was ended from outside (SIGTERM)"
    code = re.search(r"exit code (-?\d+)", detail)
    if code:
        return f"the worker process ended itself (exit code {code[1]})"
    if "error code 2" in detail:  # of the connection: the process is gone
        return (
            "the worker process was killed, as the system does when memory runs out, or crashed: "
            f"{FEWER}"
        )
    return f"the worker process has died: {detail}"


# What is found in a message → what is said instead; the first that is found
_KNOWN: dict[str, Callable[[re.Match[str]], str]] = {
    r"running low on memory": _low_memory,
    r"worker process has died\.?(?:.*?Worker exit detail: )?(.*)": _dead_worker,
    r"its node has died\.?(?:.*?(the actor's node was .*))?": lambda found: (
        "its node has died" + (f": {found[1]}" if found[1] else "")
    ),
    r"^(.*?(?:CUDA out of memory\.(?: Tried to allocate [\d.]+ \w+\.)?|; lower resources\.fuse))"
    r".*\[(with --gpus-per-trial .*)\]$": lambda found: (
        f"{found[1].removesuffix('; lower resources.fuse').rstrip('.')} {found[2]}"
    ),
    r"^.*?CUDA out of memory\.(?: Tried to allocate [\d.]+ \w+\.)?": lambda found: (
        f"{found[0].rstrip('.')}: {LESS_ON_GPU}"
    ),
    r"^(?!.*resources\.fuse)(?=.*(?:MemoryError|can't allocate memory)).*": lambda found: (
        f"{found[0].rstrip('.')}: {FEWER}"
    ),
    r"^(.*?CUDA error: .*?) (?:CUDA kernel errors|Search for|Compile with)": lambda found: found[1],
}
