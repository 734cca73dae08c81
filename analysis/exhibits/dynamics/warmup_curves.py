"""What does a network learn from noise? Its confidence on data it has not seen, epoch by epoch.

After Supplementary Fig. 17 of Cheon & Paik, Nature Machine Intelligence (2026), DOI
10.1038/s42256-026-01215-x: over the warm-up, confidence on unseen data falls to chance. Each
warmed-up network is compared with itself before its warm-up, so that a network without a partner
counts too. Shown is the first condition of the first grid.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from analysis.exhibits.common import cells
from analysis.exhibits.common.by_method import shown_condition
from analysis.exhibits.common.exhibit import Drawing, Exhibit, Table, exhibit, table
from analysis.exhibits.common.panels import GAP, WITH, band, legend_above, panels
from analysis.exhibits.common.text import label, number, plural
from analysis.results.records import Record
from analysis.results.study_results import StudyResults
from analysis.statistics.comparison import Comparison, Measure, compare_values, corrected_by

MEASURES = (
    Measure("confidence", "Confidence", -1),
    Measure("accuracy", "Accuracy", 0),
    Measure("ece", "ECE", -1),
)


class Set(NamedTuple):
    """Examples on which a network is measured, in words, and how it is drawn."""

    name: str
    where: str  # within a sentence
    colour: str
    line: str


SETS: Mapping[str, Set] = {  # by the prefix of a history's columns
    "test": Set("test", "on the test set", WITH, "-"),
    "ood": Set("out of distribution", "on the out-of-distribution set", GAP, "--"),
    "noise": Set("noise", "on the noise itself", "#555555", "-."),
}

_FEW = 12  # epochs whose points are marked

_HOW = (
    "Curves: mean ± s.d. over the networks after every epoch of warm-up, by the examples of noise "
    "trained on, 0: untrained; in eval mode, but on noise, where it is of the epoch's own "
    "mini-batches, each before its step and in training mode, and is there from the first epoch "
    "on. Dotted: chance. The out-of-distribution set has labels of other classes: accuracy there "
    "says only whether it is at chance. In the table a network before its warm-up, on noise in its "
    "first epoch, against the same network after the last epoch: mean ± s.d.; Δ is the mean of "
    f"after − before, with its {cells.INTERVAL}; “Fell” counts the networks whose number is "
    "lower after; a pair being a network before and after, W, P, exact P and r = |Z|/√networks: "
    f"{cells.BOTH} over the rows."
)

Rows = Mapping[tuple[str, Measure], Comparison]  # by set


def warmup_curves(results: StudyResults) -> Exhibit:
    """Curves over the warm-up, and a table of before against after it."""
    title = "Along the warm-up"
    condition = shown_condition(results)
    records = warmed(results)
    if not records:
        none = f"No network of condition “{label(condition)}” has a measured warm-up."
        return exhibit(results, "warmup_curves", title, [none])
    epochs = _epochs(records)
    rows = _compared(results, records)
    chance = 1 / records[0].logits["test"].shape[1]
    said = [
        f"Condition “{label(condition)}”, {plural(len(records), 'network')} with warm-up.",
        *(_said(rows, m, chance) for m in MEASURES if any(m == of for _, of in rows)),
    ]
    if not any(name == "ood" for name, _ in rows):
        said.append("An out-of-distribution set was not measured along the warm-up.")
    tables = (_table(condition, rows), table("warmup_curves-epochs", "Epochs", (), epochs))
    heading = f"Confidence, accuracy and ECE along the warm-up, condition “{label(condition)}”"
    figure = Drawing("warmup_curves", heading, _figure(epochs, chance), " ".join(said))
    return exhibit(results, "warmup_curves", title, (*said, _HOW), tables, (figure,))


def warmed(results: StudyResults) -> list[Record]:
    """Of the shown condition's networks that finished, by replicate, with or without a partner."""
    members = [t for t in results.trials if t.condition == shown_condition(results)]
    chosen = [t for t in members if t.arm != "control" and t.outcome == "finished"]
    records = [t.record for t in sorted(chosen, key=lambda t: t.replicate) if t.record]
    return [r for r in records if {"untrained", "warmup"} <= set(r.history["phase"])]


def before_task(record: Record) -> pd.DataFrame:
    """The history's rows of the untrained network and of the warm-up."""
    return record.history[record.history["phase"].isin(("untrained", "warmup"))]


def _epochs(records: Sequence[Record]) -> pd.DataFrame:
    """Columns set, metric, epoch, examples, mean, sd, networks; where anything was measured."""
    wanted = {f"{name}_{measure.key}": (name, measure.key) for name in SETS for measure in MEASURES}
    history = pd.concat([before_task(record) for record in records])
    columns = [column for column in wanted if column in history]
    long = history[["epoch", "examples", *columns]].melt(["epoch", "examples"]).dropna()
    by = long.groupby(["variable", "epoch", "examples"], sort=False)["value"]
    found = by.agg(mean="mean", sd="std", networks="size").reset_index()
    named = found["variable"].map(wanted)
    found.insert(0, "set", named.str[0])
    found.insert(1, "metric", named.str[1])
    return found.drop(columns="variable")


def _compared(results: StudyResults, records: Sequence[Record]) -> Rows:
    """Before against after, in every set that was measured, corrected for each other."""
    condition = shown_condition(results)
    members = [t for t in results.trials if t.condition == condition and t.arm != "control"]
    fates = Counter(t.outcome for t in members if t.outcome != "finished")
    lost = ", ".join(f"{count} {fate}" for fate, count in fates.items())
    rows = {}
    for name in SETS:
        for measure in MEASURES:
            both = [e for r in records if (e := _ends(before_task(r), f"{name}_{measure.key}"))]
            if both:
                rows[name, measure] = compare_values(condition, measure, both, len(members), lost)
    return corrected_by(rows)


def _ends(history: pd.DataFrame, column: str) -> tuple[float, float] | None:
    """A column's first number and its last; on noise there is none before the first epoch. None
    where there are not two."""
    numbers = history[column].dropna() if column in history else pd.Series(dtype=float)
    if len(numbers) < 2 or not math.isfinite(numbers.iloc[0] + numbers.iloc[-1]):
        return None
    return float(numbers.iloc[0]), float(numbers.iloc[-1])


def _said(rows: Rows, measure: Measure, chance: float) -> str:
    there = [_one_said(name, row, chance) for (name, m), row in rows.items() if m == measure]
    what = "ECE" if measure.label == "ECE" else measure.label.lower()
    return f"Over the warm-up mean {what} {'; '.join(there)}."


def _one_said(name: str, row: Comparison, chance: float) -> str:
    """Such as: “on the test set fell from 0.431 to 0.112, in 12 of 12 networks (P = 0.002)”."""
    change = float(np.sign(row.difference))
    moved = int((np.sign(row.with_ - row.without) == change).sum())
    before, after = number(cells.mean(row.without)), number(cells.mean(row.with_))
    text = f"{SETS[name].where} {'fell' if change < 0 else 'rose'} from {before} to {after}"
    if change == 0:
        text = f"{SETS[name].where} stayed at {after}"
    if row.measure.key != "ece":
        text += f", {_from_chance(cells.mean(row.with_) - chance)} ({number(chance)})"
    return f"{text}, in {moved} of {plural(row.n, 'network')} ({cells.exact_p(row.p_exact)})"


def _from_chance(distance: float) -> str:
    text = number(abs(distance))
    if float(text) == 0:
        return "at chance"
    return f"{text} {'above' if distance > 0 else 'below'} chance"


def _table(condition: str, rows: Rows) -> Table:
    shown = [
        {"On": SETS[name].name, "Measure": measure.label, "Networks": cells.pair_count(row)}
        | cells.compared_cells(row, ("Before", "After"), {"Fell": cells.lower(row)})
        for (name, measure), row in rows.items()
    ]
    renamed = {
        f"{arm}_{statistic}": f"{when}_{statistic}"
        for arm, when in (("without", "before"), ("with", "after"))
        for statistic in ("mean", "sd")
    } | {"moved_as_the_paper": "fell", "pairs": "networks", "pairs_planned": "networks_planned"}
    numbers = [
        {"set": name}
        | {renamed.get(key, key): value for key, value in cells.csv_row(row).items()}
        | {"fell": row.lower}
        for (name, _), row in rows.items()
    ]
    title = f"Before and after the warm-up, condition “{label(condition)}”"
    return table("warmup_curves", title, shown, numbers)


def _figure(epochs: pd.DataFrame, chance: float) -> Figure:
    """A panel for each measure, a line for each set; chance: 1 / classes."""
    with panels(7.2, 2.6, len(MEASURES)) as (figure, drawn):
        for axes, measure in zip(drawn, MEASURES, strict=True):
            of_metric = epochs[epochs["metric"] == measure.key]
            for key, one in SETS.items():
                rows = of_metric[of_metric["set"] == key].sort_values("examples")
                if not rows.empty:
                    x, mean, sd = rows[["examples", "mean", "sd"]].to_numpy(float).T
                    marker = "o" if len(x) <= _FEW else ""
                    style = {"color": one.colour, "marker": marker, "label": one.name}
                    band(axes, x, mean, sd, one.line, **style)
            if measure.key != "ece":
                axes.axhline(chance, color="black", linestyle=":", linewidth=0.9, label="chance")
            axes.set_title(measure.label)
            axes.set_ylim(bottom=0)
            axes.locator_params(axis="x", nbins=4)
            axes.xaxis.set_major_formatter(EngFormatter(sep=""))
            axes.set_xlabel("Examples of noise")
            axes.margins(x=0.02)
        legend_above(drawn[0])
    return figure
