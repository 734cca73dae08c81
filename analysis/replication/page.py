"""The page: the paper's claims beside what was measured, from the evidence alone.

The same evidence gives the same page, byte for byte. What was not measured stands as not run, with
the command that measures it and the hours that takes.
"""

from collections.abc import Iterable, Iterator, Mapping

from analysis.exhibits.common.text import plural
from analysis.rendering.table_formats import markdown_escape
from analysis.replication.claim import Claim, Section
from analysis.replication.claims import SECTIONS
from analysis.replication.evidence import Evidence, Measured
from analysis.replication.main_paper import MAIN
from analysis.replication.rules import (
    HOLDS,
    IN_PART,
    NOT_HERE,
    NOT_RUN,
    RULES,
    VERDICTS,
    Finding,
    pair_count,
)
from analysis.replication.runs import COMMAND, RUNS, SCALE
from analysis.replication.supplement import SUPPLEMENT

LEAST_PAIRS = 4  # of every condition, for a verdict
FOLDER = "replication"  # of the pictures and the numbers, beside the page

_HEAD = f"""\
# What of the paper replicates

Every claim and printed statistic of Cheon & Paik ([Nature Machine Intelligence 8, 602–613, \
2026](https://doi.org/10.1038/s42256-026-01215-x)), and what this service measures of it at the \
paper's own sizes. `{COMMAND}` measures it and makes this page again; stopped at any moment, the \
same command goes on. FOLDER holds `cifar10.npz` and `svhn.npz` with Keras's keys. Every number on \
this page is a row of a table that an exhibit makes of records in MLflow; \
[numbers.json](replication/numbers.json) has them all, with the study's run, and the page is made \
of that file alone.
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
    "the stricter one."
)

_SETTING = """\
- 1,000 of the 50,000 training images are kept apart for validation and are never trained on. The
  10,000 test images are all used, and so are 10,000 test images of SVHN.
- SVHN is normalised as CIFAR-10 is, unless a row says that it is shown as raw pixels.
- Outputs before training are measured on 9,000 training images of the first k classes, all that two
  of them have, where the paper has 50,000.
- Networks of a pair share weights, images and the order of mini-batches; so do all conditions of a
  seed. A control serves every condition of its seed.
- ECE has ten bins of equal width, the last one closed, and a bin's mean confidence.
- The lists of noise distributions, of strengths and of warm-up lengths, depth and data size of the
  loss landscapes, and all of feedback alignment but its rule are not stated in the paper: ours.
- Where the paper has 30 networks and a row has fewer pairs, that is for want of time; the intervals
  are wider for it.
"""

_JPEG_DIGEST = "8ce4519f7576"  # of a copy of CIFAR-10
_JPEG = """\
- The images are no original pixels. CIFAR-10 is a copy that was stored as JPEG, and SVHN was put
  through the same quantisation, lest its artefacts alone tell the two apart (AUROC 0.69): small
  changes of every pixel, the same in both arms. Means and s.d. of CIFAR-10's channels are 0.491,
  0.482, 0.447 and 0.245, 0.243, 0.261, of the original 0.491, 0.482, 0.447 and 0.247, 0.244, 0.262.
"""


def render(evidence: Evidence) -> str:
    """The page as Markdown."""
    found = {id(claim): judged(claim, evidence) for claim in _claims(SECTIONS)}
    parts = [
        _HEAD,
        _RULES + "\n".join(f"- {rule.said}" for rule in RULES) + f"\n\n{_OVER}\n",
        _summary(found),
        "## The figures\n",
        *(_section(section, found, evidence) for section in MAIN),
        "## The supplement\n",
        *(_section(section, found, evidence) for section in SUPPLEMENT),
        _not_run(evidence),
        _setting(evidence),
        _made_of(evidence),
    ]
    return "\n".join(parts)


def judged(claim: Claim, evidence: Evidence) -> Finding:
    """The verdict on a claim."""
    rows = evidence.rows(claim.source)
    if not rows:
        return Finding(NOT_RUN, "—", "—")
    found = claim.rule.judge(rows)
    if min(map(pair_count, rows)) < LEAST_PAIRS:
        few = f"fewer than {LEAST_PAIRS} pairs so far: no verdict."
        return found._replace(verdict=NOT_RUN, remark=few)
    return found


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
    for picture in section.pictures:
        title = evidence.title(picture)
        if title is not None:
            lines += [f"![{markdown_escape(title)}]({FOLDER}/{picture.file})\n"]
    return "\n".join(lines)


def _row(claim: Claim, finding: Finding) -> str:
    cells = (claim.says, claim.paper, finding.here, finding.pairs)
    return f"| {' | '.join(map(markdown_escape, cells))} | **{finding.verdict}** |"


def _not_run(evidence: Evidence) -> str:
    """What is left, by which command, and how long it takes."""
    lines = [
        "## What was not run, or not to its end\n",
        "| Study | Left | Command | About |",
        "| :--- | :--- | :--- | ---: |",
    ]
    for run in RUNS:
        left = _left(evidence.studies.get(run.key), run.pairs)
        if left:
            hours = f"{run.hours:g} h on {'one GPU' if run.gpu else 'two cores'}"
            named = f"{markdown_escape(run.key)}, {plural(run.pairs, 'pair')}"
            left += f"; needs {run.needs}" if run.needs else ""
            lines.append(f"| {named} | {left} | `{run.command}` | {hours} |")
    return "\n".join(lines) + "\n"


def _left(known: Measured | None, pairs: int) -> str:
    if known is None:
        return "all"
    if known.pairs < pairs:
        return f"pairs {known.pairs + 1} to {pairs}"
    lost = known.missing + known.failed
    return f"{lost} of {known.trials} trials" if lost else ""


def _setting(evidence: Evidence) -> str:
    """What is not as in the paper, with what is known of the images by their digest."""
    from_jpeg = any(_JPEG_DIGEST in known.data for known in evidence.studies.values())
    return f"## What differs from the paper's setting\n\n{_JPEG if from_jpeg else ''}{_SETTING}"


def _made_of(evidence: Evidence) -> str:
    lines = [
        "## What this is made of\n",
        f"Scale `{SCALE}` of each study. Seconds are those of one core (a warm-up that trials "
        "share counts once); a trial that two studies have in common was run once, and counts in "
        "both.\n",
        "| Study | Run | Data (digest) | Unseen (digest) | Trials | Diverged, failed, missing | "
        "Commit | Seconds |",
        "| :--- | :--- | :--- | :--- | ---: | ---: | :--- | ---: |",
    ]
    for key, known in evidence.studies.items():
        cells = (
            key,
            known.run[:8],
            known.data,
            known.ood,
            f"{known.finished} of {known.trials}",
            f"{known.diverged}, {known.failed}, {known.missing}",
            ", ".join(map(_short, known.commits)),
            f"{known.seconds:,.0f}",
        )
        lines.append(f"| {' | '.join(map(markdown_escape, cells))} |")
    if not evidence.studies:
        lines.append("| nothing was run | | | | | | | |")
    scales = sorted({known.scale for known in evidence.studies.values()} - {SCALE})
    if scales:
        lines += ["", f"**Not the paper's scale, but {', '.join(scales)}: no replication.**"]
    return "\n".join(lines) + "\n"


def _short(commit: str) -> str:
    """Ten digits, and whether files differed from it."""
    digits, plus, changes = commit.partition("+")
    return f"{digits[:10]}{plus}{changes}"
