import importlib.resources
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("common", "launch", "ps", "worker")
AT_THE_ROOT = ("__init__.py", "__init__.pyi", "cli.py", "py.typed")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LISTED = PROJECT["tool"]["setuptools"]["packages"]

# Against an installed wheel the tests run far from the sources: there is nothing to compare with and to build.
from_sources = pytest.mark.skipif(not (ROOT / "__init__.py").exists(), reason="the sources are not here")


def modules(room):
    """Every module of a room by its full name, for example pushgrad.ps.store."""
    return {f"pushgrad.{room}.{path.stem}" for path in (ROOT / room).glob("*.py") if path.stem != "__init__"}


@from_sources
def test_the_listed_packages_are_the_folders():
    folders = {path.parent.relative_to(ROOT) for room in ROOMS for path in (ROOT / room).rglob("*.py")}
    assert all((ROOT / folder / "__init__.py").exists() for folder in folders)
    assert sorted(LISTED) == sorted(["pushgrad", *(".".join(("pushgrad", *folder.parts)) for folder in folders)])


@pytest.mark.parametrize("package", LISTED)
def test_every_listed_package_is_installed(package):
    assert importlib.resources.files(package).joinpath("__init__.py").is_file()


@pytest.mark.parametrize("name", ["__init__.pyi", "py.typed"])
def test_type_information_is_installed(name):
    assert importlib.resources.files("pushgrad").joinpath(name).is_file()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of the sources as they are, built from a copy so that nothing is left among them."""
    folder = tmp_path_factory.mktemp("wheel")
    for room in ROOMS:
        shutil.copytree(ROOT / room, folder / "src" / room, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "MANIFEST.in", "LICENSE", "README.md", *AT_THE_ROOT):
        shutil.copy(ROOT / name, folder / "src")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder / "dist", folder / "src"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = (folder / "dist").glob("*.whl")
    with zipfile.ZipFile(built) as archive:
        yield archive


@from_sources
def test_the_wheel_has_every_module_and_nothing_else(wheel):
    expected = {f"pushgrad/{path.relative_to(ROOT)}" for room in ROOMS for path in (ROOT / room).rglob("*.py")}
    expected |= {f"pushgrad/{path.relative_to(ROOT)}" for path in (ROOT / "worker/cuda/source").glob("*.cu*")}
    expected |= {f"pushgrad/{name}" for name in AT_THE_ROOT}
    packed = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert packed == expected


@from_sources
def test_the_wheel_installs_the_commands(wheel):
    (entry_points,) = [name for name in wheel.namelist() if name.endswith(".dist-info/entry_points.txt")]
    commands = wheel.read(entry_points).decode()
    for name, target in PROJECT["project"]["scripts"].items():
        assert f"{name} = {target}" in commands
    assert "launch" in PROJECT["project"]["scripts"]


def forbidden():
    """(importing, imported) for every pair that a contract of import-linter forbids."""
    contracts = [item for item in PROJECT["tool"]["importlinter"]["contracts"] if item["type"] == "forbidden"]
    return {
        (source, target)
        for contract in contracts
        for source in contract["source_modules"]
        for target in contract["forbidden_modules"]
    }


@pytest.mark.parametrize(
    ("importing", "imported"),
    [
        *(("common", room) for room in ("launch", "ps", "worker")),
        *(("ps", room) for room in ("launch", "worker")),
        *(("launch", room) for room in ("ps", "worker")),
        ("worker", "launch"),
    ],
)
def test_rooms_that_must_not_import_each_other(importing, imported):
    assert (f"pushgrad.{importing}", f"pushgrad.{imported}") in forbidden()


def test_launch_must_not_import_numerics():
    assert {("pushgrad.launch", "numpy"), ("pushgrad.launch", "numba")} <= forbidden()


# What local training shares with a server: the store, the optimizers, and what these two are made of.
STORE = {
    f"pushgrad.ps.{name}"
    for name in ("assignment", "blocks", "compression", "kernels", "optimizer", "row_sparse", "store", "update")
}


@from_sources
def test_worker_knows_only_the_store_of_ps():
    """A contract for each module, so that a new one of ps/ is out of bounds until someone decides otherwise."""
    out_of_bounds = {target for source, target in forbidden() if source == "pushgrad.worker"}
    named = {name for name in out_of_bounds if name.startswith("pushgrad.ps.")}
    assert named == modules("ps") - STORE, "list it in the contract of worker in pyproject.toml, or in STORE above"


def requirements():
    """Names of all distributions that pyproject.toml asks for."""
    project = PROJECT["project"]
    listed = [project["dependencies"], *project["optional-dependencies"].values()]
    return {re.match(r"[\w-]+", item)[0] for group in listed for item in group}


@pytest.mark.parametrize("name", sorted(requirements()))
def test_every_dependency_earns_its_place(name):
    page = (ROOT / "docs" / "dependencies.md").read_text()
    assert re.search(rf"^\| .*\b{re.sub(r'-cu(da)?1[23]x?$', '', name)}\b.*\|.+\|$", page, re.MULTILINE)
