"""Carrying out a plan: what MLflow and the storage lack is run, published and reported."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch
from mlflow.entities import Run
from mlflow.tracking import MlflowClient
from rich.console import Console

from analysis.results.loading import read_plan
from analysis.results.study_results import ResultsError
from analysis.results.tags import LOOKS
from sweep.errors import InputError
from sweep.options import Options, Outcome
from sweep.plan.plan import StudyPlan
from sweep.run.one_launch import launch_of, nothing_run
from sweep.run.progress import PairsOfLook
from sweep.run.publishing import log_of
from sweep.run.worklist import Worklist, make_worklist
from sweep.storage.location import check_writable
from sweep.storage.locks import exclusive, using
from sweep.tracking.client import connect_alone
from sweep.tracking.ledger import Ledger, read_ledger, study_run
from trainables.lifecycle.context import Inputs
from trainables.storage.storage import Storage


def execute(plan: StudyPlan, inputs: Inputs, options: Options, console: Console) -> Outcome:
    """Do what is left of the plan, and make the report."""
    return _execute(plan, inputs, options, console, reported=True)


def execute_beginning(
    plan: StudyPlan,
    inputs: Inputs,
    options: Options,
    console: Console,
    look: PairsOfLook | None = None,
) -> Outcome:
    """Do what is left of the plan, which has nothing to report yet; look: that it is run for."""
    return _execute(plan, inputs, options, console, reported=False, look=look)


def conclude(plan: StudyPlan, inputs: Inputs, options: Options, console: Console) -> Outcome:
    """Make the report of a plan of which nothing more is to be run now."""
    with _alone(plan, options) as client:
        with nothing_run():
            ledger = read_ledger(client, plan)
            device = torch.device(options.resources.device)
            work = make_worklist(plan, ledger, Storage(options.storage), device)
        status = ledger.parent.info.status if ledger.parent else "KILLED"
        with launch_of(client, ledger, plan, inputs, options, console, launched=False) as launch:
            return launch.carry_out(work, unrun=status if work.to_run else "")


def publish(plan: StudyPlan, inputs: Inputs, options: Options, console: Console) -> Outcome:
    """Publish what is there of the plan, and make the report; Ray is not needed."""
    with _alone(plan, options) as client:
        with nothing_run():
            plan = _as_looked_at(client, plan)
            ledger = read_ledger(client, plan)
            work = _announced(plan, ledger, options, console)
            before = ledger.parent
            if not (before or work.adopted or work.stored):
                console.print("nothing is stored of it: nothing to publish")
                return Outcome(0, None)
            if before:
                _check_plan(client, before, plan)
        status = before.info.status if before else "KILLED"
        with launch_of(client, ledger, plan, inputs, options, console, launched=False) as launch:
            kept = "KILLED" if status == "RUNNING" else status
            return launch.carry_out(work, unrun=kept if work.to_run else "")


def _execute(
    plan: StudyPlan,
    inputs: Inputs,
    options: Options,
    console: Console,
    reported: bool,
    look: PairsOfLook | None = None,
) -> Outcome:
    with _alone(plan, options) as client:
        with nothing_run():
            ledger = read_ledger(client, plan)
            if plan.search is None and look is None:  # those say it once, at their beginning
                tell_found(plan, console)
            work = _announced(plan, ledger, options, console)
        with launch_of(client, ledger, plan, inputs, options, console, launched=True) as launch:
            launch.tell_of_groups(work)
            launch.look = look
            return launch.carry_out(work, reported)


@contextmanager
def _alone(plan: StudyPlan, options: Options) -> Iterator[MlflowClient]:
    """Nobody else launches the study here meanwhile; launches of one search wait for each other."""
    client, wait = reach(options), plan.search is not None
    with using(options.folder), exclusive(options.folder, plan.study.name, wait=wait):
        yield client


def reach(options: Options) -> MlflowClient:
    """A client of MLflow, after a look whether the storage can be written to.

    Raises:
        InputError: one of them cannot be used; so it is asked before a launch says anything else.
    """
    check_writable(options.storage)
    return connect_alone(options.folder)


def _as_looked_at(client: MlflowClient, plan: StudyPlan) -> StudyPlan:
    """The plan; of a study whose pairs are added in looks what was planned of it so far."""
    before = study_run(client, plan)
    if before is None or LOOKS not in before.data.tags:
        return plan
    try:
        launched = {trial.trial_id for trial in read_plan(client, before).trials}
    except ResultsError:  # nothing was
        return plan
    planned = tuple(trial for trial in plan.trials if trial.trial_id in launched)
    return replace(plan, trials=planned) if len(planned) == len(launched) else plan


def _check_plan(client: MlflowClient, parent: Run, plan: StudyPlan) -> None:
    """That the plan leaves out nothing of the one that was launched, whose place it takes.

    Raises:
        InputError: it does.
    """
    try:
        launched = read_plan(client, parent)
    except ResultsError:  # there is none to be replaced
        return
    more = sum(trial.trial_id not in plan.by_id for trial in launched.trials)
    if more:
        raise InputError(
            f"{plan.study.name} was launched with {more} trials that these options do not plan; "
            "give those that it was launched with"
        )


def tell_found(plan: StudyPlan, console: Console) -> None:
    for text in (*plan.notes, *plan.found_sentences):
        console.print(text, soft_wrap=True)


def _announced(plan: StudyPlan, ledger: Ledger, options: Options, console: Console) -> Worklist:
    """What is left of the plan; the console and the log are told."""
    device = torch.device(options.resources.device)
    work = make_worklist(plan, ledger, Storage(options.storage), device)
    parts = [f"{len(work.to_run)} to run", f"{len(work.done)} done already"]
    if work.adopted:
        parts.append(f"{len(work.adopted)} adopted from other studies")
    if work.stored:
        parts.append(f"{len(work.stored)} stored and to be published")
    console.print(
        f"{plan.study.name}, scale {plan.scale}, network {plan.base.model.name}, "
        f"data {plan.base.data.source}: "
        f"{len(plan.trials)} trials, {', '.join(parts)}",
        soft_wrap=True,
    )
    for reason in plan.left_out:
        console.print(f"left out: {reason}", soft_wrap=True)
    log_of(options, plan).write("planned", trials=len(plan.trials), **work.counts)
    return work
