"""What an installation gives its users, from wherever it was installed.

tests/run_against_wheel.py runs these tests and a few more against the built wheel, far from the sources.
"""

import importlib.resources
import os
import pkgutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import pushgrad
from pushgrad.worker.cuda import compiled_source

ROOT = Path(__file__).resolve().parent.parent
LISTED = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
COMMANDS = Path(sys.executable).parent


def run(*command, env=None):
    """What a command prints. It must succeed."""
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=100, env=env)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("package", LISTED)
def test_every_package_is_there(package):
    assert importlib.resources.files(package).joinpath("__init__.py").is_file()


@pytest.mark.parametrize("name", ["__init__.pyi", "py.typed"])
def test_type_information_is_there(name):
    assert importlib.resources.files("pushgrad").joinpath(name).is_file()


def test_every_module_can_be_imported():
    found = [module.name for module in pkgutil.walk_packages(pushgrad.__path__, "pushgrad.", onerror=pytest.fail)]
    names = [name for name in found if not name.endswith("__main__")]
    assert len(names) > 300
    code = "import sys, importlib\nfor name in sys.argv[1:]: importlib.import_module(name)\nprint(len(sys.argv) - 1)"
    assert run(sys.executable, "-P", "-c", code, *names) == f"{len(names)}\n"


def test_the_sources_of_cuda_kernels_are_there_with_all_that_they_include():
    names = sorted(path.stem for path in compiled_source.SOURCES.glob("*.cu"))
    assert len(names) > 15
    for name in names:
        assert "#include" not in compiled_source.source(name), name


@pytest.mark.parametrize("command", ["launch", "pushgrad"])
def test_the_commands_are_there(command):
    assert f"Usage: {command} " in run(COMMANDS / command, "--help")
    assert pushgrad.__version__ in run(COMMANDS / command, "--version")


@pytest.mark.long  # where the sources are, tests of jobs show it
def test_a_job_prints_what_a_local_run_prints():
    """`launch`, two workers and two servers: the same bits as one process with two threads."""
    script, one, two = ROOT / "examples" / "sonar.py", *(os.environ | {"OMP_NUM_THREADS": count} for count in "12")
    shared = run(COMMANDS / "launch", "--workers", 2, "--servers", 2, script, env=one).splitlines()
    assert shared[0] == "w0 | global batch 15 = 2 workers x about 7.5"
    assert [line.removeprefix("w0 | ") for line in shared[1:]] == run(sys.executable, script, env=two).splitlines()
