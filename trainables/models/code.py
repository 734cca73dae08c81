"""What a factory is made of, as a digest: the file that holds it, and what that imports.

Followed are all imports that a file states, also those in functions, from file to file, but not
into what is installed (`site-packages`), Python's own library and this project: those go by their
versions. A package that is installed from a folder, editable or not, is the user's own. Nothing is
imported to find this out, and no path goes into the digest: it is the same on every node.

Not seen are modules whose names a program makes up as it runs, and files that are no modules, such
as a table of sizes. A factory of a package that is installed from an index, such as torchvision, is
known by the package's name and version.
"""

import ast
import hashlib
import importlib
import importlib.metadata
import json
import sys
import sysconfig
from collections.abc import Iterator
from functools import lru_cache
from importlib.machinery import ModuleSpec
from pathlib import Path

from trainables.models.own import NetworkError, module_of

_INSTALLED = {"site-packages", "dist-packages"}
_OURS = {"analysis", "sweep", "trainables"}
_LIBRARIES = [Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib")]


def code_digest(name: str) -> str:
    """sha256 of the code of the factory `name`: where its file imports nothing of the user's, of
    that file alone.

    Raises:
        NetworkError: there is no such module, or it has no source file.
    """
    module = module_of(name)
    path = getattr(module, "__file__", None)
    if path is None or not path.endswith(".py"):
        raise NetworkError(
            f"model: {name} is in a module without a source file, so that its trials could not "
            "be told apart when it changes; give a factory in a .py file"
        )
    top = module.__name__.partition(".")[0]
    published = _published(top) if _is_installed(Path(path)) else None
    if published is not None:
        return _sha256(published.encode())
    importlib.invalidate_caches()
    own = Path(path).read_bytes()
    others = _Imports(top if _is_installed(Path(path)) else None)
    others.follow(module.__name__, own, is_package=hasattr(module, "__path__"))
    others.found.pop(module.__name__, None)
    if not others.found:
        return _sha256(own)
    return _sha256(json.dumps([_sha256(own), sorted(others.found.items())]).encode())


class _Imports:
    """The user's modules that a file imports, and those that they import."""

    def __init__(self, top: str | None) -> None:
        """top: a package that is the user's though it lies where packages are installed."""
        self.found: dict[str, str] = {}  # module → sha256 of its file
        self._top = top
        self._seen: set[str] = set()  # modules that were read
        self._looked: set[str] = set()  # dotted names that were looked for
        self._folders: dict[str, list[str]] = {}  # of each module

    def follow(self, module: str, source: bytes, is_package: bool) -> None:
        """The imports of a module's source, and the packages it lies in."""
        self._seen.add(module)
        package = module if is_package else module.rpartition(".")[0]
        for name in (package, *_stated(source, package)):
            if name not in self._looked:
                self._looked.add(name)
                self._look(name)

    def _look(self, name: str) -> None:
        """Each module on the way to a dotted name, as importing it would run them."""
        path: list[str] | None = None
        parts = name.split(".")
        if parts[0] in _OURS:
            return
        for depth in range(1, len(parts) + 1):
            module = ".".join(parts[:depth])
            if module not in self._folders:
                spec = _spec(module, path) if parts[0] else None
                self._folders[module] = _folders(module, spec, path)
                if spec is not None and module not in self._seen:
                    self._read(module, spec)
            path = self._folders[module]
            if not path:
                return

    def _read(self, module: str, spec: ModuleSpec) -> None:
        self._seen.add(module)
        read = getattr(spec.loader, "get_data", None)
        if not spec.has_location or spec.origin is None or read is None:
            return  # built in
        origin = Path(spec.origin)
        of_top = module.partition(".")[0] == self._top
        if _is_library(origin) or (_is_installed(origin) and not of_top):
            return
        source = read(spec.origin)
        if not _is_empty(source):
            self.found[module] = _sha256(source)
        self.follow(module, source, spec.submodule_search_locations is not None)


@lru_cache(maxsize=4096)  # every network that is built asks again, of a large package too
def _stated(source: bytes, package: str) -> tuple[str, ...]:
    """The dotted names that a source imports anywhere in it, each once; some may be no module but a
    name in one. Of a file that is no Python, none."""
    tree = _parsed(source)
    found = (name for node in ast.walk(tree) for name in _named(node, package)) if tree else ()
    return tuple(dict.fromkeys(found))


def _named(node: ast.AST, package: str) -> Iterator[str]:
    """The dotted names that a piece of a source imports."""
    match node:
        case ast.Import(names):
            yield from (alias.name for alias in names)
        case ast.ImportFrom(module, names, level):
            base = _absolute(module or "", level or 0, package)
            yield from (f"{base}.{alias.name}".strip(".") for alias in names)
        case ast.Call(ast.Name("__import__" | "import_module"), [ast.Constant(str(name)), *_]):
            yield name
        case ast.Call(ast.Attribute(attr="import_module"), [ast.Constant(str(name)), *_]):
            yield name


def _absolute(module: str, level: int, package: str) -> str:
    """`from ..module` in a package, without its dots."""
    if level == 0:
        return module
    kept = package.split(".")[: len(package.split(".")) - level + 1]
    return ".".join([*kept, module] if module else kept)


def _spec(module: str, path: list[str] | None) -> ModuleSpec | None:
    """How the module would be found; it is not imported."""
    for finder in sys.meta_path:
        try:
            spec = finder.find_spec(module, path)
        except Exception:  # of a finder that packages may have put there, anything
            continue
        if spec is not None:
            return spec
    return None


def _folders(module: str, spec: ModuleSpec | None, path: list[str] | None) -> list[str]:
    """Where the modules in a package lie; of no package, nowhere. A package without a file of its
    own is a folder, or several, by that name: Python finds those only once they are imported."""
    if spec is not None and spec.has_location:
        return list(spec.submodule_search_locations or ())
    if spec is not None and spec.submodule_search_locations is None:
        return []
    among = sys.path if path is None else path
    folders = [Path(folder or ".", module.rpartition(".")[2]) for folder in among]
    return [str(folder) for folder in folders if folder.is_dir()]


def _published(top: str) -> str | None:
    """The package from an index that a module lies in, as name==version and what else tells it from
    others; None where it comes from a folder of the user's."""
    try:
        found = importlib.metadata.distribution(top)
    except importlib.metadata.PackageNotFoundError:
        names = importlib.metadata.packages_distributions().get(top)
        if not names:  # a file that was put there by hand
            return None
        found = importlib.metadata.distribution(names[0])
    source = json.loads(found.read_text("direct_url.json") or "{}")
    if "dir_info" in source:
        return None
    built = source.get("vcs_info") or source.get("archive_info")  # of a commit, or a file's digest
    return f"{found.name}=={found.version}" + (json.dumps(built) if built else "")


def _is_installed(path: Path) -> bool:
    return not _INSTALLED.isdisjoint(path.parts)


def _is_library(path: Path) -> bool:
    return not _is_installed(path) and any(
        path.resolve().is_relative_to(library) for library in _LIBRARIES
    )


def _parsed(source: bytes) -> ast.Module | None:
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError):
        return None


@lru_cache(maxsize=4096)
def _is_empty(source: bytes) -> bool:
    """Whether a file does nothing: it has comments and a docstring at most."""
    tree = _parsed(source)
    return tree is not None and all(
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) for node in tree.body
    )


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
