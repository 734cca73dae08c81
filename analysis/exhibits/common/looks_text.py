"""How many pairs a study's looks have used, and why it stopped, in sentences."""

import math

from analysis.exhibits.common.text import label, listed, number, plural
from analysis.results.study_results import StudyResults
from analysis.results.tags import BUDGET
from analysis.statistics.sequential import Look, foresee
from analysis.statistics.study_looks import StudyLooks, looks_of


def how_many_pairs(results: StudyResults) -> list[str]:
    """A paragraph; none of a study without looks."""
    found = looks_of(results)
    if found is None:
        return []
    said = [planned_in_words(found), _why(found, results.tags.get(BUDGET, ""))]
    if len(found.conditions) == 1:
        said += [verdict(found, condition) for condition in found.conditions]
    else:
        said += [f"{label(c)}: {verdict(found, c)}" for c in found.undecided]
    return [" ".join(filter(None, said))]


def planned_in_words(found: StudyLooks) -> str:
    """What is to decide, and when it is looked at."""
    design = found.design
    return (
        f"Pairs are added in looks, at {listed(map(str, design.looks))}, until the interval of the "
        f"mean difference in {found.measure.label} leaves out zero or is ± {design.precision:g} at "
        "most."
    )


def verdict(found: StudyLooks, condition: str) -> str:
    """Of one condition, in a sentence."""
    taken = found.looks(condition)
    if not taken:
        return "Not looked at yet."
    look, of = taken[-1], found.design
    if look.outcome == "clear":
        turn = "lowers" if look.interval[1] < 0 else "raises"
        return f"Warm-up {turn} {found.measure.label}: {interval_text(look)}."
    if look.outcome == "narrow":
        return (
            f"Zero is not left out, and the difference is known to ± {of.precision:g}: "
            f"{interval_text(look)}."
        )
    more = foresee(of, taken)
    beyond = look.planned + (more.more or 0) > of.looks[-1]
    would = (
        f"{plural(more.more, 'more pair')} would, were mean and spread to stay as they are"
        f"{f', beyond the {of.looks[-1]} planned' if beyond else ''}"
        if more.more is not None
        else f"how many more pairs would is not known, for {more.why}"
    )
    return f"Cannot tell yet: {interval_text(look)}; {would}."


def _why(found: StudyLooks, budget: str) -> str:
    """How many pairs were used, and why it stopped."""
    most, conditions = found.design.looks[-1], len(found.conditions)
    if not found.taken:
        return "No look was taken yet" + (f": the budget of {budget} ended." if budget else ".")
    used = max(found.pairs().values())
    decided = conditions - len(found.undecided)
    text = f"{used} of {most} pairs were used, and "
    if conditions > 1:
        text += f"{decided} of {conditions} conditions are decided: "
    if not found.undecided:
        clear = sum(found.looks(c)[-1].outcome == "clear" for c in found.conditions)
        text += (
            f"zero is left out in {clear}, and {conditions - clear} are known well enough"
            if conditions > 1
            else "that decided it"
        )
    elif found.over:
        text += "no look is left"
    else:
        text += f"the next look is at {found.design.looks[len(found.taken)]}"
        text += f", for the budget of {budget} ended" if budget else ""
    lost = sum(found.looks(c)[-1].planned - found.looks(c)[-1].pairs for c in found.conditions)
    return f"{text}." + (f" {plural(lost, 'pair')} of the last looks were lost." if lost else "")


def interval_text(look: Look) -> str:
    """The mean difference and the interval that holds at all looks."""
    if math.isinf(look.interval[0]):
        return "no interval, for the spread of the pairs is not known"
    plus = "+" if look.mean > 0 else ""
    low, high = map(number, look.interval)
    return f"{plus}{number(look.mean)} [{low}, {high}]"
