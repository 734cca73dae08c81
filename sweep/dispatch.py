"""A study, a search or a collection: which it is is decided here, once for every command."""

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from analysis.process.imports import taken_names
from sweep.errors import InputError, NotYet
from sweep.options import Gpus, Options, Outcome

if TYPE_CHECKING:  # slow to import, and what is refused before needs none of it
    from sweep.plan.study import Study


def launch(options: Options, console: Console) -> int:
    """Launch what was asked for; the exit code."""
    return _each(options, console, _check, launch_study)


def publish(options: Options, console: Console) -> int:
    """Publish what is stored of what was asked for; the exit code."""
    # a study that cannot be planned is told of when its turn comes
    return _each(options, console, lambda study, options: None, _publish_study)


def _each(
    options: Options,
    console: Console,
    check: Callable[["Study", Options], None],
    carry_out: Callable[["Study", Options, Console], Outcome],
) -> int:
    from sweep.plan.study import Collection, load

    study = load(options.study or "")
    if isinstance(study, Collection):
        from sweep.run.collection import run_collection

        return run_collection(study, options, console, check, carry_out)
    return carry_out(study, options, console).code


def launch_study(
    study: "Study", options: Options, console: Console, behind: tuple[str, ...] = ()
) -> Outcome:
    """One study as it is given, after those that it names under `after`, which run as their files
    say.

    Args:
        behind: the studies that this one is launched for.
    """
    from sweep.plan.study import load_study

    options = _with_looks(study, options)
    _check_words(study, options)
    for name in study.scale(options.scale)[1].after:
        if name in (*behind, options.study):
            raise InputError(f"{study.name}: after: {name} comes after itself; leave it out")
        asked = replace(options, study=name, replicates=None, overrides={}, until=None, budget=None)
        chain = (*behind, options.study or study.name)
        outcome = launch_study(load_study(name), asked, console, chain)
        if outcome.code:
            return outcome
    from sweep.run.device import before_the_plan, gpus_there

    launch = _launch_plan if study.search is None else _launch_search
    with gpus_there(options) as there:
        return launch(study, before_the_plan(options, there), there, console)


def _launch_plan(study: "Study", options: Options, there: Gpus | None, console: Console) -> Outcome:
    from sweep.inputs.resolve import plan_study
    from sweep.run.device import settled

    try:
        plan, resolver = plan_study(study, options)
    except NotYet as reason:
        if not options.dry_run:
            raise
        console.print(f"{study.name}: its plan follows from what comes before: {reason}")
        return Outcome(0, None)
    options, chosen = settled(options, there, plan, resolver.inputs)
    if options.dry_run:
        from sweep.run.dry_run import show_plan
        from sweep.run.looks import looks_in_words

        looks = looks_in_words(plan, options) if options.until is not None else ""
        show_plan(console, plan, resolver.inputs, options, chosen, looks)
        return Outcome(0, None)
    _say(chosen, console)
    if options.until is not None:
        from sweep.run.looks import execute_in_looks

        return execute_in_looks(plan, resolver.inputs, options, console)
    from sweep.run.prestart import ray_ahead
    from sweep.storage.locks import using

    with using(options.folder), ray_ahead(plan, options):
        from sweep.run.executor import execute  # late: MLflow takes a second to import

        return execute(plan, resolver.inputs, options, console)


def _launch_search(
    study: "Study", options: Options, there: Gpus | None, console: Console
) -> Outcome:
    from sweep.inputs.resolve import make_resolver
    from sweep.run.device import settled
    from sweep.search.resolve import resolve_search

    resolver = make_resolver(options)
    search = resolve_search(study, options, resolver)
    options, chosen = settled(options, there, search.base, resolver.inputs)
    if options.dry_run:
        from sweep.search.dry_run import show_search

        show_search(console, search, resolver.inputs, options, chosen)
        return Outcome(0, None)
    _say(chosen, console)
    from sweep.search.executor import launch_search  # late: it imports Ray

    return launch_search(search, resolver, options, console)


def _say(chosen: str, console: Console) -> None:
    if chosen:
        console.print(chosen, soft_wrap=True)


def _publish_study(study: "Study", options: Options, console: Console) -> Outcome:
    from sweep.inputs.resolve import make_resolver, plan_study

    if study.search is None:
        from sweep.run import executor

        plan, resolver = plan_study(study, options)
        return executor.publish(plan, resolver.inputs, options, console)
    from sweep.search.executor import publish_search
    from sweep.search.resolve import resolve_search

    resolver = make_resolver(options)
    return publish_search(resolve_search(study, options, resolver), resolver, options, console)


def _check(study: "Study", options: Options) -> None:
    """Whether the study can be planned, as far as that can be said before an earlier one is run."""
    options = _with_looks(study, options)
    _check_words(study, options)
    from sweep.inputs.resolve import make_resolver, plan_study

    with suppress(NotYet):
        if study.search is None:
            plan_study(study, options)
        else:
            from sweep.search.resolve import resolve_search

            resolve_search(study, options, make_resolver(options))


def _with_looks(study: "Study", options: Options) -> Options:
    """With what the study's file says of `until`, where neither that nor a number of pairs is
    asked for."""
    if options.until is None and options.replicates is None:
        options = replace(options, until=study.scale(options.scale)[1].until)
    if options.budget is not None and options.until is None:
        raise InputError("--budget: limits the time of --until; give both, or leave it out")
    return options


def _check_words(study: "Study", options: Options) -> None:
    """What can be told before PyTorch is imported, which takes a second."""
    from sweep.backend.preflight import check_resources
    from sweep.plan.looks import planned_looks
    from sweep.plan.plan import check_fields

    if options.resources.address or os.environ.get("RAY_ADDRESS"):
        _check_names()
    if options.until is not None:
        if study.search is not None:
            raise InputError(f"--until: {study.name} is a search; leave it out")
        planned_looks(options.replicates)
    check_fields(study, options.scale, options.overrides)
    check_resources(options.resources)


def _check_names() -> None:
    taken = taken_names(Path.cwd())
    if taken:
        ours = taken[0].relative_to(Path.cwd()).parts[0].removesuffix(".py")
        raise InputError(
            f"{taken[0]}: a cluster's workers would take it for this program's own {ours}; rename "
            "it, or launch from another folder"
        )
