"""One page for several studies: what each found, its figures, and the way to its report.

The page and copies of the reports lie in one folder, with relative links only: it can be moved,
served, or kept as artifacts of an MLflow run.
"""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from analysis.rendering.report import CONTENTS


def write_index(title: str, answers: str, reports: Sequence[Path], folder: Path) -> Path:
    """Copy the reports into `folder`, a sub-folder each, and write its index; the page's path.

    Args:
        reports: the reports' own folders, in the order they are shown in.
    """
    folder.mkdir(parents=True, exist_ok=True)
    entries = []
    for report in reports:
        contents = json.loads((report / CONTENTS).read_text("utf-8"))
        name = contents["study"]
        shutil.copytree(report, folder / name, dirs_exist_ok=True)
        entries.append(contents | {"folder": name})
    page = folder / "index.html"
    page.write_text(_render(title, answers, entries), "utf-8")
    return page


def _render(title: str, answers: str, entries: list[dict[str, Any]]) -> str:
    environment = Environment(
        loader=PackageLoader("analysis"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    template = environment.get_template("index.html.j2")
    return template.render(title=title, answers=answers, studies=entries)
