"""What the arms that keep one part of the warm-up show, in sentences computed from their numbers.

“No difference found” is not “no difference”: an arm differs from a reference, or that is undecided,
or no difference was found and the interval says what remains possible, or it was not tested.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from analysis.exhibits.common.cells import difference, exact_p, mean
from analysis.exhibits.common.passing import ALPHA, none_can_pass, passed
from analysis.exhibits.common.text import label, listed, number, p_text, plural
from analysis.exhibits.controls.arms import Arm
from analysis.statistics.comparison import ACCURACY, ECE, Comparison, Measure, clear_of_zero
from analysis.statistics.paired import MIN_PAIRS

Arms = Mapping[Measure, Sequence[Arm]]
Reference = Mapping[Measure, np.ndarray]  # (networks,), of the finished controls

_PARTS = {
    "shuffled": "the warmed-up weights at random places within each tensor",
    "norms": "the untrained weights, each tensor scaled to its norm after the warm-up",
    "logit_variance": "the untrained network, its logits scaled to vary as after the warm-up",
    "step_size": "the untrained network, its learning rate such that the first step changes the "
    "logits as much as in the warmed-up one",
    "statistics": "batch normalisation's statistics as the warm-up moves them, and no weight",
    "head": "what a warm-up of the last layer alone makes",
}


def said_of(arms: Arms, reference: Reference) -> list[str]:
    """What a grid's arms show, in ECE against both references, and in accuracy; some may be empty,
    where there is nothing to say."""
    full = next(arm for arm in arms[ECE] if arm.full is None)
    others = [arm for arm in arms[ECE] if arm.full]
    against_control = [arm.control for arm in arms[ECE]]
    against_full = [arm.full for arm in others if arm.full]
    return [
        _effect(full),
        *_shares(full, others),
        *_differences("the control", [row for row in against_control if row is not full.control]),
        _none_can_pass("the control", against_control),
        *_differences("the full warm-up", against_full),
        _none_can_pass("the full warm-up", against_full),
        _accuracies(arms[ACCURACY], reference[ACCURACY]),
        f"What an arm starts from: {'; '.join(map(_start, others))}.",
    ]


def _effect(full: Arm) -> str:
    """Whether there is an effect at all that the other arms could have a share of."""
    row, name = full.control, f"full warm-up ({full.name})"
    if not row.n:
        return f"The {name} has no complete pair: no arm's share of its effect is known."
    found = f"Δ {difference(row)}, {plural(row.n, 'pair')}"
    if row.p_value is None or row.p_exact is None:
        few = f"fewer than {MIN_PAIRS} pairs differ"
        return f"Whether the {name} changes ECE cannot be tested, for {few}: {found}."
    found += f", {exact_p(row.p_exact)}, Holm P = {p_text(row.p_holm)}"
    if row.p_exact >= ALPHA:
        none = "No effect on ECE was found"
        return f"{none} of the {name}, which does not show that there is none: {found}."
    return f"The {name} {'lowered' if row.difference < 0 else 'raised'} mean ECE: {found}."


def _shares(full: Arm, others: Sequence[Arm]) -> list[str]:
    if not full.control.n:
        return []
    known = [f"{arm.name} {arm.share_text}" for arm in others if arm.share]
    unknown = [arm.name for arm in others if not arm.share]
    said = [f"Share of this effect: {', '.join(known)}."] if known else []
    if unknown:
        whose = listed(unknown) if known else "any other arm"
        why = "over the networks they have in common no effect of the full warm-up is established"
        said.append(f"For {whose} no share is given: {why}.")
    return said


def _differences(reference: str, rows: Sequence[Comparison]) -> list[str]:
    """Which arms differ from a reference, for which that is undecided, for which no difference was
    found, and which are not tested."""
    tested = [row for row in rows if row.p_holm is not None and not _too_few(row)]
    differ = passed(tested)
    undecided = [row for row in tested if row not in differ and clear_of_zero(row)]
    alike = [row for row in tested if row not in differ and row not in undecided]
    ways = {
        way: [_name(row) for row in differ if row.difference * sign > 0]
        for way, sign in (("lower", -1), ("higher", 1))
    }
    said = []
    if differ:
        how = ", ".join(f"{way} in {listed(names)}" for way, names in ways.items() if names)
        said.append(f"ECE differs from that of {reference} (Holm P < {ALPHA:g}): {how}.")
    if undecided:
        said.append(
            f"Undecided against {reference}, for the interval leaves out zero but Holm P is not "
            f"below {ALPHA:g}: {_with_intervals(undecided)}."
        )
    if alike:
        said.append(
            f"No difference from {reference} was found for {_with_intervals(alike)}, which does "
            f"not show that there is none: any within the interval remains possible. "
            f"{_equivalent(alike)}"
        )
    return said + _not_tested(reference, rows)


def _equivalent(alike: Sequence[Comparison]) -> str:
    """Which of those without a difference were shown to have none to speak of."""
    none = [r for r in alike if r.p_equivalence is not None and r.p_equivalence < ALPHA]
    shown = listed(map(_name, none)) if none else "none of them"
    test = f"two one-sided t tests, P < {ALPHA:g}, uncorrected"
    return f"A mean within ±{number(ECE.margin or 0, 2)} ({test}) was shown for {shown}."


def _not_tested(reference: str, rows: Sequence[Comparison]) -> list[str]:
    few = [_name(row) for row in rows if row.n and _too_few(row)]
    absent = [_name(row) for row in rows if not row.n]
    said = []
    if few:
        which = listed(few) if len(few) < len(rows) else "all other arms"
        why = f"fewer than {MIN_PAIRS} pairs differ"
        said.append(f"Not tested against {reference}, for {why}: {which}.")
    if absent:
        which = listed(absent) if len(absent) < len(rows) else "all other arms"
        said.append(f"Without a pair with {reference}: {which}.")
    return said


def _none_can_pass(reference: str, rows: Sequence[Comparison]) -> str:
    """Where even differences of one sign in every pair would not pass Holm's correction."""
    hopeless = none_can_pass(rows)
    if not hopeless or all(map(_too_few, rows)):
        return ""
    return f"{hopeless.capitalize()} against {reference} none can pass Holm's correction."


def _too_few(row: Comparison) -> bool:
    """Whether so few pairs differ that P cannot be small."""
    return row.p_value is None


def _accuracies(arms: Sequence[Arm], reference: np.ndarray) -> str:
    """A lower ECE may be that of a network that has learnt less."""
    means = {arm.name: mean(arm.control.with_) for arm in arms if arm.control.n}
    if not means:
        return ""
    low, high = min(means, key=means.__getitem__), max(means, key=means.__getitem__)
    said = f"Mean test accuracy is {number(mean(reference))} in the control, and"
    least, most = number(means[low]), number(means[high])
    if least == most:
        return f"{said} {least} in {'every' if len(means) > 1 else 'the one'} arm."
    return f"{said} in the arms from {least} ({low}) to {most} ({high})."


def _start(arm: Arm) -> str:
    return f"{arm.name}, {_PARTS.get(arm.part, arm.part)}"


def _with_intervals(rows: Sequence[Comparison]) -> str:
    return listed(f"{_name(row)} ({difference(row)})" for row in rows)


def _name(row: Comparison) -> str:
    return f"“{label(row.condition)}”"
