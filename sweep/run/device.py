"""On which kind of device a study is trained, where nobody has said: on GPUs, if there are some
that PyTorch can use, with a share of one for each trial that fits in its memory.

All of a study is trained on one kind of device: on another one the same trial gives other digits,
and its warm-up draws other noise. So a study goes on where most of what it has finished was.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from sweep.backend.capacity import shows_gpu
from sweep.errors import InputError
from sweep.options import Gpus, Options

if TYPE_CHECKING:  # slow to import, and on a machine without a GPU none of it is needed
    from sweep.plan.plan import StudyPlan
    from trainables.config.trial import Trial
    from trainables.lifecycle.context import Inputs

OTHERWISE = "--gpus-per-trial takes another share of each, or 0: the CPU"


@contextmanager
def gpus_there(options: Options) -> Iterator[Gpus | None]:
    """What GPUs there are to choose from; None: the user has said what a trial takes. A cluster is
    connected meanwhile.

    Raises:
        InputError: the cluster does not take us.
    """
    if not options.choose_device:
        yield None
    elif options.resources.cluster is not None:
        from sweep.backend.connection import connected  # late, as all that follows
        from sweep.backend.gpus import gpus_of_cluster

        with connected(options.resources):
            yield gpus_of_cluster(options.resources)
    elif shows_gpu():
        from sweep.backend.gpus import gpus_here

        yield gpus_here(options.resources)
    else:
        yield Gpus()


def before_the_plan(options: Options, there: Gpus | None) -> Options:
    """With the kind of device that there is, on which the plan's networks are tried."""
    return _with(options, 1.0) if there is not None and there.count else options


def settled(
    options: Options, there: Gpus | None, plan: "StudyPlan", inputs: "Inputs"
) -> tuple[Options, str]:
    """With the kind of device and the share of it that the plan's trials get; and in one line what
    was chosen and why, "" where there was nothing to choose."""
    if there is None or not (there.count or there.unused):
        return options, ""
    if there.unused:
        return _with(options, 0.0), f"trained on the CPU, for {there.unused}"
    finished = _finished(plan)
    if finished["cpu"] > finished["cuda"]:
        return _with(options, 0.0), _as_before(finished["cpu"])
    from sweep.backend.gpus import most_taken, share_that_fits

    if options.resources.workers > 1:
        return _with(options, 1.0), _on_gpus(there, 1.0, None, finished["cpu"])
    pairs = [(trial, inputs.of(trial)) for trial in largest(plan)]
    taken = most_taken(pairs, options.resources) if there.memory else None
    taken = None if taken is None else taken * options.resources.fuse
    share = 1.0 if taken is None else share_that_fits(taken, there.memory)
    return _with(options, share), _on_gpus(there, share, taken, finished["cpu"])


def largest(plan: "StudyPlan") -> list["Trial"]:
    """Of each network and sizes of mini-batches the trial with the most examples."""
    found: dict[str, Trial] = {}
    for trial in sorted((p.trial for p in plan.trials), key=lambda t: -t.data.examples):
        batches = (trial.task.batch, trial.warmup and trial.warmup.batch)
        found.setdefault(repr((trial.model, trial.compute, trial.facts.shape, batches)), trial)
    return list(found.values())


def _with(options: Options, share: float) -> Options:
    return replace(options, resources=replace(options.resources, gpus=share))


def _as_before(finished: int) -> str:
    return (
        f"trained on the CPU, as the {finished} trials that are finished; --gpus-per-trial 1 "
        "trains the others on GPUs, and differences are then of two kinds of device"
    )


def _on_gpus(there: Gpus, share: float, taken: int | None, of_the_cpu: int) -> str:
    why = ""
    if taken is not None:
        why = f", for one takes {taken / 1e9:.1f} of {there.memory / 1e9:.0f} GB, as measured"
    said = f"trained on GPUs, with --gpus-per-trial {share:g}{why}; {OTHERWISE}"
    if there.without:
        nodes = there.nodes + there.without
        said += f"; of {nodes} nodes {there.without} have no GPU, and no part in it"
    if of_the_cpu:
        said += f"; {of_the_cpu} of its finished trials are of the CPU"
    return said


def _finished(plan: "StudyPlan") -> Counter[str]:
    """How many of the plan's trials MLflow holds, this study's or another's, by kind of device."""
    from analysis.results.tags import DEVICE
    from sweep.tracking.client import AWAY, connect_if_there
    from sweep.tracking.ledger import read_ledger

    with suppress(InputError, *AWAY):  # who is away tells the launch itself
        client = connect_if_there()
        if client is not None:
            ledger = read_ledger(client, plan)
            runs = {**ledger.elsewhere, **ledger.done}
            tags = [runs[p.trial_id].data.tags for p in plan.trials if p.trial_id in runs]
            return Counter("cpu" if tag.get(DEVICE) == "cpu" else "cuda" for tag in tags)
    return Counter()
