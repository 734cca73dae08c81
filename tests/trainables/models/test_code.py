"""A factory is known by all of the user's code that it is made of, on every node alike."""

import hashlib
import importlib
import importlib.metadata
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support import ROOT, refused

from trainables.models import code
from trainables.models.code import code_digest
from trainables.models.own import NetworkError

NET = "def make(num_classes, input_shape):\n    pass\n"


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    "imports",
    [
        "",
        "import math, torch\nfrom torch import nn\nimport numpy.random\n",
        "import sys\nfrom collections.abc import Mapping\n",
        "from trainables.models.mlp import mlp\nimport analysis.metrics\n",
        "try:\n    import my_absent\nexcept ImportError:\n    pass\n",
    ],
    ids=["nothing", "installed", "library", "this project", "absent"],
)
def test_a_file_that_imports_nothing_of_the_user_s_is_known_by_itself(write, imports):
    path = write(imports + NET)
    assert code_digest("my_net:make") == sha256(path)


def test_the_digest_does_not_hold_the_file_s_place(write):
    write(NET)
    write(NET, "my_other.py")
    assert code_digest("my_other:make") == code_digest("my_net:make")
    write(NET + "# a comment counts, too\n")
    assert code_digest("my_net:make") != code_digest("my_other:make")


def test_the_digest_of_a_package_is_that_of_its_init(write):
    path = write(NET, "my_package/__init__.py")
    assert code_digest("my_package:make") == sha256(path)


IMPORTS = {
    "import my_layers": ["my_layers.py"],
    "import my_layers as layers, math": ["my_layers.py"],
    "from my_layers import thing": ["my_layers.py"],
    "from my_layers import *": ["my_layers.py"],
    "def later():\n    import my_layers": ["my_layers.py"],
    "if False:\n    import my_layers": ["my_layers.py"],
    "import importlib\nimportlib.import_module('my_layers')": ["my_layers.py"],
    "from importlib import import_module\nimport_module('my_layers')": ["my_layers.py"],
    "__import__('my_layers')": ["my_layers.py"],
    "import my_package.deep": ["my_package/__init__.py", "my_package/deep.py"],
    "from my_package import deep": ["my_package/__init__.py", "my_package/deep.py"],
    "from my_package.deep import thing": ["my_package/__init__.py", "my_package/deep.py"],
    "from my_space.inner.deep import thing": ["my_space/inner/deep.py"],  # without any __init__
    "def later():\n    from my_space.inner import deep": ["my_space/inner/deep.py"],
}


@pytest.mark.parametrize(("imports", "files"), IMPORTS.items(), ids=IMPORTS)
def test_whatever_is_imported_from_the_user_s_files_belongs_to_it(write, imports, files):
    for name in ("my_layers.py", "my_package/__init__.py", "my_package/deep.py"):
        write("thing = 1\n", name)
    write("thing = 1\n", "my_space/inner/deep.py")
    write(f"{imports}\n{NET}")
    first = code_digest("my_net:make")
    for name in files:
        write("thing = 2\n", name)
        second = code_digest("my_net:make")
        assert second != first, name
        write("thing = 1\n", name)
    assert code_digest("my_net:make") == first


def test_files_that_the_imported_ones_import_belong_to_it_too(write):
    write("from my_package import one\n" + NET)
    write("", "my_package/__init__.py")
    write("from . import two\nfrom .sub.three import x\n", "my_package/one.py")
    write("import my_net  # in a circle\n", "my_package/two.py")
    write('"""A package."""\n', "my_package/sub/__init__.py")
    write("from ..four import y\nx = y\n", "my_package/sub/three.py")
    write("y = 1\n", "my_package/four.py")
    before = code_digest("my_net:make")
    write("y = 2\n", "my_package/four.py")
    assert code_digest("my_net:make") != before


def test_files_that_do_nothing_do_not_count(write):
    write("", "my_package/__init__.py")
    path = write(NET, "my_package/nets.py")
    assert code_digest("my_package.nets:make") == sha256(path)
    write("# a comment\n", "my_package/__init__.py")
    assert code_digest("my_package.nets:make") == sha256(path)
    write("import math\n", "my_package/__init__.py")
    assert code_digest("my_package.nets:make") != sha256(path)


def test_a_file_that_is_no_python_of_today_counts_as_it_is(write):
    write("try:\n    import my_old\nexcept SyntaxError:\n    pass\n" + NET)
    write("print 'one'\n", "my_old.py")
    before = code_digest("my_net:make")
    write("print 'two'\n", "my_old.py")
    assert code_digest("my_net:make") != before


def test_it_is_the_same_wherever_the_files_lie_and_whatever_was_imported(write, tmp_path):
    write("import my_layers\ndef make():\n    from my_space.inner import deep\n")
    write("x = 1\n", "my_layers.py")
    write("x = 1\n", "my_space/inner/deep.py")
    here = code_digest("my_net:make")
    importlib.import_module("my_space.inner.deep")
    assert code_digest("my_net:make") == here
    elsewhere = tmp_path / "another" / "place"
    elsewhere.mkdir(parents=True)
    for name in ("my_net.py", "my_layers.py"):
        shutil.copy(tmp_path / name, elsewhere)
    shutil.copytree(tmp_path / "my_space", elsewhere / "my_space")
    said = subprocess.run(
        [
            *(sys.executable, "-c"),
            "from trainables.models.code import code_digest; print(code_digest('my_net:make'))",
        ],
        cwd=elsewhere,
        env={"PYTHONPATH": f"{ROOT}:{elsewhere}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.strip() == here


# --- installed packages ------------------------------------------------------------------------


@pytest.fixture
def installed(write, monkeypatch) -> Callable[[str], str]:
    """Install a package of two files, with what `direct_url.json` says; the factory's name."""

    def install(origin: str) -> str:
        site = "my_site/lib/site-packages"
        init = write(
            f"from my_installed.layers import x\n{NET}", f"{site}/my_installed/__init__.py"
        )
        write("x = 1\n", f"{site}/my_installed/layers.py")
        info = f"{site}/my_installed-1.0.dist-info"
        write("Metadata-Version: 2.1\nName: my_installed\nVersion: 1.0\n", f"{info}/METADATA")
        if origin:
            write(origin, f"{info}/direct_url.json")
        monkeypatch.syspath_prepend(init.parents[1])
        return "my_installed:make"

    return install


def test_a_package_from_an_index_is_known_by_its_name_and_version(installed, write):
    name = installed("")
    assert code_digest(name) == hashlib.sha256(b"my_installed==1.0").hexdigest()
    before = code_digest(name)
    write("x = 2\n", "my_site/lib/site-packages/my_installed/layers.py")
    assert code_digest(name) == before


def test_a_package_from_a_commit_is_known_by_that(installed):
    one = code_digest(installed('{"vcs_info": {"commit_id": "1"}}'))
    assert one != code_digest(installed('{"vcs_info": {"commit_id": "2"}}'))


def test_a_package_from_a_folder_is_the_user_s_own(installed, write):
    name = installed('{"dir_info": {}}')
    before = code_digest(name)
    write("x = 2\n", "my_site/lib/site-packages/my_installed/layers.py")
    assert code_digest(name) != before


def test_torchvision_is_known_by_its_version():
    version = importlib.metadata.version("torchvision")
    expected = hashlib.sha256(f"torchvision=={version}".encode()).hexdigest()
    if code._published("torchvision") == f"torchvision=={version}":  # not built from a folder
        assert code_digest("torchvision.models:resnet18") == expected


# --- what has no digest ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["sys:exit", "torch._C:Generator"])
def test_a_module_without_a_source_file_has_no_digest(name):
    text = (
        f"model: {name} is in a module without a source file, so that its trials could not be "
        "told apart when it changes; give a factory in a .py file"
    )
    with refused(NetworkError, text):
        code_digest(name)


def test_the_digest_of_what_is_not_there():
    with pytest.raises(NetworkError, match="no module my_absent"):
        code_digest("my_absent:make")
