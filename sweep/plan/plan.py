"""From a study to its plan: every trial there should be, its place in the study, and its pair.

Planning is a pure function of the study, what the command line changes, and the facts of the data.
A replicate's seed is the base seed plus its index; the cells of all grids and their controls share
it. A trial that several cells or grids ask for is planned once.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from types import MappingProxyType
from typing import Any

from sweep.errors import DoesNotApply, InputError
from sweep.plan.fields import Fields, get_field, parse_trial, with_fields
from sweep.plan.study import LABEL, Scale, Study
from trainables.config.data_names import check_name
from trainables.config.trial import Trial
from trainables.data.inventory import Inventory, sentences

Cell = dict[str, Any]  # dotted field → level


@dataclass(frozen=True)
class PlannedTrial:
    """One trial and its place in the study."""

    trial: Trial
    condition: str  # label of its cell's levels; "" for the plain control
    cell: Mapping[str, Any]
    replicate: int
    pair: str  # the control's trial id; a control's own

    @cached_property
    def trial_id(self) -> str:
        return self.trial.trial_id

    @property
    def name(self) -> str:
        """For people: what a table or a list shows."""
        if self.trial.arm == "control":
            return f"{self.condition or 'control'} #{self.replicate}"
        return f"{self.condition} #{self.replicate}"


@dataclass(frozen=True)
class StudyPlan:
    study: Study
    scale: str
    base: Trial
    replicates: Mapping[str, int]  # of each grid
    grids: Mapping[str, tuple[str, ...]]  # grid → its conditions, in order
    trials: tuple[PlannedTrial, ...]  # replicate by replicate, controls first
    left_out: tuple[str, ...] = ()  # levels that have no meaning for the data, and why
    search: Mapping[str, Any] | None = (
        None  # what a search has proposed, see `sweep.search.summary`
    )
    found: tuple[Inventory, ...] = ()  # in the data sets
    notes: tuple[str, ...] = ()  # of the networks that were tried, in sentences
    tags: Mapping[str, str] | None = None  # of the study's run, beside those of every launch

    @cached_property
    def by_id(self) -> Mapping[str, PlannedTrial]:
        return {planned.trial_id: planned for planned in self.trials}

    @property
    def found_sentences(self) -> tuple[str, ...]:
        """What was found in the data sets, in words; said of several at once, once."""
        return tuple(dict.fromkeys(s for found in self.found for s in sentences(found)))

    def as_json(self, commit: str) -> dict[str, Any]:
        """The `plan.json` that `analysis.results.plan` reads."""
        return {
            "study": self.study.name,
            "title": self.study.title,
            "answers": self.study.answers,
            "makes": self.study.makes,
            "scale": self.scale,
            "data": self.base.data.source,
            "ood": self.base.data.ood,
            "commit": commit,
            "base": self.base.model_dump(mode="json"),
            "exhibits": list(self.study.exhibits),
            "left_out": list(self.left_out),
            "found": [inventory.as_json() for inventory in self.found],
            "search": self.search,
            "grids": {grid: list(labels) for grid, labels in self.grids.items()},
            "trials": [
                {
                    "trial_id": planned.trial_id,
                    "arm": planned.trial.arm,
                    "condition": planned.condition,
                    "cell": dict(planned.cell),
                    "replicate": planned.replicate,
                    "pair": planned.pair,
                }
                for planned in self.trials
            ],
        }


def make_plan(
    study: Study,
    resolve: Callable[[Trial], Trial],
    scale: str | None = None,
    replicates: int | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> StudyPlan:
    """The study's plan.

    Args:
        resolve: fills in the facts of a trial's data.
        scale: `laptop` where the study has it and nothing else is asked.
        replicates: in place of the scale's.
        overrides: dotted field → value, over the base and the scale; for a field that a grid
            varies, its level or the list of its levels.

    Raises:
        InputError: a field or level is not one of a trial's, or two conditions look alike.
    """
    scale, sized = study.scale(scale)
    study = study.model_copy(update={"grids": study.grids | sized.grids})
    study, overrides = _with_levels(study, overrides or {})
    if replicates is not None and replicates < 1:
        raise InputError(f"--replicates {replicates}: give at least 1")
    counts = {g: replicates or study.replicates(sized, g) for g in study.grids or ("",)}
    base = _base_fields(study, scale, sized, overrides)
    base_trial = resolve(parse_trial(base))
    trials: dict[str, PlannedTrial] = {}
    grids: dict[str, dict[str, None]] = {grid: {} for grid in study.grids}
    labels = _Labels(study, base_trial)
    left_out: dict[str, None] = {}
    for replicate in range(max(counts.values())):
        for grid, cell, label in _cells(study):
            if replicate >= counts[grid]:
                continue
            fields = with_fields(base, outer_first(cell))
            fields["seed"] = base_trial.seed + replicate
            try:
                trial = resolve(parse_trial(fields))
            except DoesNotApply as reason:
                left_out[str(reason)] = None
                continue
            control = trial.control()
            pair = control.trial_id
            for member in (control, trial):
                if member.trial_id not in trials:
                    levels = _levels(study, member)
                    name = labels.of(member, levels, label)
                    levels = {field: _short(level) for field, level in levels.items()}
                    trials[member.trial_id] = PlannedTrial(member, name, levels, replicate, pair)
            if trial.arm != "control" and grid in grids:
                grids[grid][trials[trial.trial_id].condition] = None
    ordered = sorted(trials.values(), key=lambda p: (p.replicate, p.trial.arm != "control"))
    conditions = {grid: tuple(found) for grid, found in grids.items()}
    if not ordered:
        raise InputError(f"grids: nothing is left to run; {next(iter(left_out))}")
    return StudyPlan(study, scale, base_trial, counts, conditions, tuple(ordered), tuple(left_out))


def check_fields(study: Study, scale: str | None, overrides: Mapping[str, Any]) -> None:
    """That the fields of the base and of every cell are a trial's, and the data sets that they name
    are there, before data are looked at.

    Raises:
        InputError, DataError: one is not.
    """
    for name in dict.fromkeys(
        name
        for trial in trials_without_data(study, scale, overrides)
        for name in (trial.data.source, trial.data.ood)
    ):
        if name is not None:
            check_name(name)


def trials_without_data(
    study: Study, scale: str | None, overrides: Mapping[str, Any] = MappingProxyType({})
) -> list[Trial]:
    """The base and then every cell, as far as they are known without looking at data.

    Raises:
        InputError: a field is not one of a trial's; of a search's own fields nothing is said.
    """
    scale, sized = study.scale(scale)
    study = study.model_copy(update={"grids": study.grids | sized.grids})
    study, rest = _with_levels(study, overrides)
    if study.search is not None:
        rest = {field: value for field, value in rest.items() if not field.startswith("search.")}
    base = _base_fields(study, scale, sized, rest)
    cells = (with_fields(base, outer_first(cell)) for _, cell, _ in _cells(study))
    return [parse_trial(base), *map(parse_trial, cells)]


def _base_fields(study: Study, scale: str, sized: Scale, overrides: Mapping[str, Any]) -> Fields:
    base: Fields = {}
    for changes in (study.base, study.common(scale), sized.set, overrides):
        base = with_fields(base, outer_first(changes))
    return base


def _with_levels(study: Study, overrides: Mapping[str, Any]) -> tuple[Study, dict[str, Any]]:
    """The study with the levels that are asked for, and what is left to override."""
    products = {name: grid for name, grid in study.grids.items() if isinstance(grid, dict)}
    of_levels = {field for grid in products.values() for field in grid}
    for name in study.grids.keys() - products.keys():
        cells = study.grids[name]
        for field in overrides:
            # cells that do not set it take it from the base, as all else
            set_by = sum(field in cell for cell in cells)
            if set_by == len(cells) or (set_by and field in of_levels):
                raise InputError(
                    f"--set {field}: the grid {name} of {study.name} lists its cells one by one; "
                    "copy the study's file and change them there"
                )
    varied = {
        field: value if isinstance(value, list) else [value]
        for field, value in overrides.items()
        if field in of_levels
    }
    for field, levels in varied.items():
        if not levels:
            raise InputError(f"--set {field}=[]: give at least one level")
    grids = study.grids | {
        name: {field: varied.get(field, levels) for field, levels in grid.items()}
        for name, grid in products.items()
    }
    rest = {field: value for field, value in overrides.items() if field not in varied}
    return study.model_copy(update={"grids": grids}), rest


def outer_first(changes: Mapping[str, Any]) -> dict[str, Any]:
    """A section before its fields: `model=resnet18` would undo a `model.stem` set before it."""
    return dict(sorted(changes.items(), key=lambda item: item[0].count(".")))


def _cells(study: Study) -> Iterator[tuple[str, Cell, str]]:
    """Every cell of every grid: (grid, fields, its own name or none); the base where no grid is."""
    if not study.grids:
        yield "", {}, ""
    for name, grid in study.grids.items():
        if isinstance(grid, dict):
            for levels in product(*grid.values()):
                yield name, dict(zip(grid, levels, strict=True)), ""
        else:
            for cell in grid:
                fields = {field: level for field, level in cell.items() if field != LABEL}
                yield name, fields, str(cell.get(LABEL, ""))


def _levels(study: Study, trial: Trial) -> Cell:
    """The trial's own value in every field that the study varies; a control has no noise."""
    fields = trial.model_dump(mode="json")
    varied = (f for f in study.factors if trial.warmup or not f.startswith("warmup"))
    return {field: get_field(fields, field) for field in varied if field != "seed"}


def _short(level: Any) -> Any:
    """A section by its name, or as text where it has none."""
    return level.get("name", json.dumps(level)) if isinstance(level, dict) else level


class _Labels:
    """Names conditions by their levels, and sees to it that no two share a name.

    Text is shown as it is, other levels with their field: `gaussian, std 0.5`. A level that is the
    base's is left out, unless it is a grid's text, or every grid of levels varies its field.
    """

    def __init__(self, study: Study, base: Trial) -> None:
        self._base: Fields = base.model_dump(mode="json")
        self._names = short_names(study.factors)
        products = [grid for grid in study.grids.values() if isinstance(grid, dict)]
        self._always = {f for f in study.factors if all(f in grid for grid in products)}
        self._texts = {field for grid in products for field in grid}
        self._taken: dict[str, str] = {}  # label → the levels it stands for

    def of(self, trial: Trial, levels: Cell, given: str) -> str:
        """The condition's name; `given`: the one that a listed cell has of its own."""
        meant = json.dumps(levels, sort_keys=True)
        levels = {field: _short(level) for field, level in levels.items()}
        parts = (
            [given]
            if given
            else [
                self._part(field, level)
                for field, level in levels.items()
                if (isinstance(level, str) and field in self._texts)
                or field in self._always
                or level != _short(get_field(self._base, field))
            ]
        )
        label = ", ".join(parts) or ("" if trial.arm == "control" else "base")
        if trial.arm == "control":
            return label if levels else ""
        if self._taken.setdefault(label, meant) != meant:
            raise InputError(
                f"grids: two conditions are both named {label!r}; vary one field less, "
                "or list the cells, each with a label"
            )
        return label

    def _part(self, field: str, level: Any) -> str:
        if isinstance(level, str):
            return level
        if isinstance(level, bool):
            return self._names[field] if level else f"no {self._names[field]}"
        if isinstance(level, float):
            level = f"{level:g}" if float(f"{level:g}") == level else repr(level)
        return f"{self._names[field]} {'none' if level is None else level}"


def short_names(fields: tuple[str, ...]) -> dict[str, str]:
    """Each dotted field's shortest ending that no other of them has."""
    names = {}
    for field in fields:
        parts = field.split(".")
        for start in range(len(parts) - 1, -1, -1):
            name = ".".join(parts[start:])
            if sum(other == name or other.endswith(f".{name}") for other in fields) == 1:
                break
        names[field] = name
    return names
