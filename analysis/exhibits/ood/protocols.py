"""Does it matter how out-of-distribution images are prepared? Detection under both protocols.

Fig. 5 and Supplementary Fig. 26 of Cheon & Paik, Nature Machine Intelligence (2026), DOI
10.1038/s42256-026-01215-x, for every condition of a study: AUROC without and with warm-up, once for
out-of-distribution images normalised as the in-distribution ones are, once for raw pixels. The
authors' releases differ in this, and where the sign of the effect changes with it, or between
conditions, the caption says so. Higher score = more in-distribution, the positive class.
"""

from collections.abc import Mapping
from functools import cache

import pandas as pd

from analysis.exhibits.common.by_method import Measured, cached, compare_methods
from analysis.exhibits.common.cells import BOTH, INTERVAL, comparison_row, csv_row
from analysis.exhibits.common.exhibit import Exhibit, Table, made_of
from analysis.exhibits.common.passing import ALPHA, none_can_pass, passed
from analysis.exhibits.common.text import Bold, label
from analysis.exhibits.ood.detection import NO_OOD
from analysis.exhibits.ood.detectors import AUROC, PROTOCOLS, detections, numbers
from analysis.exhibits.ood.protocol_plots import DRAWN, deltas, shown
from analysis.exhibits.ood.sign_changes import (
    Effects,
    changed,
    count_and_names,
    fell,
    measured_under_all,
    named,
    rose,
    sentence,
)
from analysis.results.study_results import StudyResults, pairs
from analysis.statistics.comparison import Comparison, clear_of_zero

Rows = Mapping[tuple[str, str], Comparison]  # by (method, condition)

_DELTA = "Δ [95 % interval]"
_HOW = (
    "Both protocols show the same images to the same networks: normalised with the constants of "
    "the in-distribution ones, or raw, as pixels in [0, 1]. Parameters are tuned by AUROC under "
    "each protocol anew, on a random half of the test and of the out-of-distribution images; all "
    "methods are measured on the other halves, which are the same under both protocols, in both "
    "arms of a pair and for every method; the ROC curves and histograms on all images. Mean ± s.d. "
    f"over the complete pairs; Δ is the mean of with − without, with its {INTERVAL}, "
    "in bold where that leaves out zero, clear of zero; “Rose” counts the pairs whose AUROC rose "
    "with warm-up, and in the table of signs the conditions whose mean did; "
    f"W, P, exact P and r = |Z|/√pairs: {BOTH} over all rows of a table."
)


def protocols(results: StudyResults) -> Exhibit:
    """A table a protocol, one of signs, and figures: Δ by condition, ROC curves, histograms."""
    title = "Out-of-distribution detection by protocol"
    compared = {protocol: _compared(results, protocol) for protocol in PROTOCOLS}
    compared = {protocol: rows for protocol, rows in compared.items() if rows}
    if not compared:
        return Exhibit("protocols", title, f"{NO_OOD} {made_of(results)}")
    effects = _effects(compared)
    caption = " ".join(
        [
            *(sentence(method, effects[method]) for method in DRAWN if method in effects),
            *_not_measured(results, compared),
            *_corrected(compared),
            _HOW,
            made_of(results),
        ]
    )
    tables = [_table(protocol, rows) for protocol, rows in compared.items()]
    figures = [deltas(effects), *shown(results)]
    return Exhibit("protocols", title, caption, (*tables, _signs(effects)), tuple(figures))


def _compared(results: StudyResults, protocol: str) -> Rows:
    """Every method that some pair has under the protocol, in every condition."""
    conditions = results.plan.conditions()
    rows = compare_methods(results, conditions, AUROC, _under(protocol))
    there = {method for (method, _), row in rows.items() if row.n}
    return {key: row for key, row in rows.items() if key[0] in there}


@cache
def _under(protocol: str) -> Measured:
    """Every method's numbers of one trial, under a protocol."""
    return lambda record, seed: numbers(cached(detections, record, seed, protocol))


def _effects(compared: Mapping[str, Rows]) -> dict[str, Effects]:
    """By method, what was compared under which protocol and in which condition."""
    methods = dict.fromkeys(method for rows in compared.values() for method, _ in rows)
    found: dict[str, Effects] = {}
    for method in methods:
        by_protocol = {
            protocol: {c: row for (m, c), row in rows.items() if m == method and row.n}
            for protocol, rows in compared.items()
        }
        found[method] = {protocol: rows for protocol, rows in by_protocol.items() if rows}
    return found


def _not_measured(results: StudyResults, compared: Mapping[str, Rows]) -> list[str]:
    """Sentences on the conditions that a protocol's table lacks."""
    conditions = results.plan.conditions()
    complete = [c for c in conditions if pairs(results, c)]
    said = []
    for protocol in PROTOCOLS:
        there = {c for (_, c), row in compared.get(protocol, {}).items() if row.n}
        absent = [c for c in complete if c not in there]
        if absent:
            which = "" if len(absent) == len(complete) else f" at {named(absent, complete)}"
            said.append(
                f"The {protocol} protocol was not measured{which}; a trial without the probe "
                "other_protocol shows its own alone."
            )
    lost = [c for c in conditions if c not in complete]
    return said + ([f"Without a complete pair: {named(lost, conditions)}."] if lost else [])


def _corrected(compared: Mapping[str, Rows]) -> list[str]:
    """Sentences on how many rows pass Holm's correction, and whether any could."""
    said = []
    for protocol, rows in compared.items():
        found = [row for row in rows.values() if row.n]
        if not found:
            continue
        count = f"{len(passed(found))} of {len(found)} tests"
        hopeless = none_can_pass(found)
        none = f": {hopeless} none can pass" if hopeless else ""
        said.append(f"Under the {protocol} protocol Holm P < {ALPHA:g} in {count}{none}.")
    return said


def _table(protocol: str, rows: Rows) -> Table:
    """A block of conditions for each method, which is named once."""
    shown, long, last = [], [], ""
    for (method, condition), row in rows.items():
        long.append({"protocol": protocol, "method": method} | csv_row(row) | {"metric": AUROC.key})
        if row.n:
            cells = {"Method": "" if method == last else method, "Condition": label(condition)}
            shown.append(cells | _tested(row))
            last = method
    title = f"AUROC under the {protocol} protocol"
    frame = pd.DataFrame(shown, dtype=object)  # bold texts stay what they are
    return Table(f"protocols-{protocol}", title, frame, pd.DataFrame(long))


def _tested(row: Comparison) -> dict[str, str]:
    cells = {
        ("Rose" if k == "As the paper" else k): text for k, text in comparison_row(row).items()
    }
    return cells | {_DELTA: Bold(cells[_DELTA])} if clear_of_zero(row) else cells


def _signs(effects: Mapping[str, Effects]) -> Table:
    """By method, in which conditions AUROC rose, and where the protocol decides the sign."""
    rows, long = [], []
    protocols_found = [p for p in PROTOCOLS if any(p in found for found in effects.values())]
    for method, found in effects.items():
        row: dict[tuple[str, str], str] = {("Method", ""): method}
        for protocol in protocols_found:
            by_condition = found.get(protocol, {})
            row |= {(protocol, name): text for name, text in _directions(by_condition).items()}
        if len(protocols_found) > 1:
            both = measured_under_all(found) if len(found) > 1 else []
            turned = count_and_names(changed(found), both) if both else "—"
            row["Sign changes with the protocol", ""] = turned
        rows.append(row)
        long += _sign_values(method, found)
    frame = pd.DataFrame(rows, dtype=object)
    frame.columns = pd.MultiIndex.from_tuples(list(rows[0]))
    title = "Where the sign of the effect on AUROC changes: conditions of those measured"
    return Table("protocols-signs", title, frame, pd.DataFrame(long))


def _directions(rows: Mapping[str, Comparison]) -> dict[str, str]:
    """In how many conditions AUROC rose, and how many of the changes are clear of zero."""
    if not rows:
        return {"Rose": "—", "Clear of zero": "—"}
    clear = {condition: row for condition, row in rows.items() if clear_of_zero(row)}
    return {
        "Rose": count_and_names(rose(rows), list(rows)),
        "Clear of zero": f"{len(rose(clear))} up, {len(fell(clear))} down",
    }


def _sign_values(method: str, effects: Effects) -> list[dict[str, object]]:
    """For CSV: the difference under each protocol, and whether their signs differ."""
    both = measured_under_all(effects) if len(effects) > 1 else []
    turned = changed(effects)
    rows: list[dict[str, object]] = []
    for condition in dict.fromkeys(c for found in effects.values() for c in found):
        row: dict[str, object] = {"method": method, "condition": condition}
        for protocol in PROTOCOLS:
            compared = effects.get(protocol, {}).get(condition)
            row[f"difference_{protocol}"] = compared.difference if compared else None
        rows.append(row | {"sign_changes": condition in turned if condition in both else None})
    return rows
