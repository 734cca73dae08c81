"""The page: the paper's claims beside what was measured, from the evidence alone.

The same evidence gives the same page, byte for byte. What was not measured stands as not run, with
the command that measures it and the hours that takes.
"""

from collections.abc import Iterable, Iterator, Mapping

from analysis.exhibits.common.text import listed
from analysis.rendering.table_formats import markdown_escape
from analysis.replication.claim import OUR_READING, Claim, Section
from analysis.replication.claims import SECTIONS, SUPPLEMENT
from analysis.replication.cut_down import cut_down
from analysis.replication.every_row import every_row
from analysis.replication.evidence import Evidence
from analysis.replication.main_paper import MAIN
from analysis.replication.provenance import made_of, not_run, setting
from analysis.replication.rules import HOLDS, IN_PART, NOT_HERE, NOT_RUN, RULES, VERDICTS, Finding
from analysis.replication.runs import COMMAND
from analysis.replication.verdict import LEAST_PAIRS, judged

FOLDER = "replication"  # of the pictures and the numbers, beside the page

_HEAD = f"""\
# What of the paper replicates

Every claim and printed statistic of Cheon & Paik ([Nature Machine Intelligence 8, 602–613, \
2026](https://doi.org/10.1038/s42256-026-01215-x)), and what this service measures of it at the \
paper's own sizes. `{COMMAND}` measures it and makes this page again; stopped at any moment, the \
same command goes on. FOLDER holds `cifar10.npz` and `svhn.npz` with Keras's keys. What was \
measured comes from rows of tables that exhibits make of records in MLflow; \
[numbers.json](replication/numbers.json) has them all, with the study's run, and what is said of \
them is computed from that file alone. The paper's numbers, the hours and what differs from its \
setting are written down by hand.
"""

_RULES = """\
## The rule

It was fixed before the numbers below were measured, and is computed
([rules.py](../analysis/replication/rules.py)).

"""

_OVER = (
    "A claim over several conditions holds where it does in all of them, and in part where it "
    f"does, wholly or in part, in at least half. A verdict takes {LEAST_PAIRS} pairs of every "
    "condition; with fewer a claim counts as not run. “Does not hold here” is what these pairs "
    "show on these data; an interval with zero in it leaves the sign open, and that is said. No "
    "test is corrected for how many there are, for the paper's are not; a claim of “every pair” is "
    "the stricter one. “Our reading” marks what the paper shows in a picture alone, without a "
    "sentence or a number that says which way, or says of another network."
)


def render(evidence: Evidence) -> str:
    """The page as Markdown."""
    found = {id(claim): judged(claim, evidence) for claim in _claims(SECTIONS)}
    parts = [
        _HEAD,
        _RULES + "\n".join(f"- {rule.said}" for rule in RULES) + f"\n\n{_OVER}\n",
        _summary(found),
        _of_ours(found),
        "## The figures\n",
        *(_section(section, found, evidence) for section in MAIN),
        "## The supplement\n",
        *(_section(section, found, evidence) for section in SUPPLEMENT),
        *cut_down(evidence),
        not_run(evidence),
        setting(evidence),
        made_of(evidence),
    ]
    return "\n".join(parts)


def _claims(sections: Iterable[Section]) -> Iterator[Claim]:
    return (claim for section in sections for claim in section.claims)


def _summary(found: Mapping[int, Finding]) -> str:
    """How many claims have which verdict, and in which exhibits."""
    lines = [f"## In short\n\nOf {len(found)} claims\n"]
    for verdict in VERDICTS:
        where = [
            f"{section.exhibit} ({count} of {len(section.claims)})"
            for section in SECTIONS
            if (count := sum(found[id(c)].verdict == verdict for c in section.claims))
        ]
        count = sum(finding.verdict == verdict for finding in found.values())
        lines.append(f"- **{count} {_PLURAL[verdict]}**{': ' if where else ''}{'; '.join(where)}.")
    return "\n".join(lines) + "\n"


def _of_ours(found: Mapping[int, Finding]) -> str:
    """How many of the claims are our reading of the paper, and what became of them."""
    ours = [found[id(c)].verdict for c in _claims(SECTIONS) if OUR_READING in c.paper]
    counts = [f"{ours.count(verdict)} {_PLURAL[verdict]}" for verdict in VERDICTS]
    return f"Of these, {len(ours)} are our reading: {listed(counts)}.\n"


_PLURAL = {
    HOLDS: "hold",
    IN_PART: "hold in part",
    NOT_HERE: "do not hold here",
    NOT_RUN: "were not run",
}


def _section(section: Section, found: Mapping[int, Finding], evidence: Evidence) -> str:
    lines = [
        f"### {section.exhibit}: {section.title}\n",
        "| Claim | The paper | Here | Pairs | Verdict |",
        "| :--- | :--- | :--- | ---: | :--- |",
        *(_row(claim, found[id(claim)]) for claim in section.claims),
        "",
    ]
    remarks = [
        f"{claim.says}: {remark[0].lower()}{remark[1:]}"
        for claim in section.claims
        if (remark := found[id(claim)].remark)
    ]
    said = [*remarks, *(text for note in section.notes if (text := note.said(evidence)))]
    if said:
        lines += [*(f"- {markdown_escape(text)}" for text in said), ""]
    if section.listed is not None and (rows := evidence.rows(section.listed)):
        lines += [every_row(rows)]
    for picture in section.pictures:
        title = evidence.title(picture)
        if title is not None:
            lines += [f"![{markdown_escape(title)}]({FOLDER}/{picture.file})\n"]
    return "\n".join(lines)


def _row(claim: Claim, finding: Finding) -> str:
    cells = (claim.says, claim.paper, finding.here, finding.pairs)
    return f"| {' | '.join(map(markdown_escape, cells))} | **{finding.verdict}** |"
