"""What a launch of a search asks for, looked at before anything is run or written."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from sweep.errors import InputError
from sweep.inputs.resolve import Resolver
from sweep.options import Options
from sweep.plan.plan import StudyPlan, make_plan
from sweep.plan.study import Study
from sweep.search.optuna_storage import database
from sweep.search.settings import Search, parse_search
from sweep.search.space import Space
from sweep.tracking.names import shortened
from trainables.config.trial import Trial

_MAX_NAME = 512  # characters, of a study in Optuna's tables
PREFIX = "search."  # of --set: a field of the search, not of a trial


@dataclass(frozen=True)
class ResolvedSearch:
    """A search that can be carried out: everything that may be wrong has been looked at."""

    study: Study
    search: Search
    base: StudyPlan  # of the base trial alone, on the search's seeds
    space: Space
    url: str
    replicates: int  # of what is confirmed
    resolve: Callable[[Trial], Trial]

    @cached_property
    def name(self) -> str:
        """Of the search in Optuna's database: with another space, base or sampler it is another."""
        meant = self.search.model_dump(mode="json", exclude={"trials"})
        text = json.dumps([self.base.base.trial_id, meant], sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()[:8]
        name = f"{self.study.name}-{self.base.scale}-{self.base.base.data.source}-{digest}"
        return shortened(name, _MAX_NAME)


def resolve_search(study: Study, options: Options, resolver: Resolver) -> ResolvedSearch:
    """What is asked for.

    Raises:
        InputError: it cannot be; nothing has been run or written.
    """
    scale, sized = study.scale(options.scale)
    changes = {k: v for k, v in options.overrides.items() if k.startswith(PREFIX)}
    fields = {**(study.search or {}), **sized.search}
    fields |= {name.removeprefix(PREFIX): value for name, value in changes.items()}
    if options.trials is not None:
        fields["trials"] = options.trials
    search = parse_search(fields)
    rest = {k: v for k, v in options.overrides.items() if k not in changes}
    base = make_plan(study, resolver.resolve, scale, search.seeds, rest)
    if base.base.arm == "control":
        raise InputError("search: the base trial has no warm-up; give it one")
    return ResolvedSearch(
        study=study,
        search=search,
        space=Space(search, base.base, resolver.resolve),
        base=resolver.with_findings(base),  # after its space, in which networks are tried too
        url=database(options.search_storage, options.folder),
        replicates=options.replicates or study.replicates(sized, ""),
        resolve=resolver.resolve,
    )
