"""Figures of a search: history, importance, slices through the space, and the Pareto front."""

import math
from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from analysis.exhibits.common.exhibit import GAP, WITH, WITHOUT, Drawing, paper_style
from analysis.exhibits.common.text import significant
from analysis.results.search import Proposal, Search, short

Of = Callable[[Proposal], float]

_MARKS = {  # what became of a proposal: marker, colour, its words
    "finished": ("o", WITH, "run on all seeds"),
    "missed": ("x", GAP, "loses too much accuracy"),
    "stopped": ("v", WITHOUT, "stopped early"),
}
_COLUMNS = 3


def history(told: Search) -> Drawing:
    """The first objective by proposal, and the best so far."""
    objective = told.objective
    with paper_style():
        figure = Figure(figsize=(6.0, 3.0), layout="constrained")
        axes = figure.add_subplot()
        _points(axes, told, lambda p: p.number)
        numbers, best = _best_so_far(told)
        axes.step(numbers, best, where="post", color=WITH, linewidth=1.0, label="best so far")
        base = told.base_proposal
        if base and base.means:
            axes.axhline(base.means[0], color="#555555", linestyle="--", linewidth=0.8,
                         label="base setting")  # fmt: skip
        axes.set_xlabel("Proposal")
        axes.set_ylabel(f"{objective.label}, validation")
        figure.legend(loc="outside upper center", ncols=3)
    described = f"{objective.label} by proposal; best {significant(best[-1])}" if best else ""
    return Drawing("search-history", f"{objective.label} of every proposal", figure, described)


def importances(told: Search) -> Drawing:
    """A bar a field."""
    shares = sorted(told.importances.items(), key=lambda item: item[1])
    with paper_style():
        figure = Figure(figsize=(5.0, 0.7 + 0.28 * len(shares)), layout="constrained")
        axes = figure.add_subplot()
        axes.barh([short(field) for field, _ in shares], [share for _, share in shares], color=WITH)
        axes.set_xlim(0, 1)
        axes.set_xlabel(f"Share of the variance of {told.objective.label}")
    text = ", ".join(f"{short(field)} {share:.2f}" for field, share in reversed(shares))
    return Drawing("search-importances", "What matters", figure, f"Importance: {text}.")


def slices(told: Search) -> Drawing:
    """The first objective against every field of the space."""
    fields = list(told.space)
    rows = math.ceil(len(fields) / _COLUMNS)
    with paper_style():
        figure = Figure(figsize=(7.0, 0.5 + 2.3 * rows), layout="constrained")
        grid = figure.subplots(rows, min(_COLUMNS, len(fields)), squeeze=False, sharey=True)
        for place, axes in enumerate(grid.flat):
            if place >= len(fields):
                axes.set_axis_off()
                continue
            _slice(axes, told, fields[place])
            if place % _COLUMNS == 0:
                axes.set_ylabel(told.objective.label)
        handles, labels = grid.flat[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=3)
    names = ", ".join(short(field) for field in fields)
    described = f"{told.objective.label} of every proposal against {names}."
    return Drawing("search-slices", "Where good settings lie", figure, described)


def front(told: Search) -> Drawing:
    """The first two objectives against each other, with the Pareto front."""
    one, two = told.objectives[:2]
    members = [p for p in told.proposals if p.number in told.front]
    members.sort(key=lambda p: p.means[0])
    with paper_style():
        figure = Figure(figsize=(5.0, 3.4), layout="constrained")
        axes = figure.add_subplot()
        _points(axes, told, lambda p: p.means[0], lambda p: p.means[1])
        axes.plot([p.means[0] for p in members], [p.means[1] for p in members], color=WITH,
                  linewidth=0.9, label="Pareto front")  # fmt: skip
        axes.set_xlabel(f"{one.label}, validation")
        axes.set_ylabel(f"{two.label}, validation")
        figure.legend(loc="outside upper center", ncols=3)
    text = "; ".join(f"#{p.number}: {', '.join(map(significant, p.means))}" for p in members)
    return Drawing("search-front", f"{one.label} against {two.label}", figure, f"Front: {text}.")


def _slice(axes: Axes, told: Search, field: str) -> None:
    levels = [p.params[field] for p in told.proposals if p.means and field in p.params]
    texts = any(isinstance(level, str | bool) or level is None for level in levels)
    names = sorted({str(level) for level in levels}) if texts else []
    _points(
        axes,
        told,
        lambda p: names.index(str(p.params[field])) if texts else p.params[field],
        needs=field,
    )
    if texts:
        axes.set_xticks(range(len(names)), names)
        axes.tick_params(axis="x", labelrotation=0 if len(names) <= _COLUMNS else 90)
        axes.set_xlim(-0.5, len(names) - 0.5)
    elif field in told.logarithmic:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(short(field))


def _points(axes: Axes, told: Search, x: Of, y: Of = lambda p: p.means[0], needs: str = "") -> None:
    """The proposals that have a value, marked by what became of them."""
    present = {_kind(p) for p in told.proposals if p.means}
    for kind, (marker, colour, words) in _MARKS.items():
        chosen = [
            p for p in told.proposals
            if p.means and _kind(p) == kind and (not needs or needs in p.params)
        ]  # fmt: skip
        axes.plot([x(p) for p in chosen], [y(p) for p in chosen], marker, color=colour,
                  markersize=4, label=words if kind in present else None)  # fmt: skip


def _kind(proposal: Proposal) -> str:
    if proposal.state == "finished":
        return "missed" if proposal.violation > 0 else "finished"
    return "stopped"


def _best_so_far(told: Search) -> tuple[Sequence[int], Sequence[float]]:
    eligible = [p for p in told.proposals if p.eligible]
    if not eligible:
        return [], []
    sign = 1 if told.objective.direction == "minimize" else -1
    values = sign * np.minimum.accumulate([sign * p.means[0] for p in eligible])
    numbers = [p.number for p in eligible]
    last = max(p.number for p in told.proposals)
    return [*numbers, last], [*values.tolist(), float(values[-1])]
