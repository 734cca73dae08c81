"""Only PyTorch is needed, and nothing of the user's is changed by an import."""

from support import ROOT, run_python

# torch may look for NumPy, and does without; nobody else may import it, or anything else
ALONE = """
import sys
from importlib.metadata import packages_distributions

class OnlyTorch:
    wanted = {"torch", "torchgen", "functorch", "trainables"}
    needed = {"sympy", "mpmath", "jinja2", "markupsafe", "networkx", "fsspec", "filelock"}
    needed |= {"typing_extensions", "triton", "setuptools", "cuda", "nvidia", "pkg_resources"}
    installed = set(packages_distributions()) - wanted - needed | {"analysis", "sweep"}

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in self.installed:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

finders = list(sys.meta_path)
sys.meta_path.insert(0, OnlyTorch())
from torch import nn
from trainables.warm_up import warm_up

model = nn.Sequential(nn.Conv2d(3, 2, 3), nn.Dropout(), nn.Flatten(), nn.Linear(72, 4))
(epoch,) = warm_up(model, input_shape=(3, 8, 8), num_classes=4, noise="pink", examples=16,
                   epochs=1, batch=8, progress=False)
assert epoch["loss"] > 0
assert sys.meta_path[1:] == finders, "the user's own imports are found as before"
"""


def test_pytorch_alone_is_needed(tmp_path):
    ended = run_python("-W", "ignore", "-c", ALONE, cwd=ROOT)
    assert ended.returncode == 0, ended.stderr
