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
from matplotlib.axes import Axes

from analysis.exhibits.common import by_layer
from analysis.exhibits.common.by_layer import Pairs, Rows
from analysis.exhibits.common.by_method import shown_condition
from analysis.exhibits.common.cells import EXACT, csv_row, exact_p, mean, pair_count
from analysis.exhibits.common.exhibit import Drawing, Exhibit, Table, exhibit, table
from analysis.exhibits.common.panels import ARMS, NETWORKS, legend_above, panels
from analysis.exhibits.common.text import label, plural, significant
from analysis.exhibits.dynamics.layer_plots import WIDTH, layer_axis, lines, log_axis
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
    found = by_layer.measured_pairs(results, "gradients")
    names = by_layer.layers_of(found, "gradients")
    if not names:
        return exhibit(results, "gradients", title, [by_layer.nothing(results, "gradients")])
    rows = {
        measure: by_layer.compare_layers(results, names, measure, path, lambda a: float(a.mean()))
        for measure, path in _PATHS.items()
    }
    even = _evenness(results, names) if len(names) > 1 else []
    norm, variance = (by_layer.directions(rows[measure]) for measure in (NORM, VARIANCE))
    found_out = [
        f"At the start of the task, {_batches(found, names)}, the mean norm of the gradient is "
        f"{norm}; its variance over them is {variance}.",
        *(_even_said(row) for row in even[:1]),
    ]
    said = (by_layer.pairs_said(results, found, "gradients"), *found_out, _HOW)
    tables = (_table(rows), *([_evenness_table(even)] if even else []))
    heading = f"Gradients by layer, condition “{label(shown_condition(results))}”"
    figure = _figure(rows, heading, " ".join(found_out))
    return exhibit(results, "gradients", title, said, tables, [figure] if figure else ())


def _batches(found: Pairs, names: list[str]) -> str:
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
        means = [math.nan if a is None or not a.size else float(np.mean(a)) for a in arrays]
        smallest, largest = min(means), max(means)
        known = np.isfinite(means).all() and smallest > 0
        return {key: largest / smallest} if known else {}

    return Measure(key, measure.label, -1), numbers


def _even_said(row: Comparison) -> str:
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
    shown, numbers = [], []
    for place, name in enumerate(rows[NORM], start=1):
        texts = {("Layer", ""): name, ("No.", ""): str(place)}
        texts["Pairs", ""] = pair_count(rows[NORM][name])
        for measure, of_measure in rows.items():
            row = of_measure[name]
            cells = by_layer.layer_cells(row)
            texts |= {(measure.label, column): text for column, text in cells.items()}
            place_of = {"layer": name, "number": place}
            numbers.append(place_of | csv_row(row) | {"ratio": by_layer.ratio(row)})
        shown.append(texts)
    title = "Gradients of each layer at the start of the task, without and with warm-up"
    return table("gradients", title, shown, numbers)


def _evenness_table(even: list[Comparison]) -> Table:
    group = "Largest layer over smallest"
    shown = [
        {("Gradient", ""): row.measure.label, ("Pairs", ""): pair_count(row)}
        | {(group, name): text for name, text in by_layer.layer_cells(row).items()}
        for row in even
    ]
    numbers = [csv_row(row) | {"ratio": by_layer.ratio(row)} for row in even]
    title = "How even gradients are over layers: the largest layer's over the smallest's"
    return table("gradients-evenness", title, shown, numbers)


def _figure(
    rows: Mapping[Measure, Mapping[str, Comparison]], title: str, description: str
) -> Drawing | None:
    """A panel for each measure, by layer, on logarithmic axes; None where nothing is positive."""
    drawn = {measure: layers for measure, layers in rows.items() if _any_positive(layers)}
    if not drawn:
        return None
    height = 0.9 + 1.9 * len(drawn)
    with panels(WIDTH, height, rows=len(drawn), sharex=True) as (figure, below):
        for axes, (measure, of_measure) in zip(below, drawn.items(), strict=True):
            _draw_arms(axes, list(of_measure.values()))
            axes.set_ylabel(f"{measure.label} of the gradient")
        layer_axis(below[-1], list(next(iter(drawn.values()))))
        legend_above(below[0])
    return Drawing("gradients", title, figure, description)


def _any_positive(rows: Mapping[str, Comparison]) -> bool:
    return any((values > 0).any() for row in rows.values() for values in (row.without, row.with_))


def _draw_arms(axes: Axes, rows: list[Comparison]) -> None:
    """Both arms over the layers; a layer whose gradient is zero has no place."""
    complete = len({row.n for row in rows}) == 1
    for arm, (name, colour) in enumerate(ARMS):
        layers = [(row.without, row.with_)[arm] for row in rows]
        mean = [float(values.mean()) if len(values) else np.nan for values in layers]
        each = np.array(layers).T if complete else None
        lines(axes, each, mean, colour, name, "--" if arm == 0 else "-")
    log_axis(axes)
