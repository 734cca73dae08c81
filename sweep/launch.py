"""Run a study from its file to its report: `python -m sweep.launch noise_ablation`.

Launching is idempotent. It plans the study's trials, asks MLflow which are finished, and does the
rest: what other studies have run is adopted, what is stored is published, what is left is run.
After a crash, with more replicates, after an outage: the same command finishes the work.
"""

import sys
from collections.abc import Sequence

from sweep.cli.launch_arguments import parse_options
from sweep.cli.main import run_command, set_tracking
from sweep.cli.terminal import terminal
from sweep.options import Options
from sweep.run.events import logged
from sweep.storage.writable import check_working_folder


def main(arguments: Sequence[str] | None = None) -> int:
    return run_command("launch", lambda: _logged(parse_options(arguments)), only_prints=False)


def _logged(options: Options) -> int:
    """The launch; the end of its log says how it ended."""
    written = None if options.list_studies or options.dry_run else options.log
    return logged(written, lambda: _launch(options))


def _launch(options: Options) -> int:
    if options.list_studies:
        from sweep.cli.studies import list_studies

        list_studies(terminal(), options.study)
        return 0
    set_tracking(options.tracking_uri)
    if not options.dry_run:
        check_working_folder()
    from sweep.dispatch import launch

    return launch(options, terminal())


if __name__ == "__main__":
    sys.exit(main())
