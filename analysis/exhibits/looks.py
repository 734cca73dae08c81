"""How many pairs: planned, used, and why it stopped, of a study whose pairs are added in looks."""

from analysis.exhibits.common.exhibit import Exhibit, exhibit, table
from analysis.exhibits.common.looks_text import how_many_pairs, interval_text
from analysis.exhibits.common.text import label
from analysis.results.study_results import StudyResults
from analysis.statistics.sequential import foresee
from analysis.statistics.study_looks import StudyLooks, looks_of

TITLE = "How many pairs"
_METHOD = (
    "The intervals here hold at all looks together, in 95 % of all studies, whatever stopped one; "
    "those of other tables suppose that the number of pairs was fixed beforehand. Where several "
    "conditions are decided, the error is shared among them (Bonferroni)."
)


def looks(results: StudyResults) -> Exhibit:
    """A row for each condition: pairs, the interval of the look that decided it, the verdict."""
    found = looks_of(results)
    if found is None:
        nothing = ["Since pairs were added in looks, the study was launched with other conditions."]
        return exhibit(results, "looks", TITLE, nothing)
    shown = [_row(found, condition) for condition in found.conditions]
    numbers = [
        {
            **{"condition": condition, "pairs_planned": look.planned, "pairs": look.pairs},
            **{"difference": look.mean, "sd": look.spread, "outcome": look.outcome},
            **{"interval_low": look.interval[0], "interval_high": look.interval[1]},
        }
        for condition in found.conditions
        for look in found.looks(condition)
    ]
    rows = [table("looks", f"{TITLE}: {found.measure.label}", shown, numbers)]
    return exhibit(results, "looks", TITLE, [*how_many_pairs(results), _METHOD], rows)


def _row(found: StudyLooks, condition: str) -> dict[str, str]:
    taken = found.looks(condition)
    if not taken:
        return {"Condition": label(condition), "Verdict": "not looked at yet"}
    look = taken[-1]
    complete = "" if look.pairs == look.planned else f"{look.pairs} of "
    words = {"clear": "lower" if look.interval[1] < 0 else "higher", "narrow": "known well enough"}
    more = None if look.decided else foresee(found.design, taken).more
    return {
        "Condition": label(condition),
        "Looks": str(len(taken)),
        "Pairs": f"{complete}{look.planned}",
        "Δ [interval]": interval_text(look),
        "Verdict": words.get(look.outcome, "cannot tell yet"),
        "More pairs": "—" if more is None else str(more),
    }
