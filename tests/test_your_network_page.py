"""docs/your-network.md, from an empty folder on: every block is run, in its order."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BLOCKS = re.findall(
    r"```(python|sh)\n(.*?)```", (ROOT / "docs/your-network.md").read_text("utf-8"), re.DOTALL
)


def test_the_page_has_commands_and_code():
    assert [kind for kind, _ in BLOCKS].count("sh") == 3
    assert "def make(" in BLOCKS[0][1]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_every_block_does_what_the_page_says(tmp_path):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join((str(tmp_path), str(ROOT)))}
    environment.pop("MLFLOW_TRACKING_URI", None)
    (tmp_path / "my_net.py").write_text(BLOCKS[0][1], "utf-8")
    said = []
    for kind, block in BLOCKS[1:]:
        words = ["-c", block] if kind == "python" else shlex.split(block)[1:]
        done = subprocess.run(
            [sys.executable, *words],
            cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{block}\n{done.stdout}{done.stderr}"
        said.append(done.stdout)
    assert "Looks" in said[0]
    assert "reports/assess/smoke-digits/index.html" in said[1]
    page = (tmp_path / "reports/assess/smoke-digits/index.html").read_text("utf-8")
    assert "What each remedy makes of the network" in page
    assert (tmp_path / "warm.safetensors").exists()
