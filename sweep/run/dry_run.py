"""What a launch would do: for reading before anything runs."""

from collections.abc import Mapping

import torch
from rich.console import Console
from rich.table import Table

from analysis.errors import one_line
from sweep.backend.capacity import this_machine
from sweep.backend.groups import grouped, sentence
from sweep.errors import InputError
from sweep.options import Options, Resources
from sweep.plan.plan import StudyPlan
from sweep.run.estimate import seconds_by_measuring, seconds_from_runs
from sweep.run.progress import duration
from sweep.run.worklist import make_worklist
from sweep.tracking.client import connect_if_there
from sweep.tracking.ledger import Ledger, read_ledger
from trainables.errors import StorageError
from trainables.lifecycle.context import Inputs
from trainables.storage.storage import Storage


def show_plan(
    console: Console,
    plan: StudyPlan,
    inputs: Inputs,
    options: Options,
    chosen: str = "",
    looks: str = "",
) -> None:
    """Trials, how many are done, shared warm-ups, examples to be seen, and the time left.

    Args:
        chosen: which device, in words, where that was for the launch to choose.
        looks: in which pairs are added, in words; the plan is then what there may be at most.

    Nothing is written: where there is no MLflow database, none is made.

    Raises:
        InputError: the storage or MLflow cannot be read.
    """
    client = connect_if_there()
    ledger = read_ledger(client, plan) if client else Ledger()
    device = torch.device(options.resources.device)
    try:
        work = make_worklist(plan, ledger, Storage(options.storage), device)
    except StorageError as error:
        raise InputError(
            f"--storage {options.storage}: cannot be read ({one_line(error)}); give another, or "
            "mend it"
        ) from error
    say_notes(plan, console)
    groups = grouped([planned.trial for planned in work.to_run], options.resources.fuse)
    at_a_time = max(1, min(slots(options.resources), len(groups)))
    seconds = seconds_from_runs(work, ledger.done.values(), options.resources.device)
    source = "at the pace of the finished trials"
    if seconds is None:
        seconds = seconds_by_measuring(work, inputs)
        probed = any(planned.trial.probes for planned in work.to_run)
        source = f"by a short measurement on this CPU{', without the probes' if probed else ''}"
    rows = {
        "Study": f"{plan.study.name}: {plan.study.title}",
        "Scale": f"{plan.scale} ({plan.study.scales[plan.scale].about or 'no description'})",
        "Network": plan.base.model.name,
        "Data": "\n".join(plan.found_sentences),
        "Device": chosen or device_in_words(options.resources),
        "Conditions": "; ".join(
            f"{len(conditions)} of {grid}" for grid, conditions in plan.grids.items()
        ),
        "  left out": "; ".join(plan.left_out) or "none",
        "Pairs": _pairs(plan),
        "Trials": str(len(plan.trials)),
        "  done": str(len(work.done)),
        "  done elsewhere": f"{len(work.adopted)} by another study or scale: to be adopted",
        "  stored": f"{len(work.stored)} to be published",
        "  to run": str(len(work.to_run)),
        "  fused": sentence(groups, options.resources.device),
        "Shared warm-ups": f"{work.shared_warmups} trials take one that is, or will be, stored",
        "Examples": f"{sum(work.examples.values()):,} to be trained on",
        "Time left": f"{duration(seconds / at_a_time)}, {at_a_time} trials at a time ({source})"
        if work.to_run
        else "nothing to run",
    }
    if options.resources.fuse == 1:
        del rows["  fused"]
    if looks:
        rows["Pairs"] = f"{rows['Pairs']} at most"
        rows["Looks"] = looks
        rows["Time at most"] = rows.pop("Time left")
        if options.budget is not None:
            rows["Budget"] = f"{duration(options.budget)}, after which no trial begins"
    show_rows(console, rows)


def show_rows(console: Console, rows: Mapping[str, str]) -> None:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for name, text in rows.items():
        table.add_row(name, text)
    console.print(table)


def device_in_words(resources: Resources) -> str:
    return f"GPUs, {resources.gpus:g} of one a trial" if resources.gpus else "CPU"


def say_notes(plan: StudyPlan, console: Console) -> None:
    for note in plan.notes:
        console.print(note, soft_wrap=True)


def _pairs(plan: StudyPlan) -> str:
    counts = set(plan.replicates.values())
    if len(counts) == 1:
        return f"{counts.pop()} a condition"
    return ", ".join(f"{count} a condition of {grid}" for grid, count in plan.replicates.items())


def slots(resources: Resources) -> int:
    """How many trials run at once where they will run; a cluster is asked what it has.

    Raises:
        InputError: the cluster does not take us, or none of its nodes can ever run a trial.
    """
    if resources.cluster is None:
        return resources.slots([this_machine(gpus=bool(resources.gpus))])
    from sweep.backend.connection import (  # late: Ray is slow to import
        check_feasible,
        connected,
        slots_now,
    )

    with connected(resources):
        check_feasible(resources)
        return slots_now(resources)
