"""The verdict on a claim, from the rows that it is about."""

from dataclasses import replace

from analysis.exhibits.common.text import listed
from analysis.replication.claim import Claim
from analysis.replication.evidence import Evidence
from analysis.replication.rules import NOT_RUN, Finding, pair_count

LEAST_PAIRS = 4  # of every condition, for a verdict


def judged(claim: Claim, evidence: Evidence, study: str | None = None) -> Finding:
    """The verdict on a claim.

    Args:
        study: a run's key, in place of the claim's own.
    """
    source = replace(claim.source, study=study or claim.source.study)
    rows = evidence.rows(source)
    if not rows:
        return Finding(NOT_RUN, "—", "—")
    found = claim.rule.judge(rows)
    lacking = evidence.lacking(source)
    if lacking:
        without = f"no pair so far of {listed(lacking)}: no verdict."
        return found._replace(verdict=NOT_RUN, remark=without)
    if min(map(pair_count, rows)) < LEAST_PAIRS:
        few = f"fewer than {LEAST_PAIRS} pairs so far: no verdict."
        return found._replace(verdict=NOT_RUN, remark=few)
    return found
