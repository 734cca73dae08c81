"""A probe's numbers layer by layer, `<probe>/<layer>/<array>` in a record: compared, and in words.

Compared are the complete pairs of the shown condition, which is the first of the first grid, whose
members both have the probe. Holm's correction runs over the layers.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.exhibits.common.by_method import shown_condition, shown_pairs
from analysis.exhibits.common.cells import effect, lower, spread
from analysis.exhibits.common.passing import ALPHA, none_can_pass, passed
from analysis.exhibits.common.text import label, p_text, plural, significant
from analysis.results.records import Record
from analysis.results.study_results import StudyResults, TrialResult, pairs
from analysis.statistics.comparison import Comparison, Measure, compare, corrected_by

Rows = Mapping[str, Comparison]  # by layer, in the network's order
Pairs = Sequence[tuple[Record, Record]]  # (without, with)


def measured_pairs(results: StudyResults, probe: str) -> Pairs:
    """The shown condition's complete pairs whose members both have the probe."""
    both = [pair for _, pair in shown_pairs(results)]
    return [pair for pair in both if all(layers_of([(r, r)], probe) for r in pair)]


def layers_of(found: Pairs, probe: str) -> list[str]:
    """The probe's layers in the network's order, which is the record's: those that all have."""
    names = [
        {
            key.removeprefix(f"{probe}/").rsplit("/", 1)[0]: 0
            for key in record.probes
            if key.startswith(f"{probe}/")
        }
        for pair in found
        for record in pair
    ]
    return [name for name in names[0] if all(name in of for of in names)] if names else []


def nothing(results: StudyResults, probe: str) -> str:
    """Why there is nothing to show."""
    condition = shown_condition(results)
    which = f"of condition “{label(condition)}”"
    if not pairs(results, condition):
        return f"No pair {which} is complete."
    return f"No complete pair {which} has been measured by the probe {probe}."


def pairs_said(results: StudyResults, found: Pairs, probe: str) -> str:
    """Which condition is shown, over how many pairs, and how many have not been measured."""
    condition = shown_condition(results)
    said = f"Condition “{label(condition)}”, {plural(len(found), 'pair')}."
    lacking = len(pairs(results, condition)) - len(found)
    if not lacking:
        return said
    more = f"{plural(lacking, 'more complete pair')} {'has' if lacking == 1 else 'have'}"
    return f"{said} {more} not been measured by the probe {probe}."


def compare_layers(
    results: StudyResults,
    layers: Sequence[str],
    measure: Measure,
    path: str,
    reduce: Callable[[NDArray[Any]], float],
) -> dict[str, Comparison]:
    """A measure layer by layer in the shown condition, with Holm's correction over the layers.

    Args:
        path: of the array in a record's probes, `{}` for the layer.
        reduce: the array's number; what is not finite is not compared.
    """

    def comparison(layer: str) -> Comparison:
        def numbers(trial: TrialResult) -> Mapping[str, float]:
            array = trial.record.probes.get(path.format(layer)) if trial.record else None
            value = math.nan if array is None or not array.size else reduce(array)
            return {measure.key: value} if math.isfinite(value) else {}

        return compare(results, shown_condition(results), measure, numbers)

    return corrected_by({layer: comparison(layer) for layer in layers})


def ratio(row: Comparison) -> float:
    """With over without warm-up, geometric mean over the pairs; NaN where one is not positive."""
    both = np.array([row.without, row.with_])
    if not row.n or (both <= 0).any():
        return math.nan
    return float(np.exp(np.diff(np.log(both), axis=0).mean()))


def directions(rows: Rows) -> str:
    """In how many layers a mean is lower with warm-up and in how many higher, and how surely.

    Such as: “lower with warm-up in 5 of 6 layers (Holm P < 0.05 in 4) and higher in 1 (in 0)”.
    """
    compared = [row for row in rows.values() if row.n]
    if not compared:
        return "measured in no layer"
    fell, rose = ([row for row in compared if sign * row.difference > 0] for sign in (-1, 1))
    text = f"lower with warm-up in {len(fell)} of {plural(len(compared), 'layer')}"
    text += f" (Holm P < {ALPHA:g} in {len(passed(fell))})"
    if rose:
        text += f" and higher in {len(rose)} (in {len(passed(rose))})"
    hopeless = none_can_pass(compared)
    return f"{text}, where {hopeless} none can pass" if hopeless else text


def layer_cells(row: Comparison, what: str = "") -> dict[str, str]:
    """Without, with, their ratio and test, as texts."""
    two_figures = partial(significant, figures=2)
    return {
        f"{what}without": spread(row.without, significant, two_figures),
        f"{what}with": spread(row.with_, significant, two_figures),
        "ratio": significant(ratio(row)),
        "fell": lower(row),
        "Exact P": p_text(row.p_exact),
        "Holm P": p_text(row.p_holm),
        "r": effect(row),
    }
