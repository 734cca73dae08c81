"""Is it only that training stops elsewhere? Loss against accuracy, and ECE at matched accuracy.

After Fig. 4a–c of Cheon & Paik, Nature Machine Intelligence (2026), DOI 10.1038/s42256-026-01215-x.
(a) Test loss against test accuracy over both phases. (b) ECE of each network at that epoch of the
task whose test accuracy is nearest to a target; the starting point, which is the last measurement
before the first task epoch, counts as epoch 0. (c) ECE at the last epoch. The target is the
paper's .25 where it is above chance and every network of the complete pairs reaches it; else it is
half-way between chance and the lowest final accuracy. Shown is the first condition of the first
grid.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from analysis.exhibits.common.box_plots import box_plots
from analysis.exhibits.common.by_method import shown_condition, shown_pairs
from analysis.exhibits.common.cells import BOTH, INTERVAL, comparison_row, csv_row
from analysis.exhibits.common.exhibit import Drawing, Exhibit, Table, exhibit, table
from analysis.exhibits.common.panels import ARMS, NETWORKS, one_by_one, panels
from analysis.exhibits.common.text import label, number, plural
from analysis.results.records import Record
from analysis.results.study_results import StudyResults, TrialResult
from analysis.statistics.comparison import Comparison, Measure, compare, corrected_by

Pairs = Sequence[tuple[Record, Record]]  # (without, with)

PAPER_TARGET = 0.25

MATCHED = Measure("ece_matched", "ECE", -1)
LAST = Measure("ece_last", "ECE", -1)

_ECE_TITLE = "ECE at matched accuracy and at the last epoch, condition “{}”"
_MARK: Mapping[str, Any] = {
    "marker": "o", "linestyle": "none", "markersize": 6,
    "markeredgecolor": "black", "markeredgewidth": 0.8,
}  # fmt: skip


@dataclass(frozen=True)
class Target:
    """A test accuracy at which networks are compared, and why it is that one."""

    accuracy: float
    why: str


def trajectories(results: StudyResults) -> Exhibit:
    """The paths, the pairs at matched accuracy and at the last epoch, and a table of these."""
    title = "Matched accuracy and matched epoch"
    condition = shown_condition(results)
    found = shown_pairs(results)
    if not found:
        none = f"No pair of condition “{label(condition)}” is complete."
        return exhibit(results, "trajectories", title, [none])
    both = [pair for _, pair in found]
    target = matched_target(both)
    networks = pd.DataFrame(
        [
            {"replicate": replicate, "arm": arm, "target": target.accuracy}
            | matched(record, target.accuracy)
            for replicate, pair in found
            for (arm, _), record in zip(ARMS, pair, strict=True)
        ]
    )
    rows = _compared(results, condition, target)
    said = (_paths_said(condition, len(both)), _matched_said(target, networks), _ece_said(rows))
    tables = (_table(condition, rows), table("trajectories-networks", "Networks", (), networks))
    figures = (_paths(both, condition, target), _boxes(rows, condition))
    return exhibit(results, "trajectories", title, said, tables, figures)


def task_rows(record: Record) -> pd.DataFrame:
    """The history from the starting point on: the row before the first task epoch, and the task."""
    return record.history.iloc[_start(record.history) :]


def _start(history: pd.DataFrame) -> int:
    """The row at which the task starts: the untrained network's, or the last warm-up epoch's."""
    task = (history["phase"] == "task").to_numpy()
    first = int(task.argmax()) if task.any() else len(task)
    return max(0, first - 1)


def matched_target(both: Pairs) -> Target:
    """The paper's, where it is above chance and all networks reach it; else one they all reach."""
    lives = [task_rows(record)["test_accuracy"] for pair in both for record in pair]
    chance = 1 / both[0][0].logits["test"].shape[1]
    reached = sum(float(life.max()) >= PAPER_TARGET for life in lives)
    if chance < PAPER_TARGET and reached == len(lives):
        return Target(PAPER_TARGET, "the paper's")
    lowest = min(float(life.iloc[-1]) for life in lives)
    reason = (
        f"the paper's {number(PAPER_TARGET, 2)} is reached by {reached} of {len(lives)} networks"
        if chance < PAPER_TARGET
        else f"the paper's {number(PAPER_TARGET, 2)} is not above chance"
    )
    half = f"half-way between chance, {number(chance)}, and the lowest final one, {number(lowest)}"
    return Target((chance + lowest) / 2, f"{half}, since {reason}")


def matched(record: Record, accuracy: float) -> dict[str, float]:
    """A network at the epoch nearest to an accuracy, the earliest of equals, and at the last."""
    rows = task_rows(record)
    epoch = int((rows["test_accuracy"] - accuracy).abs().argmin())
    near, last = rows.iloc[epoch], rows.iloc[-1]
    return {
        "epoch_matched": epoch,  # of the task; 0: its starting point
        "accuracy_matched": float(near["test_accuracy"]),
        MATCHED.key: float(near["test_ece"]),
        "epoch_last": len(rows) - 1,
        "accuracy_last": float(last["test_accuracy"]),
        LAST.key: float(last["test_ece"]),
    }


def _compared(results: StudyResults, condition: str, target: Target) -> dict[str, Comparison]:

    def numbers(trial: TrialResult) -> Mapping[str, float]:
        return matched(trial.record, target.accuracy) if trial.record else {}

    named = {f"accuracy {number(target.accuracy)}": MATCHED, "the last epoch": LAST}
    return corrected_by(
        {name: compare(results, condition, m, numbers) for name, m in named.items()}
    )


def _table(condition: str, rows: Mapping[str, Comparison]) -> Table:
    shown = [{"ECE at": name} | comparison_row(row) for name, row in rows.items()]
    numbers = [{"at": name} | csv_row(row) for name, row in rows.items()]
    return table("trajectories-ece", _ECE_TITLE.format(label(condition)), shown, numbers)


def _paths_said(condition: str, networks: int) -> str:
    return (
        f"Condition “{label(condition)}”, {plural(networks, 'complete pair')}. Paths: test loss "
        "against test accuracy after every epoch, thick: mean over the networks, thin: "
        f"{one_by_one(networks)}; dashed: warm-up; dotted: the accuracy at which ECE is matched."
    )


def _matched_said(target: Target, networks: pd.DataFrame) -> str:
    distance = (networks["accuracy_matched"] - target.accuracy).abs()
    usual, worst = number(float(distance.mean())), number(float(distance.max()))
    by_arm = networks.groupby("arm")["accuracy_matched"].mean()
    means = " and ".join(f"{number(float(by_arm[arm]))} {arm}" for arm, _ in ARMS)
    return (
        "ECE is matched at that epoch of the task, its starting point included, whose test "
        f"accuracy is nearest to {number(target.accuracy)}, {target.why}. The epochs found are "
        f"{usual} away from it on average, {worst} at most; their mean accuracy is {means}."
    )


def _ece_said(rows: Mapping[str, Comparison]) -> str:
    lower = " and ".join(f"in {row.moved} of {row.n} at {name}" for name, row in rows.items())
    return (
        f"Of the pairs, ECE is lower with warm-up {lower}. "
        f"In the table mean ± s.d.; Δ is the mean of with − without, with its {INTERVAL}; “As the "
        "paper” counts the pairs whose ECE fell; W, P, exact P and r = |Z|/√pairs: "
        f"{BOTH} over the two; over the boxes ★ is P < 0.001 and NS P > 0.05, uncorrected."
    )


def _paths(both: Pairs, condition: str, target: Target) -> Drawing:
    """Fig. 4a: thin paths of networks, thick means, the mean's ends marked."""
    with panels(5.4, 3.3) as (figure, [axes]):
        axes.axvline(target.accuracy, color="#888888", linestyle=":", linewidth=0.8)
        for arm, (_, colour) in enumerate(ARMS):
            for pair in both[:NETWORKS]:
                _path(axes, pair[arm].history, color=colour, linewidth=0.5, alpha=0.55)
        means = [mean_history([pair[arm].history for pair in both]) for arm in range(len(ARMS))]
        for mean, (_, colour) in zip(means, ARMS, strict=True):
            _path(axes, mean, color=colour, linewidth=2.2)
            for end, inside in ((mean.iloc[0], "white"), (mean.iloc[-1], colour)):
                at = end["test_accuracy"], end["test_loss"]
                axes.plot(*at, markerfacecolor=inside, zorder=5, **_MARK)
        axes.set(xlabel="Test accuracy", ylabel="Test loss")
        figure.legend(handles=_key(), loc="outside right center")
    title = f"Test loss against test accuracy, condition “{label(condition)}”"
    ends = "; ".join(
        f"{arm} from {_point(mean.iloc[0])} to {_point(mean.iloc[-1])}"
        for mean, (arm, _) in zip(means, ARMS, strict=True)
    )
    return Drawing("trajectories-paths", title, figure, f"Mean paths: {ends}.")


def _point(row: pd.Series) -> str:
    return f"accuracy {number(row['test_accuracy'])}, loss {number(row['test_loss'])}"


def mean_history(histories: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Phase, mean test accuracy and mean test loss, epoch by epoch, in order."""
    by_epoch = pd.concat(histories).groupby(["phase", "epoch"], sort=False)
    return by_epoch[["test_accuracy", "test_loss"]].mean().reset_index()


def _path(axes: Axes, history: pd.DataFrame, **style: Any) -> None:
    """Dashed to the start of the task, where there is anything before it, and solid from there."""
    start = _start(history)
    x, y = history["test_accuracy"].to_numpy(), history["test_loss"].to_numpy()
    if start:
        axes.plot(x[: start + 1], y[: start + 1], "--", **style)
    axes.plot(x[start:], y[start:], "-", **style)


def _key() -> list[Line2D]:
    return [
        *(Line2D([], [], color=colour, linewidth=2.2, label=arm) for arm, colour in ARMS),
        Line2D([], [], color="black", linewidth=1, label="task"),
        Line2D([], [], color="black", linewidth=1, linestyle="--", label="warm-up"),
        Line2D([], [], markerfacecolor="white", label="start", **_MARK),
        Line2D([], [], markerfacecolor="black", label="last epoch", **_MARK),
        Line2D([], [], color="#888888", linewidth=0.8, linestyle=":", label="matched accuracy"),
    ]


def _boxes(rows: Mapping[str, Comparison], condition: str) -> Drawing:
    """Fig. 4b,c: every pair's ECE at matched accuracy, and at the last epoch."""
    named = [replace(row, condition=f"at {name}") for name, row in rows.items()]
    drawing = box_plots("matching", named)
    for tick in drawing.figure.axes[0].get_xticklabels():  # two short names need no slant
        tick.set(rotation=0, ha="center")
    title = f"{_ECE_TITLE.format(label(condition))}; a line joins each pair"
    return replace(drawing, name="trajectories-ece", title=title)
