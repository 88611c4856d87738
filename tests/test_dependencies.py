"""What is imported is declared where its users get it: an environment that has everything shows nothing missing."""

import ast
import re
import sys
import tomllib
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
BY_MODULE = {
    "PIL": "pillow",
    "zmq": "pyzmq",
    "cudnn": "nvidia-cudnn-frontend",
    "prometheus_client": "prometheus-client",
} | dict.fromkeys(
    ("cupy", "cupyx", "cuda"), "cupy-cuda13x"
)  # the distributions that are not called as the module is; cupy[ctk] brings `cuda`


def distributions(requirements):
    return {re.match(r"[\w-]+", requirement)[0] for requirement in requirements}


NEEDED = distributions(PROJECT["dependencies"])
EXTRAS = {extra: distributions(listed) for extra, listed in PROJECT["optional-dependencies"].items()}
FOR_USERS = set.union(*(listed for extra, listed in EXTRAS.items() if extra != "dev"))


def modules(node):
    """Names of the modules that a statement or a call imports, our own left out."""
    if isinstance(node, ast.Import):
        return [item.name for item in node.names]
    if isinstance(node, ast.ImportFrom):
        return [] if node.level else [node.module]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("import_module", "needed"):
        return [node.args[0].value] if isinstance(node.args[0], ast.Constant) else []
    return []


@cache
def imports(path):
    """Pairs (distribution, whether it is imported with the module itself) for each import of others' code in a file."""
    found = []
    tree = ast.parse(path.read_text())
    later = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        or (isinstance(node, ast.If) and getattr(node.test, "id", None) == "TYPE_CHECKING")
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        for top in (name.partition(".")[0] for name in modules(node)):
            if top not in sys.stdlib_module_names and top != "pushgrad":
                found.append((BY_MODULE.get(top, top), id(node) not in later))
    return found


def imported_by(*places):
    """(file, distribution, at once) for all files of these places."""
    files = [path for place in places for path in ([place] if place.suffix else sorted(place.rglob("*.py")))]
    return [(path.relative_to(ROOT), *found) for path in files for found in imports(path)]


PACKAGE = [ROOT / name for name in ("__init__.py", "cli.py", "common", "launch", "ps", "worker")]


def test_what_the_package_imports_is_declared():
    found = imported_by(*PACKAGE)
    assert {name for _, name, _ in found} >= {"numpy", "numba", "cupy-cuda13x", "safetensors"}
    for path, name, at_once in found:
        if at_once:
            assert name in NEEDED, f"{path} cannot be imported without {name}, which is not among `dependencies`"
        else:
            assert name in NEEDED | FOR_USERS, f"{path} needs {name}, which pyproject.toml gives to developers at most"


def test_what_the_examples_import_is_declared():
    own = {path.stem for path in (ROOT / "examples").rglob("*.py")}
    for path, name, _ in imported_by(ROOT / "examples"):
        if name not in own and path.name != "pytorch_kv.py":  # which says itself that it needs torch
            assert name in NEEDED | FOR_USERS, f"{path} needs {name}, which pyproject.toml gives to developers at most"


def test_what_is_needed_is_used():
    assert not NEEDED - {name for _, name, _ in imported_by(*PACKAGE)}


@pytest.mark.parametrize("name", sorted(NEEDED.union(*EXTRAS.values())))
def test_every_dependency_earns_its_place(name):
    page = (ROOT / "docs" / "dependencies.md").read_text()
    assert re.search(rf"^\| .*\b{re.sub(r'-cu(da)?1[23]x?$', '', name)}\b.*\|.+\|$", page, re.MULTILINE)
