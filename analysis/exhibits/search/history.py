"""What a search has tried: its history, what matters, where good settings lie, and the best.

All numbers here are those that proposals were chosen by: means over the search's own seeds, on
validation examples. The best of many is better there than it is, see `search_confirmed`.
"""

import pandas as pd

from analysis.exhibits.common.exhibit import Drawing, Exhibit, Table, made_of
from analysis.exhibits.common.text import significant
from analysis.exhibits.search.history_plots import front, history, importances, slices
from analysis.results.search import Proposal, Search, search_of, short
from analysis.results.study_results import StudyResults

SHOWN = 10  # proposals in the table

_STATES = ("finished", "stopped", "diverged", "failed", "running")


def search(results: StudyResults) -> Exhibit:
    """The best proposals in a table, all of them for CSV, and the figures."""
    title = "What the search has tried"
    told = search_of(results.plan)
    if told is None:
        return Exhibit("search", title, f"This study has no search. {made_of(results)}")
    figures: list[Drawing] = []
    if any(p.means for p in told.proposals):
        figures.append(history(told))
        if len(told.objectives) > 1 and told.front:
            figures.append(front(told))
        if told.importances:
            figures.append(importances(told))
        figures.append(slices(told))
    caption = f"{_counts(told)} {_rules(told)} {_saved(told)} {made_of(results)}"
    return Exhibit("search", title, " ".join(caption.split()), (_table(told),), tuple(figures))


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
    return Table("search-proposals", title, pd.DataFrame(shown), pd.DataFrame(values))


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
