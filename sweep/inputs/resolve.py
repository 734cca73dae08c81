"""From what was asked for to what can be carried out; all that can be wrong comes out here."""

from collections.abc import Callable
from dataclasses import replace

from sweep.errors import InputError
from sweep.inputs.datasets import Sources
from sweep.inputs.networks import Networks
from sweep.inputs.pretrained import trained_by
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
    sources, networks, look = looking(options)
    plan = make_plan(study, look, options.scale, options.replicates, options.overrides)
    return with_inventories(plan, sources), sources, networks


def with_inventories(plan: StudyPlan, sources: Sources) -> StudyPlan:
    """The plan, with what was found in its data sets."""
    return replace(plan, found=sources.inventories(p.trial for p in plan.trials))


def looking(options: Options) -> tuple[Sources, Networks, Callable[[Trial], Trial]]:
    """Data sets, networks, and how a trial is looked at with them."""
    sources, storage = Sources(download=options.download), open_storage(options.storage)

    def trained(name: str) -> State:
        return trained_by(name, options.scale, storage, look)

    asked = options.resources
    networks = Networks(options.download, trained, asked.workers, asked.device)

    def look(trial: Trial) -> Trial:
        return networks.look(sources.look(trial))

    return sources, networks, look
