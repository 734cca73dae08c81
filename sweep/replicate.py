"""The paper at its own scale, and a page of what replicates: `python -m sweep.replicate FOLDER`.

Every study that two CPU cores can finish is launched in turn, the cheap and central ones first, and
the others cut down; what is finished is left alone, so that the same command goes on after it was
stopped. With a GPU the others are run whole. After every study the page is made anew, of all that
there is by then.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from analysis.replication.runs import SCALE
from sweep.cli.arguments import Parser, add_storage, add_tracking, share
from sweep.cli.main import run_command, set_tracking
from sweep.cli.terminal import terminal
from sweep.options import Resources
from sweep.storage.location import location_of
from sweep.storage.writable import check_working_folder

if TYPE_CHECKING:  # slow to import, and --help needs none of it
    from argparse import Namespace

DESCRIPTION = """\
Hold the paper against what is measured at its own scale, and say so on one page.

  python -m sweep.replicate images/
      all that two CPU cores can finish, and the rest cut down to what they can; FOLDER has
      cifar10.npz and svhn.npz, with Keras's keys
  python -m sweep.replicate images/ --dry-run
      what is left of each study, and how long it takes
  python -m sweep.replicate images/ --only calibration --only little_data
      these alone
  python -m sweep.replicate images/ --page
      the page again, of what there is; nothing is run
  python -m sweep.replicate images/ --gpus-per-trial 1 --download
      the convolutional networks, fine-tuning and the other data sets, too"""

EPILOG = """\
The page is reports/replication.md, its numbers and pictures are in reports/replication/. With
--page --out DIR what is here joins the page in DIR, which keeps each study that it has more of.
exit codes: 0 all is well, 1 some trial or study failed, 2 bad input, 130 interrupted: the same
command goes on"""


def main(arguments: Sequence[str] | None = None) -> int:
    return run_command(
        "replicate", lambda: _replicate(_parser().parse_args(arguments)), only_prints=False
    )


def _replicate(asked: "Namespace") -> int:
    set_tracking(asked.tracking_uri)
    if not asked.dry_run:
        check_working_folder()
    from sweep.dispatch import launch_study
    from sweep.run.replication import Asked, replicate

    return replicate(
        Asked(
            images=asked.images,
            only=tuple(asked.only),
            scale=asked.scale,
            storage=location_of(asked.storage),
            resources=Resources(gpus=asked.gpus_per_trial),
            out=asked.out,
            download=asked.download,
            dry_run=asked.dry_run,
            page_only=asked.page,
        ),
        terminal(),
        launch_study,
    )


def _parser() -> Parser:
    parser = Parser("python -m sweep.replicate", DESCRIPTION, EPILOG)
    add = parser.add_argument
    add("images", metavar="FOLDER", type=Path, help="with cifar10.npz and svhn.npz")
    add("--only", action="append", default=[], metavar="STUDY", help="repeatable; default: all")
    add("--page", action="store_true", help="make the page of what there is; run nothing")
    add("--dry-run", action="store_true", help="show what is left and end; nothing is written")
    add("--scale", default=SCALE, help=f"smoke, to see that everything runs; default: {SCALE}")
    add("--out", type=Path, default=Path("reports"), metavar="DIR", help="default: reports")
    add(
        "--gpus-per-trial",
        type=share,
        default=0.0,
        metavar="SHARE",
        help="run the studies that need a GPU, too; default: 0",
    )
    add("--download", action="store_true", help="run what needs other data or weights, too")
    add_tracking(parser)
    add_storage(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
