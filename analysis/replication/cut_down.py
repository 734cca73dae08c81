"""Of the page: what two CPU cores can do of the studies that are for GPUs."""

from collections.abc import Iterable, Iterator, Sequence

from analysis.rendering.table_formats import markdown_escape
from analysis.replication.claims import SECTIONS
from analysis.replication.evidence import Evidence
from analysis.replication.rules import NOT_RUN, Finding
from analysis.replication.runs import RUNS
from analysis.replication.verdict import judged

_CUT_DOWN = """\
## Cut down to two cores

The networks of these studies are for GPUs. What two CPU cores can do of them is measured here, at
the scale `laptop`. It says nothing of the paper's own sizes, and counts in no verdict above.
"""


def cut_down(evidence: Evidence) -> Iterator[str]:
    """What was measured of studies that need a GPU: what was cut, and each claim by its rule."""
    runs = [run for run in RUNS if run.cut and run.key in evidence.studies]
    if not runs:
        return
    yield _CUT_DOWN
    yield _table(
        ("Study", "What was cut", "Here", "The paper's scale"),
        (
            (run.subject, name, here, papers)
            for run in runs
            for name, (here, papers) in evidence.studies[run.key].cut.items()
        ),
    )
    yield _table(
        ("Exhibit", "Claim", "Here, cut down", "Pairs", "By the same rule"),
        (
            (section.exhibit, claim.says, finding.here, finding.pairs, _said(finding))
            for section in SECTIONS
            for claim in section.claims
            for run in runs
            if run.subject == claim.source.study
            and (finding := judged(claim, evidence, run.key)).here != "—"
        ),
    )


def _said(finding: Finding) -> str:
    """The verdict, with what must be said beside it: alone where there are too few pairs."""
    verdict = "" if finding.verdict == NOT_RUN else finding.verdict
    return ": ".join(filter(None, (verdict, f"{finding.remark[:1].lower()}{finding.remark[1:]}")))


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, [":---" for _ in head], *([markdown_escape(cell) for cell in r] for r in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
