"""Should this network be warmed up? A verdict, a picture, a table, and what to do as code.

Not in the paper, which asks it of its own networks. A remedy is shown beside all simpler ones, and
the verdict's rules stand in `analysis.exhibits.verdict.judgement`.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from analysis.exhibits.calibration.confidence_gap import GAP, of_one
from analysis.exhibits.common.cells import csv_row, mean, spread
from analysis.exhibits.common.exhibit import Drawing, Exhibit, Table, exhibit, table
from analysis.exhibits.common.panels import WITH, WITHOUT, name_rows, panels
from analysis.exhibits.common.text import Bold, number, plural
from analysis.exhibits.verdict.judgement import (
    Change,
    Interval,
    Judgement,
    change,
    judge,
    sentence,
)
from analysis.exhibits.verdict.recipe import recipe
from analysis.exhibits.verdict.recipes import Choice, choose
from analysis.exhibits.verdict.remedies import (
    DRIFTED,
    MEASURES,
    NOTHING,
    REMEDIES,
    SECONDS,
    WARM_UP,
    Members,
    Networks,
    Remedy,
    members,
    networks,
)
from analysis.metrics.shift import WORST
from analysis.results.study_results import StudyResults, TrialResult
from analysis.statistics.comparison import ACCURACY, AUROC, ECE, Measure, compare_values
from analysis.statistics.paired import mean_interval
from analysis.statistics.sequential import foresee
from analysis.statistics.study_looks import looks_of

_WORDS = (
    "The expected calibration error (ECE) is how far a network's confidence is from its accuracy, "
    "in the mean over its predictions; a warm-up is a short training on random noise with random "
    "labels, before it has seen any data."
)
_CHANCE, _PERCENTILE = "test_ece_chance", "test_ece_chance_95"


@dataclass(frozen=True, eq=False)
class Verdict:
    """All that the page says."""

    of: Members
    networks: Networks
    found: Judgement
    beyond: int  # networks without a remedy whose ECE is beyond chance's 95th percentile
    chance: float  # mean ECE that chance alone gives; NaN: not known
    choice: Choice | None  # of another recipe for the warm-up
    said: str


def reached(results: StudyResults) -> Verdict:
    """The verdict on the study's network."""
    of = members(results)
    known = networks(of)
    looked, more = _of_looks(results)
    main = change(known, ECE, NOTHING, WARM_UP, looked)
    controls = [trial.numbers for trial in of[NOTHING].values() if _CHANCE in trial.numbers]
    beyond = sum(numbers[ECE.key] > numbers[_PERCENTILE] for numbers in controls)
    found = judge(known, beyond, main)
    said = sentence(known, found, more)
    chance = mean([numbers[_CHANCE] for numbers in controls])
    return Verdict(of, known, found, beyond, chance, choose(results), said)


def _of_looks(results: StudyResults) -> tuple[tuple[Interval, int] | None, str]:
    """The interval of the last look at the warm-up with the replicates it planned, and how many
    more pairs would tell, in words; of a study whose pairs were not added in looks no interval."""
    found = looks_of(results)
    conditions = [c for c in found.conditions if found.looks(c)] if found else []
    if found is None or len(conditions) != 1 or found.measure != ECE:
        return None, "more pairs would tell"
    taken = found.looks(conditions[0])
    more = foresee(found.design, taken).more
    would = "more pairs would tell" if more is None else f"{plural(more, 'more pair')} would tell"
    return (taken[-1].interval, taken[-1].planned), would


def verdict(results: StudyResults) -> Exhibit:
    """A table of remedies, a picture of their ECE, and the recommended one as code."""
    reach = reached(results)
    known = reach.networks
    if reach.found.kind == "nothing to compare":
        return exhibit(results, "verdict", "Verdict", [reach.said])
    how = (
        "Each remedy is tried on the same networks: the same first weights, data and order. Δ is "
        "against nothing, with its 95 % interval, bold where that leaves out zero: Student's, and "
        "for the warm-up's ECE, where pairs were added in looks, one that holds at all of them. "
        "Temperature scaling is fitted on the validation set of each network. ECE drifted: the "
        f"mean over the corruptions of the test images at severity {WORST}. Seconds: of training, "
        "one network. A remedy does as well as the warm-up where the interval of its ECE less that "
        "of the warmed-up network ends below .01, and it lowers ECE itself without a loss of "
        "accuracy of more than .01."
    )
    lines = (_WORDS, *answers(reach), how)
    return exhibit(
        results,
        "verdict",
        "Remedies side by side",
        lines,
        [_table(known, reach.found)],
        [_picture(reach)],
        code=recommended(reach),
    )


def recommended(reach: Verdict) -> str:
    """The simplest remedy that does it, as code."""
    simplest = reach.found.simplest
    if simplest is None:
        return ""
    trial = next(iter(reach.of[simplest].values()), None)
    if simplest is WARM_UP and reach.choice and reach.choice.confirmed:
        trial = reach.choice.trial
    return recipe(simplest, trial.record if trial else None, _factor(reach.of))


def answers(reach: Verdict) -> list[str]:
    """Sentence by sentence: is it miscalibrated, and what does the warm-up do to it?"""
    known, main = reach.networks, reach.found.main
    said = [_miscalibration(reach)]
    accuracy = change(known, ACCURACY, NOTHING, WARM_UP)
    said.append(f"Warm-up changes ECE by {main} and accuracy by {accuracy}{_time(known)}.")
    without, with_ = _gaps(reach.of, NOTHING), _gaps(reach.of, WARM_UP)
    if without.size and with_.size:
        said.append(of_one(without, with_))
    for measure, words in (
        (AUROC, "It tells unknown inputs apart with an AUROC (maximum softmax)"),
        (DRIFTED, f"Where the data drift, at severity {WORST}, its ECE is"),
    ):
        by = change(known, measure, NOTHING, WARM_UP)
        if by.pairs:
            before, after = number(mean(by.first)), number(mean(by.second))
            clear = "" if by.lower or by.higher else ", which may be chance"
            said.append(f"{words} {before} without and {after} with warm-up (Δ {by}{clear}).")
    return [*said, str(reach.choice)] if reach.choice else said


def _miscalibration(reach: Verdict) -> str:
    if np.isnan(reach.chance):
        return ""
    controls = reach.networks[NOTHING].values()
    ece = number(mean([numbers[ECE.key] for numbers in controls]))
    shown = "it is miscalibrated" if reach.found.miscalibrated else "that it is is not shown"
    return (
        f"Is it miscalibrated? Of its ECE of {ece}, {number(reach.chance)} is what chance alone "
        f"gives, and {reach.beyond} of {plural(len(controls), 'network')} lie beyond chance's 95th "
        f"percentile: {shown}."
    )


def _time(known: Networks) -> str:
    by = change(known, SECONDS, NOTHING, WARM_UP)
    if not by.pairs or not mean(by.first):
        return ""
    return f"; training takes {number(mean(by.second) / mean(by.first), 1)} times as long"


def _gaps(of: Members, remedy: Remedy) -> NDArray[np.float64]:
    """Of every network, mean confidence − accuracy."""
    found = (trial.numbers.get(GAP.key) for trial in of[remedy].values())
    return np.array([gap for gap in found if gap is not None])


def _table(known: Networks, found: Judgement) -> Table:
    shown, numbers = [], []
    for remedy in REMEDIES:
        if not known[remedy]:
            continue
        name = Bold(remedy.name) if remedy is found.simplest else remedy.name
        count = str(len(known[remedy]))
        cells: dict[str, str] = {"Remedy": name, "Takes": remedy.takes, "Networks": count}
        for measure in MEASURES:
            values = [n[measure.key] for n in known[remedy].values() if measure.key in n]
            if not any(measure.key in n for n in known[NOTHING].values()):
                continue
            text = partial(number, digits=1 if measure is SECONDS else 3)
            cells[measure.label] = spread(np.array(values), text)
            if measure in (ECE, ACCURACY):
                cells[f"Δ {measure.label}"] = _delta(known, measure, remedy, found.main)
            row = change(known, measure, NOTHING, remedy)
            both = list(zip(row.first, row.second, strict=True))
            numbers.append(csv_row(compare_values(remedy.name, measure, both, len(known[remedy]))))
        shown.append(cells)
    return table("verdict", "What each remedy makes of the network", shown, numbers)


def _delta(known: Networks, measure: Measure, remedy: Remedy, main: Change) -> str:
    if remedy is NOTHING:
        return "—"
    by = main if (measure, remedy) == (ECE, WARM_UP) else change(known, measure, NOTHING, remedy)
    return Bold(str(by)) if by.lower or by.higher else str(by)


def _picture(reach: Verdict) -> Drawing:
    """ECE of each remedy: every network, and the mean with its interval."""
    known = reach.networks
    shown = [remedy for remedy in REMEDIES if known[remedy]]
    with panels(5.6, 0.9 + 0.42 * len(shown)) as (figure, [axes]):
        for place, remedy in enumerate(shown):
            values = np.array([n[ECE.key] for n in known[remedy].values() if ECE.key in n])
            if not values.size:
                continue
            axes.plot(
                values, [place + 0.2] * values.size, "|", color=WITHOUT, markersize=7,
                markeredgewidth=0.6,
            )  # fmt: skip
            low, high = mean_interval(values) if values.size > 1 else (mean(values),) * 2
            axes.errorbar(
                mean(values), place - 0.1, xerr=[[mean(values) - low], [high - mean(values)]],
                fmt="o", color=WITH if remedy is reach.found.simplest else "#222222",
                markersize=5, elinewidth=1.2, capsize=2,
            )  # fmt: skip
        if reach.chance == reach.chance:
            axes.axvline(reach.chance, color="#555555", linestyle=":", linewidth=1)
            axes.text(reach.chance, -0.55, "chance alone", ha="center", va="bottom", size=7)
        name_rows(axes, [remedy.name for remedy in shown])
        axes.set_xlim(0, min(1.0, axes.get_xlim()[1]))  # intervals of few are beyond any ECE
        axes.set_xlabel("ECE on the test set: lower is better")
    count = plural(len(known[NOTHING]), "network")
    title = f"ECE by remedy: {count} each, means with 95 % intervals"
    return Drawing("verdict", title, figure, f"{reach.said} {_miscalibration(reach)}".strip())


def _factor(of: Members) -> float | None:
    """By which the warm-up changes the standard deviation of the first logits, in the mean."""
    ratios = []
    for replicate, warmed in of[WARM_UP].items():
        if replicate in of[NOTHING]:
            before, after = map(_first_logits, (of[NOTHING][replicate], warmed))
            if before is not None and after is not None:
                ratios.append(float(after.std() / before.std()))
    return float(np.exp(np.mean(np.log(ratios)))) if ratios else None


def _first_logits(trial: TrialResult) -> NDArray[np.float32] | None:
    return None if trial.record is None else trial.record.probes.get("start_outputs/train")
