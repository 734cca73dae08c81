"""What Cheon & Paik (2026) say, as data: all claims, and what is asked of each study for them.

A claim is one entry of `main_paper` or of a file `supplement_…`. `paper` holds numbers that the
paper prints, and else what it says in words; W is Wilcoxon's, and W = 0 means that every pair moved
the same way. Where the paper gives words alone and a rule needs a number, that number is ours, was
fixed before any was measured, and stands in the claim.
"""

from analysis.replication.evidence import Picture, Source
from analysis.replication.main_paper import MAIN
from analysis.replication.supplement_effect import EFFECT
from analysis.replication.supplement_mechanism import MECHANISM
from analysis.replication.supplement_unseen import UNSEEN

SUPPLEMENT = (*EFFECT, *MECHANISM, *UNSEEN)
SECTIONS = (*MAIN, *SUPPLEMENT)
CLAIMS = tuple(claim for section in SECTIONS for claim in section.claims)


def asked_of(study: str) -> tuple[tuple[Source, ...], tuple[Picture, ...]]:
    """The rows and the pictures that the page wants of a study, by its run's key."""
    sources = [claim.source for claim in CLAIMS]
    sources += [source for s in SECTIONS for note in s.notes for source in note.sources]
    pictures = [picture for section in SECTIONS for picture in section.pictures]
    return (
        tuple(source for source in sources if source.study == study),
        tuple(dict.fromkeys(picture for picture in pictures if picture.study == study)),
    )
