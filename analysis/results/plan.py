"""A study's plan as the launch left it with the study's MLflow run: what was to be run, and why.

The plan, not the runs, says which trials there should be: so a report can say what is missing.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


class PlanError(ValueError):
    """The text is not a plan."""


@dataclass(frozen=True)
class PlannedTrial:
    """One trial, its place in the study, and the control it is compared with."""

    trial_id: str
    arm: str  # control or warmup
    condition: str  # label of the cell's levels; "" for the plain control
    cell: Mapping[str, Any]  # dotted field → level
    replicate: int
    pair: str  # the control's trial id; a control's own


@dataclass(frozen=True)
class Plan:
    """What a launch set out to do."""

    study: str
    title: str
    answers: str  # the question, in words
    makes: str  # the figure or table of the paper
    scale: str
    data: str
    ood: str | None
    commit: str
    base: Mapping[str, Any]  # nested fields of the base trial
    exhibits: tuple[str, ...]
    grids: Mapping[str, tuple[str, ...]]  # grid → its conditions, in order
    trials: tuple[PlannedTrial, ...]
    left_out: tuple[str, ...] = ()  # levels that have no meaning for the data, and why
    search: Mapping[str, Any] | None = None  # what a search proposed, see `analysis.results.search`
    found: tuple[str, ...] = ()  # in the data sets, in sentences

    @property
    def network(self) -> str:
        """The base trial's."""
        return str(_lookup(self.base, "model.name") or "unknown")

    @property
    def trains(self) -> bool:
        """Whether networks are trained on the task, not only measured as they would start it."""
        return bool(_lookup(self.base, "task.epochs") != 0)

    def conditions(self) -> tuple[str, ...]:
        """Every grid's conditions, each once, in order."""
        return tuple(dict.fromkeys(c for grid in self.grids.values() for c in grid))

    def cells(self, grid: str) -> dict[str, Mapping[str, Any]]:
        """The cell of each of a grid's conditions, in order; empty where no trial is planned."""
        cells = {trial.condition: trial.cell for trial in self.trials if trial.arm != "control"}
        return {condition: cells.get(condition, {}) for condition in self.grids[grid]}


def parse_plan(text: str) -> Plan:
    """The plan in a `plan.json`; `PlanError` where it is not one."""
    try:
        fields = json.loads(text)
        return Plan(
            **{name: str(fields[name]) for name in ("study", "scale", "data")},
            **{name: str(fields.get(name) or "") for name in ("title", "answers", "makes")},
            ood=fields.get("ood"),
            commit=str(fields.get("commit") or "unknown"),
            base=fields["base"],
            exhibits=tuple(fields["exhibits"]),
            grids={name: tuple(labels) for name, labels in fields["grids"].items() if labels},
            trials=tuple(PlannedTrial(**trial) for trial in fields["trials"]),
            left_out=tuple(fields.get("left_out", ())),
            search=fields.get("search"),
            found=tuple(
                dict.fromkeys(s for data in fields.get("found", ()) for s in data["sentences"])
            ),
        )
    except KeyError as error:
        raise PlanError(f"not a plan: {error.args[0]!r} is missing") from error
    except (AttributeError, TypeError, ValueError) as error:
        raise PlanError(f"not a plan: {error}") from error


def levels(plan: Plan, grid: str) -> dict[str, float]:
    """Condition → number, for a grid named after the one numeric field it varies, such as `std`.

    A condition that leaves the field alone has the base trial's. Empty where the grid is not one of
    numbers, or one of its conditions has none.
    """
    chosen = plan.cells(grid)
    field = next(
        (f for cell in chosen.values() for f in cell if f.rsplit(".", 1)[-1] == grid), None
    )
    if field is None:
        return {}
    default = _lookup(plan.base, field)
    values = {condition: cell.get(field, default) for condition, cell in chosen.items()}
    if not all(map(is_number, values.values())):
        return {}
    return {condition: float(value) for condition, value in values.items()}


def is_number(level: object) -> bool:
    """Whether a field's level is one; True is none."""
    return isinstance(level, int | float) and not isinstance(level, bool)


def _lookup(fields: Any, dotted: str) -> Any:
    for part in dotted.split("."):
        if not isinstance(fields, Mapping):
            return None
        fields = fields.get(part)
    return fields
