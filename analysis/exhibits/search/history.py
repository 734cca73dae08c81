"""What a search has tried: its history, what matters, where good settings lie, and the best.

All numbers here are those that proposals were chosen by: means over the search's own seeds, on
validation examples. The best of many is better there than it is, see `search_confirmed`.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullFormatter

from analysis.exhibits.common.exhibit import Drawing, Exhibit, Table, exhibit, table
from analysis.exhibits.common.panels import GAP, WITH, WITHOUT, panels
from analysis.exhibits.common.text import significant
from analysis.results.search import Proposal, Search, search_of, short
from analysis.results.study_results import StudyResults

Of = Callable[[Proposal], float]

SHOWN = 10  # proposals in the table

_COLUMNS = 3  # of panels
_MARKS = {  # what became of a proposal: marker, colour, its words
    "finished": ("o", WITH, "run on all seeds"),
    "missed": ("x", GAP, "loses too much accuracy"),
    "stopped": ("v", WITHOUT, "stopped early"),
}
_STATES = ("finished", "stopped", "diverged", "failed", "running")


def search(results: StudyResults) -> Exhibit:
    """The best proposals in a table, all of them for CSV, and the figures."""
    title = "What the search has tried"
    told = search_of(results.plan)
    if told is None:
        return exhibit(results, "search", title, ["This study has no search."])
    figures: list[Drawing] = []
    if any(p.means for p in told.proposals):
        figures.append(history(told))
        if len(told.objectives) > 1 and told.front:
            figures.append(front(told))
        if told.importances:
            figures.append(importances(told))
        figures.append(slices(told))
    said = (_counts(told), _rules(told), _saved(told))
    return exhibit(results, "search", title, said, (_table(told),), figures)


def _table(told: Search) -> Table:
    ranked = told.ranked()
    chosen = ranked[:SHOWN]
    base = told.base_proposal
    if base is not None and base not in chosen:
        chosen.append(base)
    shown = [
        {"Proposal": f"#{p.number}{' (base)' if p is base else ''}"} | _texts(told, p)
        for p in chosen
    ]
    values = [
        {"proposal": p.number, "state": p.state, "seeds": p.seeds, "violation": p.violation}
        | {o.name: m for o, m in zip(told.objectives, p.means, strict=False)}
        | {field: p.params.get(field) for field in told.space}
        for p in told.proposals
    ]
    title = f"The best {min(SHOWN, len(ranked))} of {len(told.proposals)} proposals"
    return table("search-proposals", title, shown, values)


def _texts(told: Search, proposal: Proposal) -> dict[str, str]:
    means = {o.label: significant(m) for o, m in zip(told.objectives, proposal.means, strict=False)}
    return means | {short(f): _level(proposal.params.get(f)) for f in told.space}


def _level(level: object) -> str:
    if isinstance(level, float):
        return significant(level)
    return "—" if level is None else f"{level:,}" if isinstance(level, int) else str(level)


def _counts(told: Search) -> str:
    counts = {state: sum(p.state == state for p in told.proposals) for state in _STATES}
    parts = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    missed = sum(p.state == "finished" and p.violation > 0 for p in told.proposals)
    text = f"{len(told.proposals)} proposals by {told.sampler}: {parts or 'none'}."
    if missed:
        drop = f"more than {told.accuracy_drop:g} of accuracy against the base's control"
        text += f" {missed} of the finished lose {drop} and cannot be the best."
    return text


def _rules(told: Search) -> str:
    goals = " and ".join(
        f"{o.label} ({'lower' if o.direction == 'minimize' else 'higher'} is better)"
        for o in told.objectives
    )
    text = (
        f"{goals}: mean over {told.seeds} seeds, on validation examples. A stopped proposal's is "
        "that of the seeds it was run on."
    )
    if told.importances:
        text += (
            " Importance is the share of the first objective's variance that a field explains "
            "(fANOVA, Hutter et al., ICML 2014), over finished proposals and fields that all have."
        )
    return text


def _saved(told: Search) -> str:
    seen, without = told.examples
    if not told.stopping or not without:
        return ""
    return (
        f"Stopping by {told.stopping} ended {told.stopped} early: networks were trained on "
        f"{seen:,} examples in place of {without:,}, {100 * (1 - seen / without):.0f} % less."
    )


def history(told: Search) -> Drawing:
    """The first objective by proposal, and the best so far."""
    objective = told.objective
    with panels(6.0, 3.0) as (figure, [axes]):
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
    with panels(5.0, 0.7 + 0.28 * len(shares)) as (figure, [axes]):
        axes.barh([short(field) for field, _ in shares], [share for _, share in shares], color=WITH)
        axes.set_xlim(0, 1)
        axes.set_xlabel(f"Share of the variance of {told.objective.label}")
    text = ", ".join(f"{short(field)} {share:.2f}" for field, share in reversed(shares))
    return Drawing("search-importances", "What matters", figure, f"Importance: {text}.")


def slices(told: Search) -> Drawing:
    """The first objective against every field of the space."""
    fields = list(told.space)
    columns, rows = min(_COLUMNS, len(fields)), math.ceil(len(fields) / _COLUMNS)
    with panels(7.0, 0.5 + 2.3 * rows, columns, rows, sharey=True) as (figure, drawn):
        for axes, field in zip(drawn, fields, strict=False):
            _slice(axes, told, field)
        for axes in drawn[::columns]:
            axes.set_ylabel(told.objective.label)
        for axes in drawn[len(fields) :]:
            axes.set_axis_off()
        handles, labels = drawn[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=3)
    names = ", ".join(short(field) for field in fields)
    described = f"{told.objective.label} of every proposal against {names}."
    return Drawing("search-slices", "Where good settings lie", figure, described)


def front(told: Search) -> Drawing:
    """The first two objectives against each other, with the Pareto front."""
    one, two = told.objectives[:2]
    members = [p for p in told.proposals if p.number in told.front]
    members.sort(key=lambda p: p.means[0])
    with panels(5.0, 3.4) as (figure, [axes]):
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
