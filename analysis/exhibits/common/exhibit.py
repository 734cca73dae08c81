"""What an exhibit is, the style its figures share, and the words every caption ends with."""

import io
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.style
import pandas as pd
from matplotlib.figure import Figure

from analysis.results.study_results import OUTCOMES, StudyResults, pairs, planned_pairs

STYLE = Path(__file__).with_name("paper.mplstyle")


@dataclass(frozen=True, eq=False)
class Table:
    """A table as it is shown (texts), and the numbers behind it (for CSV)."""

    name: str  # of its files
    title: str
    shown: pd.DataFrame
    values: pd.DataFrame


@dataclass(frozen=True, eq=False)
class Drawing:
    """A figure, and what it shows in words for those who cannot see it."""

    name: str  # of its files
    title: str
    figure: Figure
    description: str

    def save(self, kind: str) -> bytes:
        """The file's bytes; kind: svg or png. The same figure gives the same bytes."""
        buffer = io.BytesIO()
        with paper_style(), mpl.rc_context({"svg.hashsalt": self.name}):
            if self.figure.get_layout_engine() is not None:  # laid out once: again, it would move
                self.figure.draw_without_rendering()
                self.figure.set_layout_engine("none")
            metadata = {"Date": None} if kind == "svg" else None
            self.figure.savefig(buffer, format=kind, metadata=metadata)
        return buffer.getvalue()


@dataclass(frozen=True, eq=False)
class Exhibit:
    """Tables and figures that answer one question, with a caption computed from the data."""

    name: str
    title: str
    caption: str
    tables: tuple[Table, ...] = ()
    figures: tuple[Drawing, ...] = ()
    code: str = ""  # lines of Python, to be pasted


def exhibit(
    results: StudyResults,
    name: str,
    title: str,
    said: Iterable[str],
    tables: Iterable[Table] = (),
    figures: Iterable[Drawing] = (),
    code: str = "",
) -> Exhibit:
    """An exhibit whose caption is what is said, and then what it is made of.

    said: sentences; of those that are empty there is nothing to say.
    """
    caption = " ".join((*filter(None, said), made_of(results)))
    return Exhibit(name, title, caption, tuple(tables), tuple(figures), code)


def table(
    name: str, title: str, shown: Iterable[Mapping[Any, str]], numbers: pd.DataFrame | list[Any]
) -> Table:
    """A table of rows of texts by column, which may be (group, name), and of the numbers' rows.

    Without rows of texts it is one of numbers behind a figure, for CSV alone.
    """
    frame = pd.DataFrame(list(shown), dtype=object)  # bold texts stay what they are
    columns: list[Any] = list(frame)
    if columns and isinstance(columns[0], tuple):
        frame.columns = pd.MultiIndex.from_tuples(columns)
    return Table(name, title, frame.fillna("—"), pd.DataFrame(numbers))


@contextmanager
def paper_style() -> Iterator[None]:
    """The paper's manner, for drawing and for saving alike."""
    with mpl.style.context(STYLE):
        yield


def made_of(results: StudyResults) -> str:
    """What a table or figure is made of: study, scale, data, pairs, losses, commit."""
    plan = results.plan
    counts = [len(pairs(results, c)) for c in plan.conditions()]
    losses = ", ".join(f"{results.count(outcome)} {outcome}" for outcome in OUTCOMES[1:])
    ood = f", out of distribution {plan.ood}" if plan.ood else ""
    return (
        f"Study {plan.study}, scale {plan.scale}, network {plan.network}, data {plan.data}{ood}; "
        f"{_range(counts)} of {pairs_planned(results)} pairs a condition; "
        f"of {len(results.trials)} trials {losses}; commit {', '.join(results.commits)}."
    )


def pairs_planned(results: StudyResults) -> str:
    """Of a condition: a number, or the least and the most."""
    return _range([len(planned_pairs(results, c)) for c in results.plan.conditions()])


def _range(counts: list[int]) -> str:
    if not counts:
        return "0"
    low, high = min(counts), max(counts)
    return str(low) if low == high else f"{low}–{high}"
