"""Does it matter how out-of-distribution images are prepared? Detection under both protocols.

Fig. 5 and Supplementary Fig. 26 of Cheon & Paik, Nature Machine Intelligence (2026), DOI
10.1038/s42256-026-01215-x, for every condition of a study: AUROC without and with warm-up, once for
out-of-distribution images normalised as the in-distribution ones are, once for raw pixels. The
authors' releases differ in this, and where the sign of the effect changes with it, or between
conditions, the caption says so. Higher score = more in-distribution, the positive class.
"""

from collections.abc import Mapping
from functools import cache

from matplotlib.axes import Axes

from analysis.exhibits.common import by_method
from analysis.exhibits.common.by_method import shown_condition, shown_pairs
from analysis.exhibits.common.cells import BOTH, DELTA, INTERVAL, comparison_row, csv_row
from analysis.exhibits.common.exhibit import Drawing, Exhibit, Table, exhibit, table
from analysis.exhibits.common.panels import ARMS, GAP, WITH, legend_above, name_rows, panels, reach
from analysis.exhibits.common.passing import passed_in_words
from analysis.exhibits.common.text import Bold, label, wrapped
from analysis.exhibits.ood import sign_changes
from analysis.exhibits.ood.detection import NO_OOD, Scores, draw_confidences, draw_roc, find
from analysis.exhibits.ood.detectors import AUROC, PROTOCOLS, confidences, detections, numbers
from analysis.exhibits.ood.sign_changes import Effects, count_and_names, fell, named, rose
from analysis.results.cached import cached
from analysis.results.study_results import StudyResults, pairs
from analysis.statistics.comparison import Comparison, clear_of_zero

Arms = tuple[Scores, Scores]  # without and with warm-up
Rows = Mapping[tuple[str, str], Comparison]  # by (method, condition)

DRAWN = ("maximum softmax", "energy")
_MARKS = {PROTOCOLS[0]: ("o", WITH, WITH), PROTOCOLS[1]: ("s", GAP, "white")}  # edge, face

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
        return exhibit(results, "protocols", title, [NO_OOD])
    effects = _effects(compared)
    said = (
        *(sign_changes.sentence(method, effects[method]) for method in DRAWN if method in effects),
        *_not_measured(results, compared),
        *(_corrected(protocol, rows) for protocol, rows in compared.items()),
        _HOW,
    )
    tables = [_table(protocol, rows) for protocol, rows in compared.items()]
    figures = [deltas(effects), *shown(results)]
    return exhibit(results, "protocols", title, said, (*tables, _signs(effects)), figures)


def _compared(results: StudyResults, protocol: str) -> Rows:
    """Every method that some pair has under the protocol, in every condition."""
    conditions = results.plan.conditions()
    find(results, conditions, protocol)
    rows = by_method.compare_methods(results, conditions, AUROC, _under(protocol))
    there = {method for (method, _), row in rows.items() if row.n}
    return {key: row for key, row in rows.items() if key[0] in there}


@cache
def _under(protocol: str) -> by_method.Measured:
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


def _corrected(protocol: str, rows: Rows) -> str:
    """How many rows pass Holm's correction, and whether any could."""
    found = [row for row in rows.values() if row.n]
    return f"Under the {protocol} protocol {passed_in_words(found)}." if found else ""


def _table(protocol: str, rows: Rows) -> Table:
    """A block of conditions for each method, which is named once."""
    shown, long, last = [], [], ""
    for (method, condition), row in rows.items():
        long.append({"protocol": protocol, "method": method} | csv_row(row) | {"metric": AUROC.key})
        if row.n:
            cells = {"Method": "" if method == last else method, "Condition": label(condition)}
            shown.append(cells | _tested(row))
            last = method
    return table(f"protocols-{protocol}", f"AUROC under the {protocol} protocol", shown, long)


def _tested(row: Comparison) -> dict[str, str]:
    cells = comparison_row(row, moved="Rose")
    return cells | {DELTA: Bold(cells[DELTA])} if clear_of_zero(row) else cells


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
            both = sign_changes.measured_under_all(found) if len(found) > 1 else []
            turned = count_and_names(sign_changes.changed(found), both) if both else "—"
            row["Sign changes with the protocol", ""] = turned
        rows.append(row)
        long += _sign_values(method, found)
    title = "Where the sign of the effect on AUROC changes: conditions of those measured"
    return table("protocols-signs", title, rows, long)


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
    both = sign_changes.measured_under_all(effects) if len(effects) > 1 else []
    turned = sign_changes.changed(effects)
    rows: list[dict[str, object]] = []
    for condition in dict.fromkeys(c for found in effects.values() for c in found):
        row: dict[str, object] = {"method": method, "condition": condition}
        for protocol in PROTOCOLS:
            compared = effects.get(protocol, {}).get(condition)
            row[f"difference_{protocol}"] = compared.difference if compared else None
        rows.append(row | {"sign_changes": condition in turned if condition in both else None})
    return rows


def deltas(effects: Mapping[str, Effects]) -> Drawing:
    """Dots: Δ AUROC with its interval by condition, a protocol a mark, a method a panel."""
    methods = [method for method in DRAWN if method in effects]
    every = [rows for method in methods for rows in effects[method].values()]
    conditions = list(dict.fromkeys(condition for rows in every for condition in rows))
    size = (1.9 + 2.3 * len(methods), 1.05 + 0.36 * len(conditions))
    with panels(*size, len(methods), sharex=True, sharey=True) as (figure, drawn):
        for axes, method in zip(drawn, methods, strict=True):
            axes.axvline(0, color="#555555", linewidth=0.8)
            for between in range(len(conditions) - 1):
                axes.axhline(between + 0.5, color="#e6e6e6", linewidth=0.6)
            for protocol, rows in effects[method].items():
                _dots(axes, protocol, rows, conditions)
            axes.set(title=method, xlabel="Δ AUROC, with − without")
            axes.tick_params(axis="y", length=0)
            axes.locator_params(axis="x", nbins=5)
        name_rows(drawn[0], [wrapped(label(condition), 32) for condition in conditions])
        legend_above(drawn[0])
    title = "Change of AUROC with warm-up by condition and protocol: mean and 95 % interval"
    description = " ".join(sign_changes.sentence(method, effects[method]) for method in methods)
    return Drawing("protocols-delta", title, figure, description)


def _dots(axes: Axes, protocol: str, rows: Mapping[str, Comparison], conditions: list[str]) -> None:
    mark, edge, face = _MARKS[protocol]
    offset = 0.16 * (1 if protocol == PROTOCOLS[1] else -1)
    axes.errorbar(
        [row.difference for row in rows.values()],
        [conditions.index(condition) + offset for condition in rows],
        xerr=reach(list(rows.values())), fmt=mark, color=edge, markerfacecolor=face, markersize=4.5,
        elinewidth=0.9, capsize=2, label=f"{protocol} images",
    )  # fmt: skip


def shown(results: StudyResults) -> list[Drawing]:
    """ROC curves and histograms of the shown condition, where it has a complete pair."""
    scores = {
        protocol: arms for protocol in PROTOCOLS if (arms := _confidences(results, protocol))[0]
    }
    return [_roc(results, scores), _histograms(results, scores)] if scores else []


def _confidences(results: StudyResults, protocol: str) -> Arms:
    """Of the shown condition's pairs that were measured under the protocol."""
    found = [
        (confidences(without, protocol), confidences(with_, protocol))
        for _, (without, with_) in shown_pairs(results)
    ]
    complete = [(a, b) for a, b in found if a and b]
    return [a for a, _ in complete], [b for _, b in complete]


def _roc(results: StudyResults, scores: Mapping[str, Arms]) -> Drawing:
    areas = []
    with panels(0.4 + 3.0 * len(scores), 3.2, len(scores), sharey=True) as (figure, drawn):
        for axes, (protocol, arms) in zip(drawn, scores.items(), strict=True):
            areas.append(f"{protocol}: {draw_roc(axes, arms)}")
            axes.set_title(f"{protocol} out-of-distribution images")
            axes.label_outer()
    title = (
        f"ROC of the maximum softmax, condition “{label(shown_condition(results))}”, mean ± s.d."
    )
    return Drawing("protocols-roc", title, figure, f"ROC curves, AUROC. {'; '.join(areas)}.")


def _histograms(results: StudyResults, scores: Mapping[str, Arms]) -> Drawing:
    chance = 1 / shown_pairs(results)[0][1][0].logits["test"].shape[1]
    height, count = 0.5 + 2.1 * len(scores), len(scores)
    with panels(6.4, height, 2, count, sharex=True, sharey=True) as (figure, drawn):
        every = [(protocol, arm) for protocol in scores for arm in range(2)]
        for axes, (protocol, arm) in zip(drawn, every, strict=True):
            draw_confidences(axes, scores[protocol][arm], arm, chance)
            axes.set(title=f"{protocol} images, {ARMS[arm][0]}", ylabel="Density")
            axes.label_outer()
        drawn[1].legend(loc="upper center")
    title = f"Confidence at “{label(shown_condition(results))}”, all networks pooled"
    description = "Histograms of confidence on test and OOD images, by protocol and arm."
    return Drawing("protocols-confidence", title, figure, description)
