"""What happens along the way? Test loss, accuracy and ECE over both phases, mean ± s.d.

After Fig. 2d of Cheon & Paik, Nature Machine Intelligence (2026), DOI 10.1038/s42256-026-01215-x.
Steps are counted from the start of training on the task, so that warm-up lies left of zero and the
arms are compared at equal task training. Shown is the first condition of the first grid.
"""

import pandas as pd

from analysis.exhibits.common.by_method import shown_condition
from analysis.exhibits.common.exhibit import Drawing, Exhibit, exhibit, table
from analysis.exhibits.common.panels import WITH, WITHOUT, band, legend_above, panels
from analysis.exhibits.common.text import label
from analysis.results.records import Record
from analysis.results.study_results import StudyResults, TrialResult, pairs

METRICS = {"test_loss": "Test loss", "test_accuracy": "Test accuracy", "test_ece": "Test ECE"}


def curves(results: StudyResults) -> Exhibit:
    """One figure, and its means and standard deviations in a table for CSV."""
    condition = shown_condition(results)
    complete = pairs(results, condition)
    arms = {
        "without warm-up": _means([without for without, _ in complete]),
        f"with warm-up, {label(condition)}": _means([with_ for _, with_ in complete]),
    }
    values = pd.concat(
        [frame.assign(arm=name) for name, frame in arms.items() if not frame.empty] or [_means([])],
        ignore_index=True,
    )
    how = (
        f"Mean ± s.d. over {len(complete)} networks an arm, without warm-up and with warm-up on "
        f"“{label(condition)}”, by optimizer steps from the start of training on the task; "
        "the shaded part is warm-up. No test is made here."
    )
    figures = (_figure(arms),) if complete and not values.empty else ()
    tables = (table("curves", "Curves", (), values),)
    return exhibit(results, "curves", "Both phases", (how,), tables, figures)


def _means(trials: list[TrialResult]) -> pd.DataFrame:
    """Columns metric, step, mean, sd, networks; a row for each step at which a test was made."""
    rows = [_steps(trial.record) for trial in trials if trial.record]
    columns = ["metric", "step", "mean", "sd", "networks"]
    if not rows:
        return pd.DataFrame(columns=columns)
    long = pd.concat(rows).melt("step", var_name="metric").dropna()
    grouped = long.groupby(["metric", "step"])["value"]
    return grouped.agg(mean="mean", sd="std", networks="size").reset_index()[columns]


def _steps(record: Record) -> pd.DataFrame:
    """The history's test metrics by step, counted from the start of the task."""
    columns = record.columns  # a record has five times as many as are read here
    step = columns["step"]
    before = step[columns["phase"] != "task"]
    start = int(before.max()) if len(before) else 0
    measured = {name: columns[name] for name in METRICS if name in columns}
    return pd.DataFrame(measured | {"step": step - start})


def _figure(arms: dict[str, pd.DataFrame]) -> Drawing:
    start = min(float(frame["step"].min()) for frame in arms.values() if not frame.empty)
    styles = ((WITHOUT, "--"), (WITH, "-"))
    with panels(9, 2.7, len(METRICS)) as (figure, drawn):
        for axes, (metric, title) in zip(drawn, METRICS.items(), strict=True):
            if start < 0:
                axes.axvspan(start, 0, color="#f1f1f1", linewidth=0)
            for (name, frame), (colour, line) in zip(arms.items(), styles, strict=True):
                rows = frame[frame["metric"] == metric]
                x, mean, sd = rows[["step", "mean", "sd"]].to_numpy(float).T
                band(axes, x, mean, sd, line, color=colour, label=name)
            axes.set(title=title, xlabel="Optimizer steps from the start of the task")
            axes.set_ylim(bottom=0)
            axes.margins(x=0.02)
        legend_above(drawn[0])
    description = "Test loss, accuracy and ECE over warm-up and training, mean and s.d. by arm."
    return Drawing("curves", "Test loss, accuracy and ECE over both phases", figure, description)
