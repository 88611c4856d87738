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
import json, runpy, sys
from numba.core.dispatcher import Dispatcher
from pushgrad.common.expected_kernels import Search

runpy.run_module("pushgrad.worker.commands.warm", run_name="__main__")

def name(kernel):
    return f"{kernel.py_func.__module__}.{kernel.py_func.__name__}"

def named_by(kernel):
    search = Search()
    search.begin(kernel)
    return sorted({name(other) for other in search.take()} - {name(kernel)})

def kernels_in(value):
    if isinstance(value, Dispatcher):
        return [value]
    return [one for held in value.values() for one in kernels_in(held)] if type(value) is dict else []

stats, named = {}, {}
for module in [module for key, module in sys.modules.items() if key.startswith("pushgrad.")]:
    for one in kernels_in(dict(vars(module))):  # several of a name where a function makes them
        found, compiled = stats.get(name(one), (0, 0))
        more = one.stats.cache_hits.values(), one.stats.cache_misses.values()
        stats[name(one)] = found + sum(more[0]), compiled + sum(more[1])
        named.setdefault(name(one), []).extend(named_by(one))
print(json.dumps([stats, named]))
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
