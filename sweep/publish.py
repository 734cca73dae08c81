"""Send MLflow what it has missed of a study, without running anything and without Ray.

    python -m sweep.publish noise_ablation

The study is planned as a launch plans it, with the same options; of its trials, those whose record
is stored and that MLflow lacks are published, and the report is made again. Where trials are left
to run the study's run keeps the status that its launch gave it.
"""

import sys
from collections.abc import Sequence

from sweep.cli.arguments import Parser, add_kept, add_plan
from sweep.cli.launch_arguments import plan_options
from sweep.cli.main import run_command, set_tracking
from sweep.cli.terminal import terminal
from sweep.options import Options
from sweep.run.events import logged
from sweep.storage.writable import check_working_folder

DESCRIPTION = """\
Send MLflow what it has missed of a study: trials that ran while it did not answer. Nothing is run.

  python -m sweep.publish noise_ablation
      after an outage; the study and its options as they were launched
  python -m sweep.publish noise_ablation --replicates 30 --data npz:mine.npz
      of a launch with options
  python -m sweep.publish noise_ablation --storage copied --tracking-uri http://HOST:5000
      records that another machine has left, into an MLflow of your own"""

EPILOG = """\
exit codes: 0 MLflow has all that is stored, 1 something could not be published, 2 bad input,
130 interrupted: the same command goes on"""


def main(arguments: Sequence[str] | None = None) -> int:
    def carry_out() -> int:
        options = plan_options(_parser().parse_args(arguments))
        return logged(options.log, lambda: _publish(options))

    return run_command("publish", carry_out, only_prints=False)


def _publish(options: Options) -> int:
    set_tracking(options.tracking_uri)
    check_working_folder()
    from sweep.dispatch import publish

    return publish(options, terminal())


def _parser() -> Parser:
    parser = Parser("python -m sweep.publish", DESCRIPTION, EPILOG)
    parser.add_argument("study", metavar="STUDY", help="as it was launched: a name, or a file")
    add_plan(parser.add_argument_group("what was launched"))
    add_kept(parser.add_argument_group("where results are kept"))
    return parser


if __name__ == "__main__":
    sys.exit(main())
