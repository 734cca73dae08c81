"""Which part of the warm-up does it? Arms that keep one part, between the control and the whole.

After Supplementary Fig. 23 of Cheon & Paik, Nature Machine Intelligence (2026), DOI
10.1038/s42256-026-01215-x, which asks whether the effect is only one of the effective learning rate
or of the distribution of the weights. That a test finds no difference does not show that there is
none: the sentences tell the two apart, and the intervals stand beside them.
"""

import numpy as np
import pandas as pd

from analysis.exhibits.common.cells import (
    EXACT,
    INTERVAL,
    csv_row,
    difference,
    mean,
    pair_count,
    sd,
    spread,
)
from analysis.exhibits.common.exhibit import Drawing, Exhibit, Table, made_of
from analysis.exhibits.common.passing import ALPHA
from analysis.exhibits.common.text import label, listed, p_text
from analysis.exhibits.controls.arms import Arm, arms_of, control_values, full_warmup
from analysis.exhibits.controls.plots import changes
from analysis.exhibits.controls.text import Arms, Reference, said_of
from analysis.results.study_results import StudyResults
from analysis.statistics.comparison import ACCURACY, ECE, NLL, Comparison

_MEASURES = (ECE, ACCURACY, NLL)
_COMPARED = (
    "pairs",
    "difference",
    "interval_low",
    "interval_high",
    "w",
    "z",
    "p",
    "p_exact",
    "p_holm",
    "r",
)
_HOW = (
    "Mean ± s.d. over the networks that finished together with their control, and of the control "
    "over all that finished. Δ is the mean of arm − control, and of arm − full warm-up over the "
    f"seeds that finished in both, with its {INTERVAL}. Share: mean of arm − control over mean of "
    "full warm-up − control, over the seeds that finished in all three, with its 95 % interval "
    "(Fieller's, Student's t for a ratio): 100 % is as much as the full warm-up, 0 % as the "
    "control, less than 0 % the other way. It is given where the full warm-up has an effect over "
    f"these seeds, exact P < {ALPHA:g} and the interval of its Δ clear of zero. In the figure a "
    "dot is Δ, its bar the interval, a thin mark one network, the dashed line the full warm-up. "
    f"Exact P: {EXACT}; Holm P corrects it over the arms, for each measure and reference by itself."
)


def controls(results: StudyResults) -> Exhibit:
    """For each grid of arms their ECE, accuracy and NLL against both references, and a figure."""
    title = "Arms that keep one part of the warm-up"
    said: list[str] = []
    tables: list[Table] = []
    figures: list[Drawing] = []
    found = {grid: full_warmup(results, grid) for grid in results.plan.grids}
    of_arms = {grid: full for grid, full in found.items() if full is not None}
    for grid, full in of_arms.items():
        arms = {measure: arms_of(results, grid, full, measure) for measure in _MEASURES}
        reference = {m: np.array([*control_values(results, full, m).values()]) for m in _MEASURES}
        said += [f"Grid “{grid}”."] if len(of_arms) > 1 else []
        said += said_of(arms, reference)
        for measures in ((ECE,), (ACCURACY, NLL)):
            tables.append(_table(grid, {m: arms[m] for m in measures}, reference))
        if any(arm.control.n for arm in arms[ECE]):
            figures.append(changes(grid, arms[ECE]))
    if not tables:
        said = [
            "No grid of this study sets other arms beside one full warm-up and a control that all "
            "of them share."
        ]
    caption = " ".join((*said, *([_HOW] if tables else []), made_of(results)))
    return Exhibit("controls", title, caption, tuple(tables), tuple(figures))


def _table(grid: str, arms: Arms, reference: Reference) -> Table:
    """A block for each measure: the control, and a row for each arm."""
    shown: list[dict[tuple[str, str], str]] = []
    numbers: list[dict[str, object]] = []
    for measure, rows in arms.items():
        planned = rows[0].control.planned
        block = [_control_texts(reference[measure], planned), *map(_texts, rows)]
        for place, texts in enumerate(block):
            named = {("Measure", ""): "" if place else measure.label} if len(arms) > 1 else {}
            shown.append(named | texts)
        numbers += [{"grid": grid} | _values(arm, reference[measure]) for arm in rows]
    frame = pd.DataFrame([[row.get(column, "—") for column in shown[1]] for row in shown])
    frame.columns = pd.MultiIndex.from_tuples(list(shown[1]))
    name = "others" if len(arms) > 1 else "ece"
    title = f"{listed(measure.label for measure in arms)} by {grid}"
    return Table(f"controls-{grid}-{name}", title, frame, pd.DataFrame(numbers))


def _control_texts(reference: np.ndarray, planned: int) -> dict[tuple[str, str], str]:
    """The control's row, which has nothing to be compared with."""
    networks = str(reference.size) + (f" of {planned}" if reference.size < planned else "")
    return {
        ("Arm", ""): label(""),
        ("Networks", ""): networks,
        ("Mean ± s.d.", ""): spread(reference),
    }


def _texts(arm: Arm) -> dict[tuple[str, str], str]:
    return {
        ("Arm", ""): label(arm.control.condition),
        ("Networks", ""): pair_count(arm.control),
        ("Mean ± s.d.", ""): spread(arm.control.with_),
        **_against("Arm − control", arm.control),
        ("Arm − full warm-up", "Pairs"): pair_count(arm.full) if arm.full else "—",
        **_against("Arm − full warm-up", arm.full),
        ("Share of the full warm-up's effect", ""): arm.share_text,
    }


def _against(reference: str, row: Comparison | None) -> dict[tuple[str, str], str]:
    texts = ("—", "—", "—")
    if row:
        texts = (difference(row), p_text(row.p_exact), p_text(row.p_holm))
    names = ("Δ [95 % interval]", "Exact P", "Holm P")
    return {(reference, name): text for name, text in zip(names, texts, strict=True)}


def _values(arm: Arm, reference: np.ndarray) -> dict[str, object]:
    """Every number of one arm, for CSV; None where there is none."""
    row, share = arm.control, arm.share
    known = {name: csv_row(row)[name] for name in ("pairs", "pairs_planned", "lost")}
    numbers: dict[str, object] = {
        "arm": row.condition,
        "part": arm.part or "all",
        "metric": row.measure.key,
        **known,
        "mean": mean(row.with_),
        "sd": sd(row.with_),
        "control_mean": mean(reference),
        "control_sd": sd(reference),
    }
    for name, compared in (("control", row), ("full", arm.full)):
        found = csv_row(compared) if compared else {}
        numbers |= {f"{key}_against_{name}": found.get(key) for key in _COMPARED}
    low, high = share.interval if share else (None, None)
    return numbers | {
        "share": share.value if share else None,
        "share_low": low,
        "share_high": high,
        "share_networks": share.networks if share else None,
    }
