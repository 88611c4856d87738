"""Warming the cache compiles every kernel there is."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import pushgrad

ROOT = Path(pushgrad.__file__).parent

# Runs the command, and tells of each kernel how often a call of it found compiled code and how often it did not, and
# which kernels its code names: they are compiled with it, and no call of theirs is seen.
WARMS = """
import dis, json, runpy, sys
from numba.core.dispatcher import Dispatcher

runpy.run_module("pushgrad.worker.commands.warm", run_name="__main__")

def name(kernel):
    return f"{kernel.py_func.__module__}.{kernel.py_func.__name__}"

def named_by(kernel):
    loads = (step for step in dis.get_instructions(kernel.py_func) if step.opname == "LOAD_GLOBAL")
    found = (kernel.py_func.__globals__.get(load.argval) for load in loads)
    return sorted({name(other) for other in found if isinstance(other, Dispatcher)})

modules = [module for key, module in sys.modules.items() if key.startswith("pushgrad.")]
kernels = {name(one): one for module in modules for one in vars(module).values() if isinstance(one, Dispatcher)}
counts = {key: (one.stats.cache_hits, one.stats.cache_misses) for key, one in kernels.items()}
stats = {key: [sum(hits.values()), sum(misses.values())] for key, (hits, misses) in counts.items()}
print(json.dumps([stats, {key: named_by(one) for key, one in kernels.items()}]))
"""


def warm():
    done = subprocess.run([sys.executable, "-c", WARMS], capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr
    told, looked = done.stdout.splitlines()
    assert told.startswith("Kernels compiled or found in ")
    return json.loads(looked)


def written():
    """Every kernel in the sources by its full name."""
    for path in (path for room in ("common", "ps", "worker") for path in (ROOT / room).rglob("*.py")):
        module = ".".join(("pushgrad", *path.relative_to(ROOT).with_suffix("").parts))
        yield from (f"{module}.{name}" for name in re.findall(r"@kernel\ndef (\w+)", path.read_text()))


@pytest.mark.long
@pytest.mark.timeout(810)  # a minute of processor time where nothing is compiled yet
def test_every_kernel_is_compiled_and_kept():
    """In the cache of all tests: what others have compiled there does not count, what the command calls does."""
    stats, named = warm()
    ready = [kernel for kernel, (found, compiled) in stats.items() if found + compiled]
    for kernel in ready:  # grows meanwhile
        ready += [other for other in named[kernel] if other not in ready]
    kernels = set(written())
    assert len(kernels) > 80
    assert kernels - set(ready) == set()
    if any(compiled for _, compiled in stats.values()):
        stats, _ = warm()
    assert not [kernel for kernel, (_, compiled) in stats.items() if compiled], "compiled again: it was not kept"
