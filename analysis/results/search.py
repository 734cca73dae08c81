"""A search as the launch left it in the plan: what was proposed, and what became of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from analysis.results.objectives import OBJECTIVES, Objective
from analysis.results.plan import Plan

BEST, BASE = "best found", "base setting"  # conditions of what is confirmed


@dataclass(frozen=True)
class Proposal:
    """Levels that were proposed."""

    number: int
    state: str  # running, finished, stopped, diverged or failed
    params: Mapping[str, Any]  # dotted field → level, of the dimensions that were active
    seeds: int  # run to the end
    means: tuple[float, ...]  # of every objective over these seeds, on validation examples
    violation: float  # how far the constraints are missed; 0: met
    examples_a_seed: int  # that a network trains on, in both phases

    @property
    def eligible(self) -> bool:
        return self.state == "finished" and self.violation <= 0

    @property
    def condition(self) -> str:
        """Of its trials."""
        return f"proposal {self.number}"


@dataclass(frozen=True)
class Search:
    """All that was proposed, by number."""

    objectives: tuple[Objective, ...]
    space: Mapping[str, str]  # dotted field → its levels in words
    logarithmic: frozenset[str]  # fields
    base: Mapping[str, Any]  # the first proposal's levels
    seeds: int  # of a proposal
    accuracy_drop: float | None
    sampler: str
    stopping: str | None
    proposals: tuple[Proposal, ...]
    best: int | None  # number
    front: tuple[int, ...]  # numbers, of the Pareto front
    importances: Mapping[str, float]  # of fields for the first objective

    @property
    def objective(self) -> Objective:
        """The first."""
        return self.objectives[0]

    def by_number(self, number: int | None) -> Proposal | None:
        return next((p for p in self.proposals if p.number == number), None)

    @property
    def base_proposal(self) -> Proposal | None:
        return next((p for p in self.proposals if p.params == self.base), None)

    @property
    def stopped(self) -> int:
        return sum(p.state == "stopped" for p in self.proposals)

    @property
    def examples(self) -> tuple[int, int]:
        """Seen by the proposals that have ended, and what they would have seen without stopping."""
        ended = [p for p in self.proposals if p.state in ("finished", "stopped", "diverged")]
        seen = sum(p.seeds * p.examples_a_seed for p in ended)
        return seen, sum(self.seeds * p.examples_a_seed for p in ended)

    def ranked(self) -> list[Proposal]:
        """The eligible ones, the best in the first objective first."""
        sign = 1 if self.objective.direction == "minimize" else -1
        eligible = [p for p in self.proposals if p.eligible]
        return sorted(eligible, key=lambda p: (sign * p.means[0], p.number))


def search_of(plan: Plan) -> Search | None:
    """The plan's search; None where it has none."""
    told = plan.search
    if told is None:
        return None
    return Search(
        objectives=tuple(OBJECTIVES[o["name"]] for o in told["objectives"]),
        space=told["space"],
        logarithmic=frozenset(told["logarithmic"]),
        base=told["base"],
        seeds=told["seeds"],
        accuracy_drop=told["accuracy_drop"],
        sampler=told["sampler"],
        stopping=told["stopping"],
        proposals=tuple(_proposal(p) for p in told["proposals"]),
        best=told["best"],
        front=tuple(told["front"]),
        importances=told["importances"],
    )


def short(field: str) -> str:
    """A field for the eye: `warmup.optimizer.lr` → `optimizer lr`."""
    parts = field.split(".")
    return " ".join(parts[1:] if len(parts) > 1 else parts).replace("_", " ")


def _proposal(told: Mapping[str, Any]) -> Proposal:
    return Proposal(**{**told, "means": tuple(told["means"])})
