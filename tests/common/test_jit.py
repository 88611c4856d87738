"""Compiled kernels are kept, and importing them changes nothing for anybody else."""

import json
import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.timeout(100)

# numba comes first, so that what its own import may do counts for nothing.
IMPORT_ALL = """
    import importlib, json, os, pathlib
    import numba
    before, cache = dict(os.environ), numba.config.CACHE_DIR
    import pushgrad
    root = pathlib.Path(pushgrad.__file__).parent
    files = [file for room in ("common", "ps", "worker", "launch") for file in (root / room).rglob("*.py")]
    files = [*files, root / "cli.py"]
    names = [".".join(("pushgrad", *file.relative_to(root).with_suffix("").parts)) for file in files]
    for name in names:
        if not name.endswith(".__main__"):  # which run
            importlib.import_module(name.removesuffix(".__init__"))
    print(json.dumps([before, dict(os.environ), len(names), [cache, numba.config.CACHE_DIR]]))
"""

COMPILE = """
    import json, sys
    sys.path.insert(0, sys.argv[1])
    import loops
    assert loops.doubled(3) == 6
    compiled = sum(loops.doubled.stats.cache_misses.values())
    print(json.dumps([compiled, "numba.np.linalg" in sys.modules]))  # which nothing but compiling needs
"""
LOOPS = """
import numba
from pushgrad.common.jit import kernel

@kernel
def doubled(x):
    return 2 * x
"""


def run(code, *arguments, **env):
    environ = {name: text for name, text in os.environ.items() if name != "NUMBA_CACHE_DIR"} | env
    command = [sys.executable, "-c", "import textwrap, sys; exec(textwrap.dedent(sys.argv.pop(1)))", code, *arguments]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=90, cwd="/")
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_every_module_leaves_the_environment_alone():
    before, after, count, (cache, cache_now) = json.loads(run(IMPORT_ALL))
    assert count > 300
    assert after == before
    assert cache_now == cache


@pytest.mark.parametrize("given", ["XDG_CACHE_HOME", "NUMBA_CACHE_DIR"])
def test_kernels_are_kept_where_the_environment_says(tmp_path, given):
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "loops.py").write_text(LOOPS)
    for expected in ([1, True], [0, False]):  # what is found there is run without the compiler's parts of numba
        assert json.loads(run(COMPILE, str(tmp_path / "code"), **{given: str(tmp_path / "cache")})) == expected
    folder = tmp_path / "cache" / ("pushgrad" if given == "XDG_CACHE_HOME" else "")
    assert [path.name.split("-")[0] for path in folder.rglob("*.nbi")] == ["loops.doubled"]


def test_kernels_are_compiled_again_when_any_source_of_kernels_has_changed(tmp_path):
    (tmp_path / "loops.py").write_text(LOOPS)
    code = "    import sys; from pushgrad.common import jit; jit.sources_stamp = lambda: sys.argv[2]\n" + COMPILE
    found = [
        json.loads(run(code, str(tmp_path), stamp, NUMBA_CACHE_DIR=str(tmp_path / "cache")))[0]
        for stamp in ("before", "before", "after", "after")
    ]
    assert found == [1, 0, 1, 0]


@pytest.mark.parametrize("bait", ["open folder", "another's folder", "another's link"])
def test_kernels_are_not_taken_from_where_others_can_put_them(tmp_path, bait):
    if bait != "open folder" and os.geteuid() != 0:
        pytest.skip("needs root, to give a file away")
    here = tmp_path / "pushgrad", tmp_path / f"pushgrad-{os.getuid()}"
    (tmp_path / "ours").mkdir(mode=0o700)
    for path in here:
        if bait == "another's link":
            path.symlink_to(tmp_path / "ours")
            os.lchown(path, 65534, 65534)
        else:
            path.mkdir()
            path.chmod(0o777 if bait == "open folder" else 0o755)
            os.chown(path, *((os.getuid(), -1) if bait == "open folder" else (65534, 65534)))
    ask = "from pushgrad.common.jit import cache_folder; print(cache_folder())"
    assert run(ask, XDG_CACHE_HOME=str(tmp_path), TMPDIR=str(tmp_path)) == "None\n"
