"""A search as a plan like any other: every proposal's trials, and the best on fresh seeds.

The proposals and the base's controls have the search's seeds. What is confirmed has the seeds after
them, so no number of its trials was looked at when the best was chosen.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from analysis.results.search import BASE, BEST
from sweep.plan.fields import get_field
from sweep.plan.plan import PlannedTrial, StudyPlan, make_plan
from sweep.plan.study import LABEL, Scale, Study
from sweep.search.proposals import Proposal
from sweep.search.settings import Search
from sweep.search.space import Params, Space, base_fields
from trainables.config.trial import Trial

GRID = "confirmed"


def searched(
    base: StudyPlan, space: Space, found: Sequence[Proposal], told: Mapping[str, Any]
) -> StudyPlan:
    """The base's controls, and the proposals' trials so far.

    Args:
        base: the study's plan of the base trial alone, on the search's seeds.
        told: what a report is told of the search.
    """
    controls = controls_of(base)
    trials = {planned.trial_id: planned for planned in controls}
    for proposal in found:
        for control in controls[: proposal.seeds]:
            planned = planned_trial(
                proposal.number, proposal.params, space, control, control.replicate
            )
            trials.setdefault(planned.trial_id, planned)
    return replace(
        base,
        grids={},
        replicates={},
        trials=tuple(trials.values()),
        left_out=tuple(space.left_out),
        search=told,
    )


def planned_trial(
    number: int, params: Params, space: Space, control: PlannedTrial, replicate: int
) -> PlannedTrial:
    """A proposal's trial of one seed. It is held against the base's control, whatever it varies."""
    trial = space.trial(params, control.trial.seed)
    return PlannedTrial(trial, f"proposal {number}", params, replicate, control.trial_id)


def controls_of(base: StudyPlan) -> list[PlannedTrial]:
    """The base's, by seed."""
    return [planned for planned in base.trials if planned.trial.arm == "control"]


def confirmed(
    plan: StudyPlan, study: Study, search: Search, resolve: Callable[[Trial], Trial]
) -> StudyPlan:
    """The plan with the trials of a study of `confirming` added."""
    fresh = make_plan(study, resolve, plan.scale)
    later = [replace(p, replicate=p.replicate + search.seeds) for p in fresh.trials]
    trials = {planned.trial_id: planned for planned in (*plan.trials, *later)}
    return replace(
        plan, grids=fresh.grids, replicates=fresh.replicates, trials=tuple(trials.values())
    )


def confirming(
    study: Study, scale: str, base: Trial, best: Proposal, space: Space, search: Search,
    replicates: int,
) -> Study:  # fmt: skip
    """The study that runs the best proposal, and the base's own setting, on fresh seeds."""
    fields = base_fields(base)
    cells: list[dict[str, Any]] = [{LABEL: BASE}]
    if best.params != space.base:
        changed = {f: v for f, v in best.params.items() if get_field(fields, f) != v}
        cells.insert(0, {LABEL: BEST, **changed})
    return Study(
        name=f"{study.name}_best",
        title=f"{study.title}: the best found",
        answers="Does the best warm-up of the search hold on seeds that the search has not seen?",
        base={**fields, "seed": base.seed + search.seeds},
        grids={GRID: cells},
        exhibits=["pairs", "reliability"],
        scales={
            scale: Scale(
                about=f"proposal {best.number} of the search {study.name}, scale {scale}",
                replicates=replicates,
            )
        },
    )
