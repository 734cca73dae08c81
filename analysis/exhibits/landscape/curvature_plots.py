"""The figure of curvature: numbers of any size by epoch of the task, each network and the mean."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, LogLocator, NullFormatter, NullLocator
from numpy.typing import NDArray

from analysis.exhibits.common.exhibit import WITH, WITHOUT, Drawing, paper_style

ARMS = (("without warm-up", WITHOUT), ("with warm-up", WITH))

_LINEAR = 0.01  # of the largest size: where an axis with values below zero turns logarithmic
_APART = 0.012  # of the axis: between the arms, whose points would hide each other


class Course(NamedTuple):
    """A number's way along the task in both arms, over the same pairs."""

    name: str
    epochs: NDArray[np.int64]  # (moments,), ascending
    arms: tuple[NDArray[np.float64], NDArray[np.float64]]  # (pairs, moments); NaN: not measured

    @property
    def name_in_words(self) -> str:
        return self.name[0].lower() + self.name[1:]

    @property
    def values(self) -> NDArray[np.float64]:
        """All that are known."""
        found = np.concatenate([arm.ravel() for arm in self.arms])
        return np.asarray(found[~np.isnan(found)])

    @property
    def linear_to(self) -> float:
        """The size up to which the axis is linear: 0 where all are positive, so that none is."""
        found = self.values
        return 0.0 if (found > 0).all() else _LINEAR * float(np.abs(found).max())

    def means(self, arm: int) -> NDArray[np.float64]:
        """(moments,), NaN where no pair is known."""
        found = self.arms[arm]
        known = ~np.isnan(found)
        with np.errstate(invalid="ignore"):
            return np.asarray(np.nansum(found, axis=0) / known.sum(axis=0))


def axis_in_words(course: Course) -> str:
    """Which scale a number's axis has, as a sentence."""
    if not course.values.any():
        return f"The axis of the {course.name_in_words} is linear."
    if not course.linear_to:
        return f"The axis of the {course.name_in_words} is logarithmic."
    return (
        f"The axis of the {course.name_in_words} is linear up to ±{course.linear_to:.2g} and "
        "logarithmic beyond, since some values are not positive."
    )


def draw_courses(courses: Sequence[Course], condition: str) -> Drawing:
    """A panel for each number: thin lines of networks, thick means."""
    with paper_style():
        figure = Figure(figsize=(0.6 + 3.3 * len(courses), 2.9), layout="constrained")
        panels = figure.subplots(1, len(courses), squeeze=False)[0]
        for axes, course in zip(panels, courses, strict=True):
            _panel(axes, course)
        handles = [
            *(Line2D([], [], color=colour, marker="o", label=arm) for arm, colour in ARMS),
            Line2D([], [], color="black", linewidth=0.5, label="one network"),
        ]
        figure.legend(handles=handles, loc="outside upper right", ncols=len(handles))
    names = " and ".join(course.name_in_words for course in courses)
    description = " ".join(_described(course) for course in courses)
    title = f"Curvature along the task, {names} of the Hessian, condition “{condition}”"
    return Drawing("curvature", title, figure, description)


def _panel(axes: Axes, course: Course) -> None:
    shift = _APART * (float(np.ptp(course.epochs)) or 10.0)
    for arm, (_, colour) in enumerate(ARMS):
        x = course.epochs + (2 * arm - 1) * shift
        for network in course.arms[arm]:
            axes.plot(x, network, "o-", color=colour, linewidth=0.5, markersize=1.8, alpha=0.5)
    for arm, (_, colour) in enumerate(ARMS):  # over all networks
        x = course.epochs + (2 * arm - 1) * shift
        axes.plot(
            x, course.means(arm), "o-", color=colour, linewidth=2.2, markersize=5.5,
            markeredgecolor="white", markeredgewidth=0.7,
        )  # fmt: skip
    _scale(axes, course)
    axes.set_xticks(course.epochs)
    axes.margins(0.06)
    axes.set(title=course.name, xlabel="Epochs of the task")


def _scale(axes: Axes, course: Course) -> None:
    """Logarithmic where all are positive; else linear about zero, where any is not zero."""
    found = course.values
    if not found.any():
        return
    if course.linear_to:
        axes.axhline(0, color="#bbbbbb", linewidth=0.7, zorder=0)
        axes.set_yscale("symlog", linthresh=course.linear_to)
        axes.yaxis.set_major_locator(FixedLocator(_powers_of_ten(course)))
        axes.yaxis.set_minor_locator(NullLocator())
    else:
        axes.set_yscale("log")
        few = found.max() < 100 * found.min()  # there might be one power of ten, or none
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if few else (1.0,)))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}".replace("-", "−"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _powers_of_ten(course: Course) -> list[float]:
    """Zero and what lies far enough from it, to both sides as far as there are values."""
    low, high = float(course.values.min()), float(course.values.max())
    first, last = np.log10([course.linear_to, max(high, -low)])
    powers = 10.0 ** np.arange(np.ceil(first), np.floor(last) + 1)
    return [0.0, *(-p for p in powers if p <= -low), *(p for p in powers if p <= high)]


def _described(course: Course) -> str:
    """The means by moment, in words."""
    arms = "; ".join(
        f"{name} "
        + ", ".join(
            f"{mean:.3g} after epoch {epoch}"
            for epoch, mean in zip(course.epochs, course.means(arm), strict=True)
            if not np.isnan(mean)
        )
        for arm, (name, _) in enumerate(ARMS)
    )
    return f"Mean {course.name_in_words}: {arms}."
