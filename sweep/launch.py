"""Run a study from its file to its report: `python -m sweep.launch noise_ablation`.

Launching is idempotent. It plans the study's trials, asks MLflow which are finished, and does the
rest: what other studies have run is adopted, what is stored is published, what is left is run.
After a crash, with more replicates, after an outage: the same command finishes the work.
"""

import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from types import FrameType
from typing import TYPE_CHECKING

from rich.console import Console

from sweep.errors import InputError
from sweep.options import Options, parse_options

if TYPE_CHECKING:  # slow to import, and --help needs none of it
    from sweep.execution import Outcome
    from sweep.networks import Networks
    from sweep.planning import StudyPlan
    from sweep.sources import Sources
    from sweep.study import Study
    from trainables.models.build import State
    from trainables.trial import Trial


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; its exit code."""
    options = None
    try:
        options = parse_options(arguments)
        for number in (signal.SIGINT, signal.SIGTERM):  # SIGINT too: a shell's & has it ignored
            signal.signal(number, _interrupt)
        return _launch(options, Console())
    except ValueError as error:
        from trainables.data.examples import DataError

        if not isinstance(error, InputError | DataError):
            raise
        print(f"launch: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("launch: interrupted; the same command goes on from here", file=sys.stderr)
        return 130


def _launch(options: Options, console: Console) -> int:
    if options.tracking_uri:
        os.environ["MLFLOW_TRACKING_URI"] = options.tracking_uri
    # a server that is down is told of within seconds; MLflow's own default is minutes
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    if options.list_studies:
        from sweep.listing import list_studies

        list_studies(console)
        return 0
    from sweep.study import Collection, load

    study = load(options.study or "")
    if isinstance(study, Collection):
        from sweep.collection import launch_collection

        return launch_collection(study, options, console, _check, _launch_study)
    return _launch_study(study, options, console).code


def _launch_study(
    study: "Study", options: Options, console: Console, behind: tuple[str, ...] = ()
) -> "Outcome":
    """One study, after those that it names under `after`, which run as their files say.

    Args:
        behind: the studies that this one is launched for.
    """
    from sweep.errors import NotYet
    from sweep.execution import Outcome, execute
    from sweep.study import load_study

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
    try:
        plan, sources, networks = _plan(study, options)
    except NotYet as reason:
        if not options.dry_run:
            raise
        console.print(f"{study.name}: its plan follows from what comes before: {reason}")
        return Outcome(0, None)
    if options.dry_run:
        from sweep.listing import show_plan

        show_plan(console, plan, sources.loaded, networks.weights, options)
        return Outcome(0, None)
    return execute(plan, sources.loaded, networks.weights, options, console)


def _check(study: "Study", options: Options) -> None:
    """Whether the study can be planned, as far as that can be said before an earlier one is run."""
    from sweep.errors import NotYet

    with suppress(NotYet):
        if study.search is None:
            _plan(study, options)
        else:
            from sweep.search.asking import prepare

            _, _, look = _looking(options)
            prepare(study, options, look)


def _search(study: "Study", options: Options, console: Console) -> "Outcome":
    from sweep.execution import Outcome

    # Ray, which a search imports, is not needed to say that it cannot be
    sources, networks, look = _looking(options)
    from sweep.search.asking import prepare

    asked = prepare(study, options, look)
    if options.dry_run:
        from sweep.search.listing import show_search

        show_search(console, asked, sources.loaded, networks.weights, options)
        return Outcome(0, None)
    from sweep.search.launching import launch_search

    return launch_search(asked, sources, networks, options, console)


def _plan(study: "Study", options: Options) -> "tuple[StudyPlan, Sources, Networks]":
    """Everything that can be wrong with what was asked comes out here, before anything runs."""
    from sweep.planning import make_plan

    for name in ("trials", "timeout", "search_storage"):
        if getattr(options, name) is not None:
            raise InputError(f"--{name.replace('_', '-')}: {study.name} is no search; leave it out")
    sources, networks, look = _looking(options)
    plan = make_plan(study, look, options.scale, options.replicates, options.overrides)
    return plan, sources, networks


def _looking(
    options: Options,
) -> "tuple[Sources, Networks, Callable[[Trial], Trial]]":
    """Data sets, networks, and how a trial is looked at with them."""
    from sweep.earlier import trained_by
    from sweep.networks import Networks
    from sweep.resources import check_resources
    from sweep.sources import Sources
    from sweep.storing import open_storage

    check_resources(options.resources)
    sources, storage = Sources(download=options.download), open_storage(options.storage)

    def trained(name: str) -> "State":
        return trained_by(name, options.scale, storage, look)

    networks = Networks(options.download, trained)

    def look(trial: "Trial") -> "Trial":
        return networks.look(sources.look(trial))

    return sources, networks, look


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
