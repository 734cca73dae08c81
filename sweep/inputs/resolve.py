"""From what was asked for to what can be carried out; all that can be wrong comes out here."""

from dataclasses import dataclass, replace

from sweep.errors import InputError
from sweep.inputs.datasets import Sources
from sweep.inputs.networks import Networks
from sweep.inputs.pretrained import weights_of_study
from sweep.options import Options
from sweep.plan.looks import most_pairs
from sweep.plan.plan import StudyPlan, make_plan
from sweep.plan.study import Study
from sweep.storage.location import open_storage
from trainables.config.trial import Trial
from trainables.lifecycle.context import Inputs
from trainables.models.build import State


@dataclass(frozen=True)
class Resolver:
    """Looks at the data and the network of trials, each once."""

    sources: Sources
    networks: Networks

    def resolve(self, trial: Trial) -> Trial:
        """The trial, with the facts of its data and network filled in.

        Raises:
            InputError, DataError: there cannot be such a trial.
        """
        return self.networks.resolve(self.sources.resolve(trial))

    def with_findings(self, plan: StudyPlan) -> StudyPlan:
        """The plan, with what was found in its data sets and of its networks."""
        found = self.sources.inventories(p.trial for p in plan.trials)
        return replace(plan, found=found, notes=self.networks.notes)

    @property
    def inputs(self) -> Inputs:
        return Inputs(dict(self.sources.loaded), dict(self.networks.weights))


def make_resolver(options: Options) -> Resolver:
    """Of a launch: with its storage, where an earlier study may have left weights."""
    storage, asked = open_storage(options.storage), options.resources

    def trained_by(name: str) -> State:
        return weights_of_study(name, options.scale, storage, resolver.resolve)

    networks = Networks(options.download, trained_by, asked.workers, asked.device)
    resolver = Resolver(Sources(download=options.download), networks)
    return resolver


def plan_study(study: Study, options: Options) -> tuple[StudyPlan, Resolver]:
    """The plan of a study that does not search, and what its trials were looked at with.

    Raises:
        InputError, DataError: it cannot be; nothing has been run or written.
    """
    for name in ("trials", "timeout", "search_storage"):
        if getattr(options, name) is not None:
            raise InputError(f"--{name.replace('_', '-')}: {study.name} is no search; leave it out")
    replicates = options.replicates if options.until is None else most_pairs(options.replicates)
    resolver = make_resolver(options)
    plan = make_plan(study, resolver.resolve, options.scale, replicates, options.overrides)
    return resolver.with_findings(plan), resolver
