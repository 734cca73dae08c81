"""Take a network home: `python -m sweep.export STUDY --condition gaussian -o warm.safetensors`.

The study is planned as a launch plans it, with the same options. `--at start` needs no launch: the
warmed-up network is taken from storage, or made anew.
"""

import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from sweep.cli.arguments import Parser, add_plan, add_storage, add_tracking, count
from sweep.cli.launch_arguments import plan_options
from sweep.cli.main import run_command, set_tracking
from sweep.errors import InputError

DESCRIPTION = """\
Write the weights of one of a study's networks to a file, under the network's own names.

  python -m sweep.export noise_ablation --condition gaussian -o warm.safetensors
      the warmed-up network of the first pair, as its task takes it
  python -m sweep.export noise_ablation --condition gaussian --arm control -o first.safetensors
      the same network's first weights
  python -m sweep.export my_study.yaml --set 'probes=[weights]' --at end -o last.safetensors
      after the task, of a study that was launched with the same option

and in a training script

  model.load_state_dict(safetensors.torch.load_file("warm.safetensors"))"""

EPILOG = """\
exit codes: 0 written, 1 something failed, 2 bad input, 130 interrupted"""


def main(arguments: Sequence[str] | None = None) -> int:
    return run_command("export", lambda: _export(_parser().parse_args(arguments)))


def _export(asked: Namespace) -> int:
    to = Path(asked.output).expanduser()
    if to.suffix != ".safetensors":
        raise InputError(f"-o {to}: give a name that ends in .safetensors")
    if not to.parent.is_dir():
        raise InputError(f"-o {to}: there is no folder {to.parent}; make it first")
    set_tracking(asked.tracking_uri)
    options = plan_options(asked)
    # late: PyTorch takes a second to import
    from sweep.inputs.resolve import plan_study
    from sweep.plan.study import load_study
    from sweep.run.export import Asked, export
    from sweep.storage.location import open_storage

    study = load_study(asked.study)
    if study.search is not None:
        raise InputError(f"{study.name} is a search; export from the study it ends in, best.yaml")
    plan, resolver = plan_study(study, options)
    wanted = Asked(asked.condition, asked.replicate, asked.arm, asked.at)
    print(export(plan, resolver, open_storage(options.storage), wanted, to))
    return 0


def _parser() -> Parser:
    parser = Parser("python -m sweep.export", DESCRIPTION, EPILOG)
    add = parser.add_argument
    add("study", metavar="STUDY", help="as it was launched: a name, or a file")
    add("--condition", metavar="NAME", help="as tables show it; where there is one, left out")
    add("--replicate", type=count, default=0, metavar="N", help="from 0; default: 0")
    add("--arm", choices=("warmup", "control"), default="warmup", help="default: warmup")
    add("--at", choices=("start", "end"), default="start", help="of the task; default: start")
    add("-o", "--output", required=True, metavar="FILE", help="such as warm.safetensors")
    add_plan(parser.add_argument_group("what was launched"))
    kept = parser.add_argument_group("where results are kept")
    add_tracking(kept)
    add_storage(kept)
    parser.set_defaults(search_storage=None, log=None)
    return parser


if __name__ == "__main__":
    sys.exit(main())
