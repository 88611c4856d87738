"""Kernels that several processes compile at once, each with what the others have compiled."""

import json
import os
import subprocess
import sys

import pytest

from pushgrad.common import compiling_together
from pushgrad.common.compiling_together import compile_together

pytestmark = pytest.mark.timeout(120)

PROGRAM = """
import json, os, sys
from numba.core import event, types
from pushgrad.common.compiled_calls import integer
from pushgrad.common.compiling_together import compile_together
from pushgrad.common.jit import kernel
{kernels}
found = []
class Listener(event.Listener):
    def on_start(self, e): found.append(e.data["dispatcher"].py_func.__name__)
    def on_end(self, e): pass
event.register("numba:compile", Listener())
kernels = [{names}]
compile_together(kernels, lambda: {cores})
together = set(found)
from pushgrad.common.compiled_calls import address_of
assert all(address_of(one) for one in kernels)
print(json.dumps([sorted(together & {{one.py_func.__name__ for one in kernels}}), len(set(found) - together)]))
"""
COUNT = 6


def compiled_here(tmp_path, cores):
    """The kernels of a file of its own that a new process itself has compiled, and how many more it then had to."""
    kernels = "\n".join(f"@kernel\ndef k{i}(at: int) -> int:\n    return integer(at, {i})\n" for i in range(COUNT))
    names = ", ".join(f"k{i}" for i in range(COUNT))
    file = tmp_path / "program.py"
    file.write_text(PROGRAM.format(kernels=kernels, names=names, cores=cores))
    env = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    done = subprocess.run([sys.executable, str(file)], env=env, capture_output=True, text=True, check=True, timeout=100)
    assert not done.stderr
    return json.loads(done.stdout)


def test_two_processes_share_the_work_and_nothing_is_left(tmp_path):
    mine, more = compiled_here(tmp_path, 2)
    assert 0 < len(mine) < COUNT
    assert more == 0


def test_on_one_core_everything_is_compiled_when_it_is_needed(tmp_path):
    mine, more = compiled_here(tmp_path, 1)
    assert not mine
    assert more == COUNT


def test_without_a_folder_nobody_could_find_what_others_compile(monkeypatch):
    monkeypatch.setattr("pushgrad.common.jit.cache_folder", lambda: None)
    monkeypatch.setattr(compiling_together, "is_cached", lambda kernel: False)
    monkeypatch.setattr(os, "fork", lambda: pytest.fail("forked"))
    compile_together(list(range(COUNT)), lambda: 2)


def test_where_no_process_can_be_had_this_one_compiles_all(monkeypatch):
    compiled = []

    class Kernel:
        def compile(self, signature):
            compiled.append(self)

    def refuse():
        raise BlockingIOError("no more processes")

    monkeypatch.setattr(compiling_together, "is_cached", lambda kernel: False)
    monkeypatch.setattr("pushgrad.common.jit.cache_folder", lambda: "somewhere")
    monkeypatch.setattr(os, "fork", refuse)
    descriptors = set(os.listdir("/proc/self/fd"))
    kernels = [Kernel() for _ in range(COUNT)]
    compile_together(kernels, lambda: 2)
    assert compiled == kernels
    assert set(os.listdir("/proc/self/fd")) == descriptors


def test_a_process_that_hangs_is_ended(monkeypatch):
    monkeypatch.setattr(compiling_together, "PATIENCE", 0.0)
    held, release = os.pipe()
    other = os.fork()
    if not other:
        os.read(held, 1)  # for ever, as nobody writes
        os._exit(0)
    compiling_together._wait(other)
    with pytest.raises(ChildProcessError):
        os.waitpid(other, 0)
    os.close(held)
    os.close(release)
