import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("common", "launch", "ps", "worker")
AT_THE_ROOT = ("__init__.py", "__init__.pyi", "cli.py", "py.typed")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LISTED = PROJECT["tool"]["setuptools"]["packages"]


def modules(room):
    """Every module of a room by its full name, for example pushgrad.ps.store."""
    return {f"pushgrad.{room}.{path.stem}" for path in (ROOT / room).glob("*.py") if path.stem != "__init__"}


def test_the_listed_packages_are_the_folders():
    folders = {path.parent.relative_to(ROOT) for room in ROOMS for path in (ROOT / room).rglob("*.py")}
    assert all((ROOT / folder / "__init__.py").exists() for folder in folders)
    assert sorted(LISTED) == sorted(["pushgrad", *(".".join(("pushgrad", *folder.parts)) for folder in folders)])


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Names in the sdist and in the wheel, which is built from it. What is built is a copy: nothing is left behind."""
    folder = tmp_path_factory.mktemp("built")
    left_out = shutil.ignore_patterns("__pycache__", ".*_cache", ".venv*", ".git", "*.egg-info", "build", "dist", "out")
    shutil.copytree(ROOT, folder / "src", ignore=left_out)
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder / "dist", folder / "src"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
    (sdist,), (wheel,) = (folder / "dist").glob("*.tar.gz"), (folder / "dist").glob("*.whl")
    with tarfile.open(sdist) as archive, zipfile.ZipFile(wheel) as packed:
        files = {member.name.partition("/")[2] for member in archive.getmembers() if member.isfile()}
        (entry_points,) = [name for name in packed.namelist() if name.endswith(".dist-info/entry_points.txt")]
        return files, set(packed.namelist()), packed.read(entry_points).decode()


def in_package():
    """Files of the package, from the root."""
    files = [path for room in ROOMS for path in (ROOT / room).rglob("*.py")]
    files += (ROOT / "worker" / "cuda" / "source").glob("*.cu*")
    files += [ROOT / "launch" / "runs" / "dashboard.html", ROOT / "worker" / "symbols" / "sym.pyi"]
    return {str(path.relative_to(ROOT)) for path in files} | set(AT_THE_ROOT)


@pytest.mark.long
def test_the_wheel_has_every_module_and_nothing_else(built):
    packed = {name for name in built[1] if ".dist-info/" not in name}
    assert packed == {f"pushgrad/{name}" for name in in_package()}


@pytest.mark.long
def test_the_sdist_has_the_package_and_what_the_manifest_names(built):
    expected = in_package() | {"pyproject.toml", "MANIFEST.in"}
    for kind, *names in map(str.split, (ROOT / "MANIFEST.in").read_text().splitlines()):
        if kind == "include":
            expected |= set(names)
        elif kind == "graft":
            paths = [path for name in names for path in (ROOT / name).rglob("*") if path.is_file()]
            expected |= {str(path.relative_to(ROOT)) for path in paths if "__pycache__" not in path.parts}
    made = {"PKG-INFO", "setup.cfg", *(name for name in built[0] if name.startswith("pushgrad.egg-info/"))}
    assert built[0] - made == expected


@pytest.mark.long
def test_the_wheel_installs_the_commands(built):
    for name, target in PROJECT["project"]["scripts"].items():
        assert f"{name} = {target}" in built[2]
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
    for name in (
        *("assignment", "blocks", "compression", "kernels", "optimizer", "philox"),
        *("row_sparse", "rules", "store", "update"),
    )
}


def test_worker_knows_only_the_store_of_ps():
    """A contract for each module, so that a new one of ps/ is out of bounds until someone decides otherwise."""
    out_of_bounds = {target for source, target in forbidden() if source == "pushgrad.worker"}
    named = {name for name in out_of_bounds if name.startswith("pushgrad.ps.")}
    assert named == modules("ps") - STORE, "list it in the contract of worker in pyproject.toml, or in STORE above"
