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
from numpy.typing import NDArray

from analysis.exhibits.common import by_layer
from analysis.exhibits.common.by_layer import Pairs, Rows, ratio
from analysis.exhibits.common.by_method import shown_condition
from analysis.exhibits.common.cells import EXACT, csv_row, mean, pair_count, sd, spread
from analysis.exhibits.common.exhibit import Exhibit, Table, exhibit, table
from analysis.exhibits.common.panels import NETWORKS
from analysis.exhibits.common.text import label, percent, plural, significant
from analysis.exhibits.dynamics.layer_plots import BARS, PARTS, layer_figure
from analysis.results.study_results import StudyResults
from analysis.statistics.comparison import Measure

WEIGHTS = Measure("weight_std", "Weight s.d.", 0)
OUTPUTS = Measure("output_std", "Output s.d.", -1)

Values = NDArray[np.float64]

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
    found = by_layer.measured_pairs(results, "layers")
    names = by_layer.layers_of(found, "layers")
    if not names:
        return exhibit(results, "layers", title, [by_layer.nothing(results, "layers")])
    compared, path = by_layer.compare_layers, "layers/{}/moments"
    weights = compared(results, names, WEIGHTS, path, lambda m: float(m[1]))
    outputs = compared(results, names, OUTPUTS, path, lambda m: float(m[3]))
    changes = {name: _changes(found, name) for name in names}
    drawn = {part: {name: _quantiles(found, name, part) for name in names} for part in PARTS}
    found_out = (_changes_said(changes, weights), _outputs_said(outputs))
    tables = (
        _table(weights, outputs, changes),
        table("layers-quantiles", "Quantiles", (), _quantile_values(drawn)),
    )
    figure = layer_figure(
        {part: _in_units(of_part, found, part) for part, of_part in drawn.items()},
        {"weights": weights, "outputs": outputs},
        f"Weights and outputs by layer, condition “{label(shown_condition(results))}”",
        " ".join(found_out),
    )
    said = (by_layer.pairs_said(results, found, "layers"), *found_out, _HOW)
    return exhibit(results, "layers", title, said, tables, (figure,))


def _changes(found: Pairs, layer: str) -> Values:
    """(networks,): ‖W − W₀‖ / ‖W₀‖ of each that has a finite one: not where W₀ is zero."""
    every = [float(with_.probes[f"layers/{layer}/change"]) for _, with_ in found]
    return np.array([change for change in every if math.isfinite(change)], np.float64)


def _changes_said(changes: Mapping[str, Values], weights: Rows) -> str:
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


def _outputs_said(outputs: Rows) -> str:
    text = f"The s.d. of a layer's outputs is {by_layer.directions(outputs)}"
    ratios = {name: r for name, row in outputs.items() if not math.isnan(r := ratio(row))}
    if len(ratios) < 2:
        alone = [f"; with over without warm-up it is {significant(r)}" for r in ratios.values()]
        return f"{text}{''.join(alone)}."
    first, last = next(iter(ratios)), next(reversed(ratios))
    falls = sum(after < before for before, after in pairwise(ratios.values()))
    return (
        f"{text}; with over without warm-up it is {significant(ratios[first])} in the first, "
        f"layer {first}, and {significant(ratios[last])} in the last, layer {last}; it "
        f"falls in {falls} of {plural(len(ratios) - 1, 'step')} from one layer to the next."
    )


def _table(weights: Rows, outputs: Rows, changes: Mapping[str, Values]) -> Table:
    shown, numbers = [], []
    for place, (name, row) in enumerate(outputs.items(), start=1):
        change, weight = changes[name], weights[name]
        shown.append(
            {
                ("Layer", ""): name,
                ("No.", ""): str(place),
                ("Pairs", ""): pair_count(row),
                ("Weights", "change"): spread(change, percent),
                ("Weights", "s.d. without"): significant(mean(weight.without)),
                ("Weights", "s.d. with"): significant(mean(weight.with_)),
                ("Weights", "ratio"): significant(ratio(weight)),
            }
            | {("Outputs", name): text for name, text in by_layer.layer_cells(row, "s.d. ").items()}
        )
        numbers += [
            {"layer": name, "number": place}
            | csv_row(part)
            | {"ratio": ratio(part), "change_mean": mean(change), "change_sd": sd(change)}
            for part in (weight, row)
        ]
    title = "Weights and outputs of each layer, without and with warm-up, before the task"
    return table("layers", title, shown, numbers)


def _quantiles(found: Pairs, layer: str, part: str) -> Values:
    """(2, 5): without and with warm-up, the quantiles drawn, mean over networks."""
    every = [[record.probes[f"layers/{layer}/{part}"] for record in pair] for pair in found]
    means: Values = np.array(every)[..., BARS].mean(axis=0).astype(np.float64)
    return means


def _in_units(of_part: Mapping[str, Values], found: Pairs, part: str) -> dict[str, Values]:
    """The quantiles over the layer's s.d. without warm-up; NaN where that is zero."""
    place = 1 if part == "weights" else 3
    scaled = {}
    for name, quantiles in of_part.items():
        unit = mean([float(a.probes[f"layers/{name}/moments"][place]) for a, _ in found])
        scaled[name] = quantiles / (unit or math.nan)
    return scaled


def _quantile_values(drawn: Mapping[str, Mapping[str, Values]]) -> list[dict[str, object]]:
    return [
        {"layer": name, "number": place, "of": part, "arm": arm}
        | {f"q{q:02d}": float(v) for q, v in zip(BARS, row, strict=True)}
        for part, of_part in drawn.items()
        for place, (name, quantiles) in enumerate(of_part.items(), start=1)
        for arm, row in zip(("without", "with"), quantiles, strict=True)
    ]
