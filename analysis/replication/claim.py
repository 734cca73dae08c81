"""What a claim is: what the paper says, its number, where ours is found, and the rule between."""

from dataclasses import dataclass

from analysis.replication.evidence import Picture, Source
from analysis.replication.notes import Note
from analysis.replication.rules import Moves, Rule


@dataclass(frozen=True)
class Claim:
    says: str
    paper: str
    source: Source
    rule: Rule


@dataclass(frozen=True)
class Section:
    """One or several exhibits of the paper, and what they claim."""

    exhibit: str
    title: str
    claims: tuple[Claim, ...]
    notes: tuple[Note, ...] = ()
    pictures: tuple[Picture, ...] = ()
    listed: Source | None = None  # rows that are shown one by one, folded


LOWER, HIGHER = Moves(-1), Moves(+1)
EVERY_LOWER, EVERY_HIGHER = Moves(-1, every=True), Moves(+1, every=True)

SHALLOW = "little_data"  # depth 2, n = 1,000
OUR_READING = "our reading"  # of a picture, or of a sentence about another network
OURS_EVERY = "lower (that every network is: ours)"

# methods of the paper's tables
POSTHOC = ("temperature, of eight by ECE", "vector scaling", "isotonic")
SCORES = (
    *("maximum softmax", "maximum softmax, T tuned"),
    *("ODIN, ε and T tuned", "energy"),
)


def pairs(study: str, grid: str, measure: str, **where: object) -> Source:
    return Source(study, "pairs", f"pairs-{grid}-{measure}", where)


def by_method(study: str, exhibit: str, methods: tuple[str, ...]) -> Source:
    """A row for each condition and method, of Tables 2 to 5."""
    return Source(study, exhibit, exhibit.replace("_", "-"), {"method": methods})


def calibrated_too(study: str) -> Claim:
    """Of Tables 2 and 3."""
    return Claim(
        "It is lower after temperature, vector and isotonic calibration too",
        f"lower ({OUR_READING})",
        by_method(study, "posthoc_by_condition", POSTHOC),
        LOWER,
    )


def noticed_too(study: str, where: str) -> Claim:
    """Of Tables 4 and 5."""
    return Claim(
        f"So it is by temperature, ODIN and energy, {where}",
        f"higher ({OUR_READING})",
        by_method(study, "detection_by_condition", SCORES[1:]),
        HIGHER,
    )
