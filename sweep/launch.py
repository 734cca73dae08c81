"""Run a study from its file to its report: `python -m sweep.launch noise_ablation`.

Launching is idempotent. It plans the study's trials, asks MLflow which are finished, and does the
rest: what other studies have run is adopted, what is stored is published, what is left is run.
After a crash, with more replicates, after an outage: the same command finishes the work.
"""

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from analysis.process.imports import taken_names
from sweep.cli.launch_arguments import parse_options
from sweep.cli.main import run_command, set_tracking
from sweep.cli.terminal import terminal
from sweep.errors import InputError
from sweep.options import Options, Outcome
from sweep.run.events import check_log, ending
from sweep.storage.writable import check_working_folder

if TYPE_CHECKING:  # slow to import, and --help needs none of it
    from sweep.plan.study import Study


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; its exit code."""
    return run_command(
        "launch",
        lambda: _logged(parse_options(arguments)),
        "interrupted; the same command goes on from here",
        only_prints=False,
    )


def _logged(options: Options) -> int:
    """The launch; the end of its log says how it ended."""
    written = None if options.list_studies or options.dry_run else options.log
    check_log(written)
    with ending(written) as end:
        end.code = _launch(options, terminal())
        return end.code


def _launch(options: Options, console: Console) -> int:
    set_tracking(options.tracking_uri)
    if options.list_studies:
        from sweep.cli.studies import list_studies

        list_studies(console)
        return 0
    if not options.dry_run:
        check_working_folder()
    from sweep.plan.study import Collection, load

    study = load(options.study or "")
    if isinstance(study, Collection):
        from sweep.run.collection import launch_collection

        return launch_collection(study, options, console, _check, _launch_study)
    return _launch_study(study, options, console).code


def _launch_study(
    study: "Study", options: Options, console: Console, behind: tuple[str, ...] = ()
) -> Outcome:
    """One study, after those that it names under `after`, which run as their files say.

    Args:
        behind: the studies that this one is launched for.
    """
    from sweep.errors import NotYet
    from sweep.plan.study import load_study

    _check_words(study, options)
    for name in study.scale(options.scale)[1].after:
        if name in (*behind, options.study):
            raise InputError(f"{study.name}: after: {name} comes after itself; leave it out")
        asked = replace(options, study=name, replicates=None, overrides={})
        chain = (*behind, options.study or study.name)
        outcome = _launch_study(load_study(name), asked, console, chain)
        if outcome.code:
            return outcome
    if study.search is not None:
        return _search(study, options, console)
    from sweep.inputs.resolve import plan_study

    try:
        plan, sources, networks = plan_study(study, options)
    except NotYet as reason:
        if not options.dry_run:
            raise
        console.print(f"{study.name}: its plan follows from what comes before: {reason}")
        return Outcome(0, None)
    _say(console, networks.notes)
    if options.dry_run:
        from sweep.run.dry_run import show_plan

        show_plan(console, plan, sources.loaded, networks.weights, options)
        return Outcome(0, None)
    from sweep.run.prestart import ray_ahead
    from sweep.storage.locks import using

    with using(options.folder), ray_ahead(plan, options):
        from sweep.run.executor import execute  # late: MLflow takes a second to import

        return execute(plan, sources.loaded, networks.weights, options, console)


def _say(console: Console, sentences: Sequence[str]) -> None:
    for sentence in sentences:
        console.print(sentence, soft_wrap=True)


def _check_words(study: "Study", options: Options) -> None:
    """What can be told before PyTorch is imported, which takes a second."""
    from sweep.backend.preflight import check_resources
    from sweep.plan.plan import check_fields

    if options.resources.address or os.environ.get("RAY_ADDRESS"):
        _check_names()
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


def _check(study: "Study", options: Options) -> None:
    """Whether the study can be planned, as far as that can be said before an earlier one is run."""
    _check_words(study, options)
    from sweep.errors import NotYet
    from sweep.inputs.resolve import plan_study, resolvers

    with suppress(NotYet):
        if study.search is None:
            plan_study(study, options)
        else:
            from sweep.search.resolve import prepare

            sources, _, resolve = resolvers(options)
            prepare(study, options, resolve, sources)


def _search(study: "Study", options: Options, console: Console) -> Outcome:
    from sweep.inputs.resolve import resolvers
    from sweep.search.resolve import prepare

    sources, networks, resolve = resolvers(options)
    asked = prepare(study, options, resolve, sources)
    _say(console, networks.notes)
    if options.dry_run:
        from sweep.search.dry_run import show_search

        show_search(console, asked, sources.loaded, networks.weights, options)
        return Outcome(0, None)
    from sweep.search.executor import launch_search  # late: it imports Ray
    from sweep.storage.locks import using

    with using(options.folder):
        return launch_search(asked, sources, networks, options, console)


if __name__ == "__main__":
    sys.exit(main())
