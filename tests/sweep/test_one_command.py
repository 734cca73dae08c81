"""`warmup-sweep COMMAND` is `python -m` of the command's module."""

import tomllib
from importlib import import_module

import pytest
from support import ROOT

from sweep.__main__ import COMMANDS, main


def test_the_installed_name_is_this_function():
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["scripts"]
    module, name = scripts["warmup-sweep"].split(":")
    assert getattr(import_module(module), name) is main


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_passed_its_words_and_helps(name, capsys):
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    assert f"python -m {COMMANDS[name][0]}" in capsys.readouterr().out


@pytest.mark.parametrize("words", [[], ["-h"], ["--help"]])
def test_alone_it_names_them_all(words, capsys):
    assert main(words) == 0
    shown = capsys.readouterr().out
    assert all(f"  {name} " in shown for name in COMMANDS)


def test_what_is_no_command_is_refused_in_one_line(capsys):
    assert main(["lanch", "noise_ablation"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line == "warmup-sweep: 'lanch' is no command; did you mean 'launch'?"
