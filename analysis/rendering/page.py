"""The report's page: one HTML file that needs no other, no network and no script."""

import importlib.metadata
import re
from collections.abc import Sequence
from datetime import UTC, datetime

from markupsafe import Markup

from analysis.exhibits.common.exhibit import Drawing, Exhibit, pairs_planned
from analysis.rendering import template
from analysis.rendering.findings import found
from analysis.rendering.table_formats import to_html
from analysis.results.study_results import OUTCOMES, StudyResults

FIRST = ("verdict", "at_a_glance")  # the page begins with the one that the study has


def render_page(results: StudyResults, exhibits: Sequence[Exhibit], svg: dict[str, bytes]) -> str:
    """The page; svg: a figure's name → its file."""
    return template("report.html.j2").render(
        plan=results.plan,
        pairs_planned=pairs_planned(results),
        findings=found(results),
        exhibits=exhibits,
        first=next((one for one in exhibits if one.name in FIRST), None),
        picture=_picture(exhibits),
        svg={name: _inline(file) for name, file in svg.items()},
        trials=results.trials,
        commits=[commit[:12] for commit in results.commits],
        counts={outcome: results.count(outcome) for outcome in OUTCOMES},
        unfinished=[t for t in results.trials if t.outcome != "finished"],
        provenance=_provenance(results),
        to_html=to_html,
    )


def _picture(exhibits: Sequence[Exhibit]) -> Drawing | None:
    """The study's main one: the first of the first exhibit that has any."""
    return next((drawing for exhibit in exhibits for drawing in exhibit.figures), None)


def _inline(svg: bytes) -> Markup:
    """A Matplotlib SVG as an element of an HTML page: no prologue, metadata or namespaces."""
    text = svg.decode("utf-8")
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, count=1, flags=re.DOTALL)
    text = re.sub(r'\sxmlns(:\w+)?="[^"]*"', "", text)
    return Markup(text.replace("xlink:href", "href"))  # Matplotlib escapes what texts it holds


def _provenance(results: StudyResults) -> dict[str, str]:
    plan, records = results.plan, [t.record for t in results.trials if t.record]
    versions = {name for record in records for name in record.versions.items()}
    finished = [record.finished_at for record in records]
    rows = {
        "Trained by commit": ", ".join(results.commits),
        "Launched by commit": plan.commit,
        "MLflow run": results.parent_run_id,
        "Launched": results.launched_at,
        "Trials finished": f"{_when(min(finished))} to {_when(max(finished))}" if finished else "",
        "Training time": _duration(sum(float(r.seconds.get("total", 0)) for r in records)),
        "Devices": ", ".join(sorted({record.device for record in records})),
        "Versions": ", ".join(f"{name} {version}" for name, version in sorted(versions)),
        "Statistics by": ", ".join(
            f"{name} {importlib.metadata.version(name)}" for name in ("scipy", "numpy")
        ),
        "Report made": _when(datetime.now(UTC).timestamp()),
    }
    return {name: text for name, text in rows.items() if text}


def _when(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _duration(seconds: float) -> str:
    """Time as a person says it: 42 s, 12 min, 3.5 h; of all trials, one after another."""
    if seconds < 90:
        return f"{seconds:.0f} s in all"
    return f"{seconds / 60:.0f} min in all" if seconds < 5400 else f"{seconds / 3600:.1f} h in all"
