"""One page for several studies: what each found, its figures, and the way to its report.

The page and copies of the reports lie in one folder, with relative links only: it can be moved,
served, or kept as artifacts of an MLflow run.
"""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from analysis.rendering import template
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
    html = template("index.html.j2").render(title=title, answers=answers, studies=entries)
    page.write_text(html, "utf-8")
    return page
