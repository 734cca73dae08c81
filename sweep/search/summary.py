"""What a report is told of a search: the `search` of its `plan.json`."""

from collections.abc import Sequence
from typing import Any

import optuna

from analysis.errors import without_passwords
from analysis.results.objectives import OBJECTIVES
from sweep.plan.plan import PlannedTrial
from sweep.search.proposals import Proposal, best, importances, pareto_front
from sweep.search.settings import Search
from sweep.search.space import Space
from trainables.config.trial import Trial


def search_summary(
    search: Search,
    space: Space,
    study: optuna.Study,
    url: str,
    found: Sequence[Proposal],
    controls: Sequence[PlannedTrial],
) -> dict[str, Any]:
    """Plain values, for JSON."""
    chosen = best(found, search)
    first = controls[0].trial.seed
    return {
        "objectives": [
            {"name": o.name, "label": o.label, "direction": o.direction}
            for o in (OBJECTIVES[name] for name in search.objectives)
        ],
        "space": space.described(),
        "logarithmic": space.logarithmic,
        "base": space.base,
        "seeds": search.seeds,
        "accuracy_drop": search.accuracy_drop,
        "sampler": search.sampler,
        "stopping": search.stopping,
        "stop_after": search.stop_after,
        "optuna": {"study": study.study_name, "storage": without_passwords(url)},
        "proposals": [_proposal(proposal, space, first) for proposal in found],
        "best": chosen.number if chosen else None,
        "front": [p.number for p in pareto_front(found, search)],
        "importances": importances(study, search),
    }


def _proposal(proposal: Proposal, space: Space, seed: int) -> dict[str, Any]:
    trial: Trial = space.trial(proposal.params, seed)
    return {
        "number": proposal.number,
        "state": proposal.state,
        "params": proposal.params,
        "seeds": proposal.seeds,
        "means": list(proposal.means),
        "violation": proposal.violation,
        "examples_a_seed": trial.warmup_examples + trial.task_examples,
    }
