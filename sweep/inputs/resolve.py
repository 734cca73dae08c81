"""From what was asked for to what can be carried out; all that can be wrong comes out here."""

from collections.abc import Callable
from dataclasses import replace

from sweep.errors import InputError
from sweep.inputs.datasets import Sources
from sweep.inputs.networks import Networks
from sweep.inputs.pretrained import weights_of_study
from sweep.options import Options
from sweep.plan.plan import StudyPlan, make_plan
from sweep.plan.study import Study
from sweep.storage.location import open_storage
from trainables.config.trial import Trial
from trainables.models.build import State


def plan_study(study: Study, options: Options) -> tuple[StudyPlan, Sources, Networks]:
    """The plan of a study that does not search, and what its trials are made from.

    Raises:
        InputError, DataError: it cannot be; nothing has been run or written.
    """
    for name in ("trials", "timeout", "search_storage"):
        if getattr(options, name) is not None:
            raise InputError(f"--{name.replace('_', '-')}: {study.name} is no search; leave it out")
    sources, networks, resolve = resolvers(options)
    plan = make_plan(study, resolve, options.scale, options.replicates, options.overrides)
    return with_inventories(plan, sources), sources, networks


def with_inventories(plan: StudyPlan, sources: Sources) -> StudyPlan:
    """The plan, with what was found in its data sets."""
    return replace(plan, found=sources.inventories(p.trial for p in plan.trials))


def resolvers(options: Options) -> tuple[Sources, Networks, Callable[[Trial], Trial]]:
    """Data sets, networks, and how a trial is looked at with them."""
    sources, storage = Sources(download=options.download), open_storage(options.storage)

    def trained(name: str) -> State:
        return weights_of_study(name, options.scale, storage, resolve)

    asked = options.resources
    networks = Networks(options.download, trained, asked.workers, asked.device)

    def resolve(trial: Trial) -> Trial:
        return networks.resolve(sources.resolve(trial))

    return sources, networks, resolve
