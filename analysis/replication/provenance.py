"""Of the page: what it is made of, what differs from the paper's setting, and what is left."""

from analysis.exhibits.common.text import plural
from analysis.rendering.table_formats import markdown_escape
from analysis.replication.evidence import Evidence, Measured
from analysis.replication.runs import CUT_SCALE, RUNS, SCALE

_SETTING = """\
- 1,000 of the 50,000 training images are kept apart for validation and are never trained on. The
  10,000 test images of CIFAR-10 are all used, and so are 10,000 of SVHN, unless it is learnt from.
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
  0.482, 0.447 and 0.245, 0.243, 0.261, of the original 0.491, 0.482, 0.447 and 0.247, 0.243, 0.262.
"""

_HALVES = "svhn-halves"  # of a name: test images, of which one half serves as training images
_HALVED = """\
- SVHN as training data is the first half of its test images, for want of others, and is tested on
  the second. Its own mean and s.d. normalise it, and CIFAR-10.
"""
_HALVED_DIGEST = "36ba9359907e"  # of 10,000 test images
_SAME_4_000 = """\
- Of half of 10,000 images of SVHN there remain, with 1,000 for validation, the same 4,000 for every
  network: pairs differ in weights, noise and order alone.
"""


def not_run(evidence: Evidence) -> str:
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
            lines.append(f"| {named} | {left} | `{run.command}` | {hours} |")
    return "\n".join(lines) + "\n"


def _left(known: Measured | None, pairs: int) -> str:
    if known is None:
        return "all"
    if known.pairs < pairs:
        return f"pairs {known.pairs + 1} to {pairs}"
    lost = known.missing + known.failed
    return f"{lost} of {known.trials} trials" if lost else ""


def setting(evidence: Evidence) -> str:
    """What is not as in the paper, with what is known of the images by their digest."""
    data = [known.data for known in evidence.studies.values()]
    parts = (
        _JPEG if any(_JPEG_DIGEST in name for name in data) else "",
        _SETTING,
        _HALVED if any(name.startswith(_HALVES) for name in data) else "",
        _SAME_4_000 if any(_HALVED_DIGEST in name for name in data) else "",
    )
    return f"## What differs from the paper's setting\n\n{''.join(parts)}"


def made_of(evidence: Evidence) -> str:
    lines = [
        "## What this is made of\n",
        f"Scale `{SCALE}` of each study, `{CUT_SCALE}` of what is cut down. Seconds are those of "
        "one core (a warm-up that trials share counts once); a trial that two studies have in "
        "common was run once, and counts in both.\n",
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
    planned = {(run.key, run.scale) for run in RUNS}
    found = {(key, known.scale) for key, known in evidence.studies.items()}
    others = ", ".join(sorted({scale for _, scale in found - planned}))
    if others:
        lines += ["", f"**Not the paper's scale, but {others}: no replication.**"]
    return "\n".join(lines) + "\n"


def _short(commit: str) -> str:
    """Ten digits, and whether files differed from it."""
    digits, plus, changes = commit.partition("+")
    return f"{digits[:10]}{plus}{changes}"
