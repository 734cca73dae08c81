"""On what a claim depends: sentences computed from what was measured beside it."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from analysis.exhibits.common.text import listed, number, percent
from analysis.replication.evidence import Evidence, Row, Source
from analysis.replication.rules import change, rank_correlation

Rows = Sequence[Row]


@dataclass(frozen=True)
class Note:
    """A sentence made of rows; it is not said where one of its sources has none."""

    sources: tuple[Source, ...]
    say: Callable[..., str]  # of the rows of each source

    def said(self, evidence: Evidence) -> str:
        found = [evidence.rows(source) for source in self.sources]
        return self.say(*found) if all(found) else ""


def chance_line(study: str, grid: str, where: Mapping[str, Any] | None = None) -> Note:
    """What of the ECE chance alone gives."""
    table, more = f"pairs-{grid}-chance", where or {}
    sources = (
        Source(study, "pairs", table, {"metric": "test_ece", **more}),
        Source(study, "pairs", table, {"metric": "test_ece_chance", **more}),
    )
    return Note(sources, _chance)


def _chance(ece: Rows, chance: Rows) -> str:
    beyond = [sum(row[f"beyond_{arm}"] for row in ece) for arm in ("without", "with")]
    networks = [sum(row["pairs"] for row in ece)] * 2
    if len(ece) > 1 and len({(row["without_mean"], row["without_sd"]) for row in ece}) == 1:
        beyond[0], networks[0] = ece[0]["beyond_without"], ece[0]["pairs"]  # which serve them all
    return (
        f"Chance line: perfectly calibrated networks with these confidences would show an ECE of "
        f"{_range(chance, 'without_mean')} without and {_range(chance, 'with_mean')} with warm-up; "
        f"beyond its 95th percentile lie {beyond[0]} of {networks[0]} networks without and "
        f"{beyond[1]} of {networks[1]} with."
    )


def accuracy(study: str, grid: str) -> Note:
    """Whether better calibration is paid for."""
    return Note((Source(study, "pairs", f"pairs-{grid}-accuracy"),), _accuracy)


def _accuracy(rows: Rows) -> str:
    rose = sum(row["moved_as_the_paper"] for row in rows)
    pairs = sum(row["pairs"] for row in rows)
    return (
        f"Test accuracy is {_range(rows, 'without_mean')} without and {_range(rows, 'with_mean')} "
        f"with warm-up; it rose in {rose} of {pairs} pairs."
    )


def sides(study: str, grid: str, where: Mapping[str, Any] | None = None) -> Note:
    """Whether the networks are too sure, or not sure enough."""
    return Note((Source(study, "pairs", f"pairs-{grid}-gap", where or {}),), _sides)


def _sides(rows: Rows) -> str:
    without, with_ = _of_arm(rows, "without"), _of_arm(rows, "with")
    return f"Mean confidence − accuracy is {without} without and {with_} with warm-up."


def _of_arm(rows: Rows, arm: str) -> str:
    found = [row[f"side_{arm}"] for row in rows]
    of = f" of {len(rows)} conditions"
    counts = [
        f"{name} in {found.count(name)}{of}" if len(rows) > 1 else name
        for name in ("overconfident", "underconfident")
        if name in found
    ]
    said = f" ({listed(counts)})" if counts else ""
    return f"{_range(rows, f'{arm}_mean')}{said}"


def where_it_helps(study: str, grid: str) -> Note:
    """Whether the effect is the larger the more overconfident the networks are without it."""
    sources = (
        Source(study, "pairs", f"pairs-{grid}-gap"),
        Source(study, "pairs", f"pairs-{grid}-chance", {"metric": "test_ece"}),
    )
    return Note(sources, _where_it_helps)


def _where_it_helps(gaps: Rows, ece: Rows) -> str:
    fell = {row["condition"]: row["difference"] for row in ece}
    both = [(row["without_mean"], fell[row["condition"]]) for row in gaps]
    rank = rank_correlation(*zip(*both, strict=True))
    return (
        f"Over the {len(both)} conditions the rank correlation (Spearman's) of mean confidence − "
        f"accuracy without warm-up and of what warm-up changes of ECE is {number(rank, 2)}: "
        f"{'the more' if rank < 0 else 'the less'} overconfident, the further ECE falls."
    )


_METHODS = ("none", "temperature by likelihood")


def temperature(study: str) -> Note:
    """What one number, fitted afterwards, does without any warm-up."""
    source = Source(study, "posthoc", "posthoc-ece", {"method": _METHODS})
    return Note((source,), _temperature)


def _temperature(rows: Rows) -> str:
    by = {row["method"]: row for row in rows}
    if set(by) != set(_METHODS):
        return ""
    plain, scaled = (by[method] for method in _METHODS)
    return (
        "Temperature scaling, fitted by likelihood on half of the test images and measured on the "
        f"other half, brings the control's ECE to {number(scaled['without_mean'])}; warm-up's, "
        f"without it, is {number(plain['with_mean'])} there. After it, warm-up changes ECE by "
        f"{change(scaled)}, down in {scaled['moved_as_the_paper']} of {scaled['pairs']} pairs."
    )


def parts(study: str, grid: str) -> Note:
    """Which part of the warm-up does as well."""
    return Note((Source(study, "controls", f"controls-{grid}-ece"),), _by_part)


def _by_part(rows: Rows) -> str:
    shares = {row["arm"]: row["share"] for row in rows if row["part"] != "all" and "share" in row}
    if not shares:
        return ""
    as_well = [
        row["arm"]
        for row in rows
        if row["part"] != "all" and row.get("interval_low_against_full", 1.0) <= 0
    ]
    each = listed(f"{arm} {percent(share)}" for arm, share in shares.items())
    text = f"Of the effect on ECE at depth 6, n = 4,000, one part alone has: {each}."
    if as_well:
        return f"{text} Not told apart from the whole warm-up, or better: {listed(as_well)}."
    return f"{text} None of them does as well as the whole."


_SCORE = "maximum softmax"


def protocol(study: str) -> Note:
    """Whether the sign of the effect depends on how unseen images are prepared."""
    sources = tuple(
        Source(study, "protocols", f"protocols-{name}", {"method": _SCORE})
        for name in ("normalised", "raw")
    )
    return Note(sources, _protocol)


def _protocol(normalised: Rows, raw: Rows) -> str:
    """Of several conditions each is named once, and again where AUROC rises and the sign turns."""
    several = len(normalised) > 1
    texts = [
        f"{name}: AUROC changes by {_range(rows, 'difference')}{_risen(rows) if several else ''}"
        for name, rows in (("normalised as the others are", normalised), ("raw pixels", raw))
    ]
    over = f" ({_conditions(normalised)})" if several else ""
    which = f"On the half of the images that no score is tuned on{over}, the out-of-distribution"
    return f"{which} ones {'; '.join(texts)}. {_turned(normalised, raw)}"


def _turned(normalised: Rows, raw: Rows) -> str:
    """Whether the sign depends on the protocol, and whether both intervals are clear of zero."""
    of_raw = {row["condition"]: row for row in raw}
    both = [(row, of_raw[row["condition"]]) for row in normalised if row["condition"] in of_raw]
    differ = [(a, b) for a, b in both if a["difference"] * b["difference"] < 0]
    sure = [a for a, b in differ if _side(a) * _side(b) < 0]
    open_ = [a for a, b in differ if _side(a) * _side(b) >= 0]
    if not differ:
        return "The protocol does not turn the sign."
    several = len(both) > 1
    said = []
    if sure:
        said.append(f"The protocol turns the sign{f', at {_conditions(sure)}' if several else ''}.")
    if open_:
        where = f" at {_conditions(open_)}" if several else ""
        said.append(f"The means differ in sign{where}, but an interval has zero in it.")
    return " ".join(said)


def _side(row: Row) -> int:
    """On which side of zero the interval of the difference lies; 0: it has zero in it."""
    return int(row.get("interval_low", 0.0) > 0) - int(row.get("interval_high", 0.0) < 0)


def _risen(rows: Rows) -> str:
    rose = [row for row in rows if row["difference"] > 0]
    where = f"up at {_conditions(rose)}" if rose else "up in none"
    up, down = (sum(_side(row) == way for row in rows) for way in (1, -1))
    return f", {where}, clearly up in {up} and clearly down in {down} of {len(rows)} conditions"


def _conditions(rows: Rows) -> str:
    return listed(map(_condition, rows))


def _condition(row: Row) -> str:
    """Such as: depth 6 with 4,000 examples."""
    sized = re.sub(r"examples (\d+)", lambda n: f"{int(n[1]):,} examples", str(row["condition"]))
    return sized.replace(", ", " with ", 1)


def extremes(source: Source) -> Note:
    """Where the effect is largest and where it is smallest."""
    return Note((source,), _extremes)


def _extremes(rows: Rows) -> str:
    ends = sorted(rows, key=lambda row: float(row["difference"]))
    largest, smallest = (
        f"{_condition(row)} (Δ {number(row['difference'])})" for row in (ends[0], ends[-1])
    )
    return f"ECE falls most at {largest}, least at {smallest}."


def spreads(study: str) -> Note:
    """What of a layer's outputs is measured, and how it changes."""
    return Note((Source(study, "layers", "layers", {"metric": "output_std"}),), _spreads)


def _spreads(rows: Rows) -> str:
    ratios = ", ".join(number(row["ratio"], 2) for row in sorted(rows, key=lambda r: r["number"]))
    return (
        "Measured is the s.d. of what each linear layer gives to test images, before batch "
        f"normalisation and ReLU: after the warm-up it is {ratios} times what it was, from the "
        "first layer to the last."
    )


def batch_statistics(study: str, grid: str) -> Note:
    """What the statistics of batch normalisation do without any step of the weights."""
    source = Source(study, "controls", f"controls-{grid}-ece", {"part": "statistics"})
    return Note((source,), _statistics)


def _statistics(rows: Rows) -> str:
    row = rows[0]
    share = f", {percent(row['share'])} of the effect" if "share" in row else ""
    return (
        "Filling the statistics of batch normalisation from noise, without a step of the weights, "
        f"changes ECE by {number(row['difference_against_control'])}{share}."
    )


def enough(study: str, grid: str) -> Note:
    """How much warm-up is enough."""
    return Note((Source(study, "overhead", f"overhead-{grid}-enough"),), _enough)


def _enough(rows: Rows) -> str:
    most = [row for row in rows if row.get("share_of_effect", 0.0) >= 0.9]
    least = min(rows, key=lambda row: row["level"])
    text = f"{least['level']:,} examples"
    share = f" have {percent(least['share_of_effect'])} of" if "share_of_effect" in least else ""
    said = f"{text}{share} the effect of {least['largest']:,}." if share else ""
    if not most:
        return f"No shorter warm-up has nine tenths of the effect. {said}".strip()
    first = min(row["level"] for row in most)
    return f"From {first:,} examples on there is nine tenths of the effect. {said}".strip()


def _range(rows: Rows, column: str) -> str:
    values = [row[column] for row in rows]
    low, high = number(min(values)), number(max(values))
    return low if low == high else f"{low} to {high}"
