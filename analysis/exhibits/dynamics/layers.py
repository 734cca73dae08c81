"""What does warm-up change inside a network? Weights and outputs of every layer, before any task.

After Supplementary Fig. 13 of Cheon & Paik, Nature Machine Intelligence (2026), DOI
10.1038/s42256-026-01215-x, which finds that weights barely change while activations shrink layer by
layer. Both members of a pair start from the same weights, so that the control at the start of the
task is its partner before the warm-up. Shown is the first condition of the first grid.
"""

import math
from collections.abc import Mapping
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray

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
from analysis.exhibits.common.cells import EXACT, csv_row, mean, pair_count, sd
from analysis.exhibits.common.exhibit import Exhibit, Table, made_of
from analysis.exhibits.common.text import label, percent, plural, significant
from analysis.exhibits.dynamics.layer_plots import BARS, NETWORKS, PARTS, layer_figure
from analysis.results.study_results import StudyResults
from analysis.statistics.comparison import Measure

WEIGHTS = Measure("weight_std", "Weight s.d.", 0)
OUTPUTS = Measure("output_std", "Output s.d.", -1)

_HOW = (
    "Upper panels: a layer's weights, and its outputs before activation in eval mode, of up to "
    "1,000 test examples: median, quartiles (thick or dark) and 5 % to 95 % (thin or light; over "
    "bands, dashed: those without warm-up), each the mean over networks, in units of the same "
    "layer's s.d. in the network without warm-up. Lowest panel: s.d. with over without warm-up; "
    "thin: pairs, {most} at most; thick: their geometric mean, as are the ratios in the table. "
    "Change of weights: the norm of their difference from the untrained ones over the norm of "
    "those. Mean ± s.d. over the pairs; “fell” counts the pairs whose outputs' s.d. is lower with "
    f"warm-up; exact P: {EXACT}, of the outputs' s.d.; Holm P corrects it over the layers; "
    "r = |Z|/√pairs."
).format(most=NETWORKS)


def layers(results: StudyResults) -> Exhibit:
    """Distributions and spreads by layer, without and with warm-up, at the start of the task."""
    title = "Weights and outputs by layer"
    found = measured_pairs(results, "layers")
    names = layers_of(found, "layers")
    if not names:
        return Exhibit("layers", title, f"{nothing(results, 'layers')} {made_of(results)}")
    weights = compare_layers(results, names, WEIGHTS, "layers/{}/moments", lambda m: float(m[1]))
    outputs = compare_layers(results, names, OUTPUTS, "layers/{}/moments", lambda m: float(m[3]))
    changes = {name: _changes(found, name) for name in names}
    drawn = {part: {name: _quantiles(found, name, part) for name in names} for part in PARTS}
    said = (
        f"Condition “{label(shown_condition(results))}”, {plural(len(found), 'pair')}.",
        *some_lack(results, found, "layers"),
        _changes_said(changes, weights),
        *_outputs_said(outputs),
    )
    tables = (
        _table(weights, outputs, changes),
        Table("layers-quantiles", "Quantiles", pd.DataFrame(), _quantile_values(drawn)),
    )
    figure = layer_figure(
        {part: _in_units(by_layer, found, part) for part, by_layer in drawn.items()},
        {"weights": weights, "outputs": outputs},
        f"Weights and outputs by layer, condition “{label(shown_condition(results))}”",
        " ".join(said[-2:]),
    )
    caption = " ".join((*said, _HOW, made_of(results)))
    return Exhibit("layers", title, caption, tables, (figure,))


def _changes(found: Pairs, layer: str) -> NDArray[np.float64]:
    """(networks,): ‖W − W₀‖ / ‖W₀‖ of each that has a finite one: not where W₀ is zero."""
    every = [float(with_.probes[f"layers/{layer}/change"]) for _, with_ in found]
    return np.array([change for change in every if math.isfinite(change)], np.float64)


def _changes_said(changes: Mapping[str, NDArray[np.float64]], weights: Rows) -> str:
    """How far weights have moved, and what became of their spread."""
    moved = {name: mean(change) for name, change in changes.items() if change.size}
    if not moved:
        return "By how much warm-up has changed the weights cannot be said."
    least, most = min(moved, key=moved.__getitem__), max(moved, key=moved.__getitem__)
    text = f"Warm-up has changed the weights by {percent(float(np.median([*moved.values()])))}"
    text += " of their norm"
    if len(moved) > 1:
        text += (
            f" in the median layer ({percent(moved[least])} in layer {least} "
            f"to {percent(moved[most])} in layer {most})"
        )
    ratios = [r for row in weights.values() if not math.isnan(r := ratio(row))]
    if not ratios:
        return f"{text}."
    low, high = significant(min(ratios)), significant(max(ratios))
    return f"{text} and their s.d. by a factor of {low if low == high else f'{low} to {high}'}."


def _outputs_said(outputs: Rows) -> list[str]:
    """In which layers outputs shrink, and whether more so from layer to layer."""
    text = f"The s.d. of a layer's outputs is {directions(outputs)}"
    ratios = {name: r for name, row in outputs.items() if not math.isnan(r := ratio(row))}
    if len(ratios) < 2:
        alone = [f"; with over without warm-up it is {significant(r)}" for r in ratios.values()]
        return [f"{text}{''.join(alone)}."]
    first, last = next(iter(ratios)), next(reversed(ratios))
    falls = sum(after < before for before, after in pairwise(ratios.values()))
    return [
        f"{text}; with over without warm-up it is {significant(ratios[first])} in the first, "
        f"layer {first}, and {significant(ratios[last])} in the last, layer {last}; it "
        f"falls in {falls} of {plural(len(ratios) - 1, 'step')} from one layer to the next."
    ]


def _table(weights: Rows, outputs: Rows, changes: Mapping[str, NDArray[np.float64]]) -> Table:
    """A row for each layer."""
    shown, numbers = [], []
    for place, (name, row) in enumerate(outputs.items(), start=1):
        change, weight = changes[name], weights[name]
        moved = percent(mean(change)) + (f" ± {percent(sd(change))}" if len(change) > 1 else "")
        shown.append(
            {
                ("Layer", ""): name,
                ("No.", ""): str(place),
                ("Pairs", ""): pair_count(row),
                ("Weights", "change"): moved,
                ("Weights", "s.d. without"): significant(mean(weight.without)),
                ("Weights", "s.d. with"): significant(mean(weight.with_)),
                ("Weights", "ratio"): significant(ratio(weight)),
            }
            | {("Outputs", name): text for name, text in layer_cells(row, "s.d. ").items()}
        )
        for part in (weight, row):
            numbers.append(
                {"layer": name, "number": place}
                | csv_row(part)
                | {"ratio": ratio(part), "change_mean": mean(change), "change_sd": sd(change)}
            )
    title = "Weights and outputs of each layer, without and with warm-up, before the task"
    return Table("layers", title, grouped(shown), pd.DataFrame(numbers))


# --- quantiles ---------------------------------------------------------------------------------


def _quantiles(found: Pairs, layer: str, part: str) -> NDArray[np.float64]:
    """(2, 5): without and with warm-up, the quantiles drawn, mean over networks."""
    return np.array(
        [
            np.mean([pair[arm].probes[f"layers/{layer}/{part}"][list(BARS)] for pair in found], 0)
            for arm in range(2)
        ],
        np.float64,
    )


def _in_units(
    by_layer: Mapping[str, NDArray[np.float64]], found: Pairs, part: str
) -> dict[str, NDArray[np.float64]]:
    """The quantiles over the layer's s.d. without warm-up; NaN where that is zero."""
    place = 1 if part == "weights" else 3
    scaled = {}
    for name, quantiles in by_layer.items():
        unit = mean([float(a.probes[f"layers/{name}/moments"][place]) for a, _ in found])
        scaled[name] = quantiles / (unit or math.nan)
    return scaled


def _quantile_values(
    drawn: Mapping[str, Mapping[str, NDArray[np.float64]]],
) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"layer": name, "number": place, "of": part, "arm": arm}
            | {f"q{q:02d}": float(v) for q, v in zip(BARS, row, strict=True)}
            for part, by_layer in drawn.items()
            for place, (name, quantiles) in enumerate(by_layer.items(), start=1)
            for arm, row in zip(("without", "with"), quantiles, strict=True)
        ]
    )
