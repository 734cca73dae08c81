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
