"""Does warm-up even out gradients? Their norm and variance by layer at the start of the task.

After Supplementary Fig. 18 of Cheon & Paik, Nature Machine Intelligence (2026), DOI
10.1038/s42256-026-01215-x. The gradients are those of the task's first mini-batches, in training
mode, without a step between them; both members of a pair see the same mini-batches. How even they
are over layers is the norm of the layer that has the largest over that of the layer that has the
smallest. Shown is the first condition of the first grid.
"""

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd

from analysis.exhibits.common.by_layer import (
    Pairs,
    Rows,
    compare_layers,
    directions,
    grouped,
    layer_cells,
    layers_of,
    measured_pairs,
    nothing,
    ratio,
    some_lack,
)
from analysis.exhibits.common.by_method import shown_condition
from analysis.exhibits.common.cells import EXACT, csv_row, exact_p, mean, pair_count
from analysis.exhibits.common.exhibit import Exhibit, Table, made_of
from analysis.exhibits.common.text import label, plural, significant
from analysis.exhibits.dynamics.gradient_plots import gradient_figure
from analysis.exhibits.dynamics.layer_plots import NETWORKS
from analysis.results.study_results import StudyResults, TrialResult
from analysis.statistics.comparison import Comparison, Measure, Numbers, compare, corrected

NORM = Measure("gradient_norm", "Norm", 0)
VARIANCE = Measure("gradient_variance", "Variance", -1)

_PATHS = {NORM: "gradients/{}/norms", VARIANCE: "gradients/{}/variance"}

_HOW = (
    "Norm: of the gradient of the mean loss of one mini-batch with respect to a layer's weights, "
    "mean over mini-batches; variance: over mini-batches, mean over a layer's weights. "
    f"Thin: networks, {NETWORKS} of an arm at most; thick: their mean. In the tables mean ± s.d. "
    "over the pairs; ratio: with over without, geometric mean over the pairs; “fell” counts the "
    "pairs whose number is lower with warm-up; "
    f"exact P: {EXACT}; Holm P corrects it over the layers, of each measure by itself, and in the "
    "table of evenness over its rows; r = |Z|/√pairs."
)


def gradients(results: StudyResults) -> Exhibit:
    """Norm and variance by layer, and how even they are, without and with warm-up."""
    title = "Gradients at the start of the task"
    found = measured_pairs(results, "gradients")
    names = layers_of(found, "gradients")
    if not names:
        return Exhibit("gradients", title, f"{nothing(results, 'gradients')} {made_of(results)}")
    rows = {
        measure: compare_layers(results, names, measure, path, lambda a: float(np.mean(a)))
        for measure, path in _PATHS.items()
    }
    even = _evenness(results, names) if len(names) > 1 else []
    said = [
        f"At the start of the task, {_batches(found, names)}, the mean norm of the gradient is "
        f"{directions(rows[NORM])}; its variance over them is {directions(rows[VARIANCE])}.",
        *(_even_said(row) for row in even[:1]),
    ]
    condition = label(shown_condition(results))
    caption = " ".join(
        (
            f"Condition “{condition}”, {plural(len(found), 'pair')}.",
            *some_lack(results, found, "gradients"),
            *said,
            _HOW,
            made_of(results),
        )
    )
    tables = (_table(rows), *([_evenness_table(even)] if even else []))
    figure = gradient_figure(rows, f"Gradients by layer, condition “{condition}”", " ".join(said))
    return Exhibit("gradients", title, caption, tables, (figure,) if figure else ())


def _batches(found: Pairs, names: list[str]) -> str:
    """Over how many mini-batches was measured."""
    counts = {r.probes[_PATHS[NORM].format(names[0])].size for pair in found for r in pair}
    low, high = min(counts), max(counts)
    return f"over {low}{'' if low == high else f' to {high}'} mini-batch{'es' * (high != 1)}"


def _evenness(results: StudyResults, names: list[str]) -> list[Comparison]:
    """The largest layer's norm, and variance, over the smallest's; corrected for each other."""
    return corrected(
        [
            compare(results, shown_condition(results), *_largest_over_smallest(measure, names))
            for measure in _PATHS
        ]
    )


def _largest_over_smallest(measure: Measure, names: list[str]) -> tuple[Measure, Numbers]:
    """The measure of one network over all its layers; none where a layer has no gradient."""
    key = f"{measure.key}_evenness"

    def numbers(trial: TrialResult) -> Mapping[str, float]:
        probes = trial.record.probes if trial.record else {}
        arrays = [probes.get(_PATHS[measure].format(name)) for name in names]
        by_layer = [math.nan if a is None or not a.size else float(np.mean(a)) for a in arrays]
        smallest, largest = min(by_layer), max(by_layer)
        known = np.isfinite(by_layer).all() and smallest > 0
        return {key: largest / smallest} if known else {}

    return Measure(key, measure.label, -1), numbers


def _even_said(row: Comparison) -> str:
    """Whether gradients are more even over layers."""
    if not row.n:
        return "In no pair does every layer have a gradient: how even they are cannot be said."
    text = (
        "The largest layer's norm is the smallest's "
        f"{significant(mean(row.without))} times without warm-up and "
        f"{significant(mean(row.with_))} times with it"
    )
    if row.difference == 0:
        return f"{text}: equally even over the layers."
    same = int((np.sign(row.with_ - row.without) == np.sign(row.difference)).sum())
    how, way = ("more", "smaller") if row.difference < 0 else ("less", "larger")
    return (
        f"{text}: on average {how} even over the layers; {way} in {same} of "
        f"{plural(row.n, 'pair')} ({exact_p(row.p_exact)})."
    )


def _table(rows: Mapping[Measure, Rows]) -> Table:
    """A row for each layer, the measures beside each other."""
    shown, numbers = [], []
    for place, name in enumerate(rows[NORM], start=1):
        row = {("Layer", ""): name, ("No.", ""): str(place)}
        row["Pairs", ""] = pair_count(rows[NORM][name])
        for measure, by_layer in rows.items():
            cells = layer_cells(by_layer[name])
            row |= {(measure.label, column): text for column, text in cells.items()}
            numbers.append(_values(name, place, by_layer[name]))
        shown.append(row)
    title = "Gradients of each layer at the start of the task, without and with warm-up"
    return Table("gradients", title, grouped(shown), pd.DataFrame(numbers))


def _values(name: str, place: int, row: Comparison) -> dict[str, object]:
    return {"layer": name, "number": place} | csv_row(row) | {"ratio": ratio(row)}


def _evenness_table(even: list[Comparison]) -> Table:
    """Two rows: norm and variance."""
    shown = [
        {("Gradient", ""): row.measure.label, ("Pairs", ""): pair_count(row)}
        | {("Largest layer over smallest", name): text for name, text in layer_cells(row).items()}
        for row in even
    ]
    numbers = [csv_row(row) | {"ratio": ratio(row)} for row in even]
    title = "How even gradients are over layers: the largest layer's over the smallest's"
    return Table("gradients-evenness", title, grouped(shown), pd.DataFrame(numbers))
