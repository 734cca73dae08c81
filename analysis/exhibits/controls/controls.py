"""Which part of the warm-up does it? Arms that keep one part, between the control and the whole.

After Supplementary Fig. 23 of Cheon & Paik, Nature Machine Intelligence (2026), DOI
10.1038/s42256-026-01215-x, which asks whether the effect is only one of the effective learning rate
or of the distribution of the weights. That a test finds no difference does not show that there is
none: the sentences tell the two apart, and the intervals stand beside them.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from analysis.exhibits.common import cells
from analysis.exhibits.common.exhibit import Drawing, Exhibit, Table, exhibit, table
from analysis.exhibits.common.panels import GAP, WITH, WITHOUT, draw_change, name_rows, panels
from analysis.exhibits.common.passing import ALPHA
from analysis.exhibits.common.text import label, listed, p_text, wrapped
from analysis.exhibits.controls.arms import Arm, arms_of, control_values, full_warmup
from analysis.exhibits.controls.text import Arms, Reference, said_of
from analysis.results.study_results import StudyResults
from analysis.statistics.comparison import ACCURACY, ECE, NLL, Comparison

_MEASURES = (ECE, ACCURACY, NLL)
_COMPARED = (
    *("pairs", "difference", "interval_low", "interval_high"),
    *("w", "z", "p", "p_exact", "p_holm", "r"),
)
_HOW = (
    "Mean ± s.d. over the networks that finished together with their control, and of the control "
    "over all that finished. Δ is the mean of arm − control, and of arm − full warm-up over the "
    f"seeds that finished in both, with its {cells.INTERVAL}. Share: mean of arm − control over "
    "mean of full warm-up − control, over the seeds that finished in all three, with its 95 % "
    "interval (Fieller's, Student's t for a ratio): 100 % is as much as the full warm-up, 0 % as "
    "the control, less than 0 % the other way. It is given where the full warm-up has an effect "
    f"over these seeds, exact P < {ALPHA:g} and the interval of its Δ clear of zero. In the figure "
    "a dot is Δ, its bar the interval, a thin mark one network, the dashed line the full warm-up. "
    f"Exact P: {cells.EXACT}; Holm P corrects it over the arms, for each measure and reference by "
    "itself."
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
            figures.append(_changes(grid, arms[ECE]))
    none = (
        "No grid of this study sets other arms beside one full warm-up and a control that all of "
        "them share."
    )
    said.append(_HOW if tables else none)
    return exhibit(results, "controls", title, said, tables, figures)


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
    name = "others" if len(arms) > 1 else "ece"
    title = f"{listed(measure.label for measure in arms)} by {grid}"
    return table(f"controls-{grid}-{name}", title, shown, numbers)


def _control_texts(reference: np.ndarray, planned: int) -> dict[tuple[str, str], str]:
    networks = str(reference.size) + (f" of {planned}" if reference.size < planned else "")
    return {
        ("Arm", ""): label(""),
        ("Networks", ""): networks,
        ("Mean ± s.d.", ""): cells.spread(reference),
    }


def _texts(arm: Arm) -> dict[tuple[str, str], str]:
    return {
        ("Arm", ""): label(arm.control.condition),
        ("Networks", ""): cells.pair_count(arm.control),
        ("Mean ± s.d.", ""): cells.spread(arm.control.with_),
        **_against("Arm − control", arm.control),
        ("Arm − full warm-up", "Pairs"): cells.pair_count(arm.full) if arm.full else "—",
        **_against("Arm − full warm-up", arm.full),
        ("Share of the full warm-up's effect", ""): arm.share_text,
    }


def _against(reference: str, row: Comparison | None) -> dict[tuple[str, str], str]:
    return {
        (reference, cells.DELTA): cells.difference(row) if row else "—",
        (reference, "Exact P"): p_text(row.p_exact if row else None),
        (reference, "Holm P"): p_text(row.p_holm if row else None),
    }


def _values(arm: Arm, reference: np.ndarray) -> dict[str, object]:
    """Every number of one arm, for CSV; None where there is none."""
    row, share = arm.control, arm.share
    known = {name: cells.csv_row(row)[name] for name in ("pairs", "pairs_planned", "lost")}
    numbers: dict[str, object] = {
        "arm": row.condition,
        "part": arm.part or "all",
        "metric": row.measure.key,
        **known,
        "mean": cells.mean(row.with_),
        "sd": cells.sd(row.with_),
        "control_mean": cells.mean(reference),
        "control_sd": cells.sd(reference),
    }
    for name, compared in (("control", row), ("full", arm.full)):
        found = cells.csv_row(compared) if compared else {}
        numbers |= {f"{key}_against_{name}": found.get(key) for key in _COMPARED}
    low, high = share.interval if share else (None, None)
    return numbers | {
        "share": share.value if share else None,
        "share_low": low,
        "share_high": high,
        "share_networks": share.networks if share else None,
    }


def _changes(grid: str, arms: Sequence[Arm]) -> Drawing:
    """An arm a row: mean change of ECE with its interval, every network, and the arm's share."""
    measured = [arm for arm in arms if arm.control.n]
    with panels(6.6, 1.15 + 0.36 * len(arms)) as (figure, [axes]):
        axes.axvline(0, color="#555555", linewidth=0.8)
        for place, arm in enumerate(arms):
            if arm.control.n:
                draw_change(axes, place, arm.control, GAP if arm.full else WITH)
                if arm.full is None:
                    axes.axvline(arm.control.difference, color=WITH, linestyle="--", linewidth=0.9)
        name_rows(axes, [wrapped(label(arm.control.condition), 30) for arm in arms])
        axes.set_xlabel("Δ ECE, arm − control")
        _shares(axes, arms)
        figure.legend(handles=_key(), loc="outside upper left", ncols=4)
    described = "; ".join(
        f"{label(arm.control.condition)} {cells.difference(arm.control)}, share {arm.share_text}"
        for arm in measured
    )
    return Drawing(
        f"controls-{grid}",
        f"Change of ECE against the control by {grid}: mean, 95 % interval and every network",
        figure,
        f"Change of ECE against the control, and share of the full warm-up's: {described}.",
    )


def _shares(axes: Axes, arms: Sequence[Arm]) -> None:
    """A column of texts right of the rows."""
    at = axes.get_yaxis_transform()
    axes.text(1.02, -0.5, "Share of the effect", transform=at, va="bottom", fontsize=7.5)
    for place, arm in enumerate(arms):
        text = arm.share_text if arm.control.n else "no complete pair"
        axes.text(1.02, place, text, transform=at, va="center", fontsize=7.5)


def _key() -> list[Line2D]:
    return [
        Line2D([], [], color=GAP, marker="o", label="arm"),
        Line2D([], [], color=WITH, marker="o", linestyle="--", label="full warm-up"),
        Line2D([], [], color=WITHOUT, marker="|", linestyle="", label="one network"),
        Line2D([], [], color="#555555", linewidth=0.8, label="control"),
    ]
