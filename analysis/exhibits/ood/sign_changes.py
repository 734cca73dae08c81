"""Where an effect changes its sign, in words: between protocols, and between conditions.

The sign is that of the mean difference with − without warm-up. Whether a change of sign is more
than chance is told by the 95 % intervals: it is counted where both leave out zero.
"""

from collections.abc import Mapping, Sequence

from analysis.exhibits.common.text import label
from analysis.statistics.comparison import Comparison, clear_of_zero

Effects = Mapping[str, Mapping[str, Comparison]]  # protocol → condition → pairs compared, n > 0

_MOST = 6  # names in a list


def rose(rows: Mapping[str, Comparison]) -> list[str]:
    """The conditions in which the mean rose."""
    return [condition for condition, row in rows.items() if row.difference > 0]


def fell(rows: Mapping[str, Comparison]) -> list[str]:
    """The conditions in which the mean fell."""
    return [condition for condition, row in rows.items() if row.difference < 0]


def measured_under_all(effects: Effects) -> list[str]:
    """The conditions that were measured under every protocol there is."""
    first, *others = effects.values()
    return [condition for condition in first if all(condition in rows for rows in others)]


def changed(effects: Effects) -> list[str]:
    """The conditions in which the mean rose under one protocol and fell under another."""
    up = {condition for rows in effects.values() for condition in rose(rows)}
    down = {condition for rows in effects.values() for condition in fell(rows)}
    return [condition for condition in measured_under_all(effects) if condition in up & down]


def sentence(method: str, effects: Effects) -> str:
    """Under which protocols and conditions AUROC rose, and what its direction depends on.

    Such as: “Energy: AUROC rose with warm-up under the normalised protocol in 1 of 4 conditions
    (depth 2, examples 2000) and under the raw one in 3 of 4 (all but depth 2, examples 500). The
    effect's sign depends on the protocol at depth 6, with both intervals clear of zero in 1 of 2;
    under both protocols it depends on the condition.”
    """
    risen = [
        f"under the {protocol} {'one' if place else 'protocol'} in {_how_many(rows, not place)}"
        for place, (protocol, rows) in enumerate(effects.items())
    ]
    depends = "; ".join(filter(None, (_by_protocol(effects), _by_condition(effects))))
    said = f"{method[:1].upper()}{method[1:]}: AUROC rose with warm-up {' and '.join(risen)}."
    return f"{said} The effect's sign {depends}." if depends else said


def count_and_names(chosen: Sequence[str], among: Sequence[str]) -> str:
    """How many of the conditions, and which, the shorter list of those and the others.

    >>> count_and_names(["b", "c"], ["a", "b", "c"])
    '2 of 3 (all but a)'
    """
    others = [condition for condition in among if condition not in chosen]
    count = f"{len(chosen)} of {len(among)}"
    if not chosen or not others:
        return count
    few = f"all but {named(others, among)}" if len(others) < len(chosen) else named(chosen, among)
    return f"{count} ({few})"


def named(chosen: Sequence[str], among: Sequence[str]) -> str:
    """Some conditions in few words: a level stands for all that have it, where all are chosen.

    >>> named(["depth 6, n 500", "depth 6, n 900"], ["depth 6, n 500", "depth 6, n 900", "x, y"])
    'depth 6'
    """
    left, said = list(chosen), []
    for level, having in _by_level(among):
        if len(having) > 1 and having <= set(left):
            said.append(level)
            left = [condition for condition in left if condition not in having]
    said += [label(condition) for condition in left]
    more = [f"{len(said) - _MOST} more"] if len(said) > _MOST else []
    return "; ".join(said[:_MOST] + more)


def _by_level(conditions: Sequence[str]) -> list[tuple[str, set[str]]]:
    """The levels in the conditions' names with the conditions that have them, the commonest first.

    None where some names hold more levels than others: then a level may be another one's name.
    """
    levels = {condition: label(condition).split(", ") for condition in conditions}
    if len({len(names) for names in levels.values()}) != 1:
        return []
    having: dict[str, set[str]] = {}
    for condition, names in levels.items():
        for name in names:
            having.setdefault(name, set()).add(condition)
    return sorted(having.items(), key=lambda item: -len(item[1]))


def _how_many(rows: Mapping[str, Comparison], in_full: bool) -> str:
    """Of the conditions those in which the mean rose, with the noun where it is said in full."""
    up, among = rose(rows), list(rows)
    if len(among) == 1:
        return "the one condition" if up else "none"
    noun = " conditions" if in_full else ""
    if len(up) == len(among):
        return ("both" if len(among) == 2 else f"all {len(among)}") + noun
    if not up:
        return f"none of {len(among)}{noun}"
    return count_and_names(up, among).replace(" (", f"{noun} (", 1)


def _by_protocol(effects: Effects) -> str:
    """What the sign has to do with the protocol; nothing to say where there is one alone."""
    if len(effects) < 2:
        return ""
    shared, turned = measured_under_all(effects), changed(effects)
    if not shared:
        return "cannot be compared between protocols, which no condition shares"
    if not turned:
        return "is the same under both protocols"
    where = f" at {named(turned, shared)}" if turned != shared else ""
    if turned == shared and len(shared) > 1:
        where = " in every condition"
    sure = sum(all(clear_of_zero(rows[c]) for rows in effects.values()) for c in turned)
    return f"depends on the protocol{where}, {_how_sure(sure, len(turned))}"


def _how_sure(sure: int, turned: int) -> str:
    """In how many of the conditions whose sign changes both intervals leave out zero."""
    if not sure:
        return "but never with both intervals clear of zero"
    each = f" in {sure} of {turned}" if sure < turned else " in each" if turned > 1 else ""
    return f"with both intervals clear of zero{each}"


def _by_condition(effects: Effects) -> str:
    """What the sign has to do with the condition; nothing to say where there is one alone."""
    if max(len(rows) for rows in effects.values()) < 2:
        return ""
    mixed = [protocol for protocol, rows in effects.items() if rose(rows) and fell(rows)]
    if len(effects) == 1:
        return "depends on the condition" if mixed else "is the same in every condition"
    if not mixed:
        return "under neither protocol it depends on the condition"
    which = "both protocols" if len(mixed) > 1 else f"the {mixed[0]} protocol"
    return f"under {which} it depends on the condition"
