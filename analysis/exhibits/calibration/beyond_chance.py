"""How much of an ECE is chance: beside each, what a perfectly calibrated network would show.

The ECE of finitely many examples is never 0 (`analysis.metrics.chance`), so a table of ECE alone
reads as if every network were miscalibrated. Here stand, for each condition, the ECE and chance's
share of it, how many networks are beyond chance and how many Kuiper's test would not call
calibrated (Arrieta-Ibarra et al., JMLR 2022), and whether two other errors agree on the sign: the
debiased squared error (Kumar et al., NeurIPS 2019) and the smooth ECE (Błasiok & Nakkiran, ICLR
2024).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from analysis.exhibits.common.cells import Text, csv_row, difference, mean, pair_count, spread
from analysis.exhibits.common.exhibit import Table, table
from analysis.exhibits.common.passing import ALPHA
from analysis.exhibits.common.text import label, number, plural
from analysis.results.study_results import Pair, StudyResults, TrialResult, pairs
from analysis.statistics.comparison import ECE, Comparison, Measure, compare_grid

CHANCE = Measure("test_ece_chance", "ECE by chance", 0)
SMOOTH = Measure("test_ece_smooth", "Smooth ECE", -1)
DEBIASED = Measure("test_squared_debiased", "Debiased squared error", -1)
OTHERS = (SMOOTH, DEBIASED)

_TEXTS: Mapping[Measure, Text] = {SMOOTH: number, DEBIASED: partial(number, digits=5)}

Values = NDArray[np.float64]  # (pairs,)

HOW = (
    "“By chance” is the ECE that a perfectly calibrated network with the same confidences would "
    "show; “beyond” counts the networks whose ECE is above chance's 95th percentile, and “Kuiper” "
    "those of which Kuiper's test of calibration has P < .05, uncorrected."
)


@dataclass(frozen=True, eq=False)
class _Row:
    """A condition's comparisons, and its complete pairs."""

    ece: Comparison
    chance: Comparison
    others: tuple[Comparison, ...]
    pairs: Sequence[Pair]

    def counts(self, arm: int) -> tuple[int, int]:
        """Networks without (0) or with (1) warm-up whose ECE is beyond chance's, and those that
        Kuiper's test would not call calibrated."""
        numbers = [pair[arm].numbers for pair in self.pairs]
        rejected = sum(found.get("test_kuiper_p", 1.0) < ALPHA for found in numbers)
        return len(_beyond(pair[arm] for pair in self.pairs)), rejected


def chance_table(results: StudyResults, grid: str) -> list[Table]:
    """A row for each condition; no table where chance cannot be told, as of pixels and tokens."""
    rows = _rows(results, grid)
    if not rows:
        return []
    shown, numbers = [], []
    for row in rows:
        cells = {"Condition": label(row.ece.condition), "Pairs": pair_count(row.ece)}
        for arm, (name, ece, chance) in enumerate(_arms(row)):
            cells |= {
                f"ECE {name}": spread(ece),
                f"by chance, {name}": number(mean(chance)),
                f"beyond, {name}": f"{row.counts(arm)[0]}/{row.ece.n}" if row.ece.n else "—",
                f"Kuiper, {name}": f"{row.counts(arm)[1]}/{row.ece.n}" if row.ece.n else "—",
            }
        changes = {f"Δ {r.measure.label}": difference(r, _TEXTS[r.measure]) for r in row.others}
        shown.append(cells | changes)
        counts = {
            f"{what}_{arm}": count
            for arm, found in zip(("without", "with"), map(row.counts, (0, 1)), strict=True)
            for what, count in zip(("beyond", "kuiper"), found, strict=True)
        }
        numbers += [
            {"grid": grid} | csv_row(one) | counts for one in (row.ece, row.chance, *row.others)
        ]
    return [table(f"pairs-{grid}-chance", f"ECE beyond chance by {grid}", shown, numbers)]


def chance_sentences(results: StudyResults, grid: str) -> str:
    """How much of the grid's ECE is chance, and whether the other errors agree with its sign."""
    rows = [row for row in _rows(results, grid) if row.ece.n]
    if not rows:
        return ""
    parts = []
    for arm, (name, _, _) in enumerate(_arms(rows[0])):
        networks = {pair[arm].trial_id: pair[arm] for row in rows for pair in row.pairs}.values()
        means = [[mean(values) for values in _arms(row)[arm][1:]] for row in rows]
        ece, chance = (_range(found) for found in zip(*means, strict=True))
        parts.append(
            f"{ece} {name} warm-up, {chance} is what chance alone gives, and "
            f"{len(_beyond(networks))} of {plural(len(networks), 'network')} lie beyond its 95th "
            "percentile"
        )
    agreeing = (_agreement([row.others[place] for row in rows], rows) for place in (0, 1))
    return f"Of an ECE of {'; of '.join(parts)}. {' '.join(agreeing)}"


def _arms(row: _Row) -> list[tuple[str, Values, Values]]:
    """Of each arm its name, the networks' ECE and what chance gives them."""
    ece, chance = row.ece, row.chance
    return [("without", ece.without, chance.without), ("with", ece.with_, chance.with_)]


def _agreement(others: Sequence[Comparison], rows: Sequence[_Row]) -> str:
    same = sum(
        one.difference * row.ece.difference > 0 for one, row in zip(others, rows, strict=True)
    )
    name = others[0].measure.label.replace("Smooth", "smooth").replace("Debiased", "debiased")
    if len(rows) == 1:
        return f"The {name} {'agrees' if same else 'does not agree'} on the sign."
    return f"The {name} agrees on the sign in {same} of {len(rows)}."


def _rows(results: StudyResults, grid: str) -> list[_Row]:
    ece, chance, *others = (compare_grid(results, grid, m) for m in (ECE, CHANCE, *OTHERS))
    if not any(row.n for row in chance):
        return []
    return [
        _Row(row, by_chance, tuple(rest), pairs(results, row.condition))
        for row, by_chance, *rest in zip(ece, chance, *others, strict=True)
        if by_chance.n == row.n  # else of pixels or tokens
    ]


def _beyond(trials: Iterable[TrialResult]) -> list[TrialResult]:
    return [t for t in trials if t.numbers[ECE.key] > t.numbers["test_ece_chance_95"]]


def _range(means: Sequence[float]) -> str:
    low, high = min(means), max(means)
    return number(low) if number(low) == number(high) else f"{number(low)} to {number(high)}"
