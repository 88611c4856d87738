"""Kernels that are compiled once and called by name from others, also from those that come from the cache."""

import os
import subprocess
import sys

import pytest

SCRIPT = """
import sys
sys.path.insert(0, {folder!r})
import numpy as np
from numba.core import types
from pushgrad.common.compiled_calls import address_of, integer, line, outlined, real
from pushgrad.common.call_table import Row, Table
from pushgrad.common.jit import kernel

@kernel
def _add(at):
    target = line(integer(at, 0), 3)
    target[0] += integer(at, 1) * integer(at, 2)
    target[1] += real(at, 3)
    target[2] += integer(at, 4)
    return 0

add = outlined("pushgrad_test_add", _add, types.int64, types.UniTuple(types.int64, 2), types.float32, types.int64)

@kernel
def twice(at):
    for i in range(2):
        add(integer(at, 0), (i, 10), np.float32(0.25), -i)
    return 0

found = np.zeros(3, np.float32)
if sys.argv[1] == "table":
    Table([Row(twice, (found,))]).run()
else:
    arguments = np.array([found.ctypes.data])
    twice(arguments.ctypes.data)
print(*found, len(twice.stats.cache_hits), len(_add.stats.cache_hits))
"""


@pytest.mark.parametrize("how", ["table", "dispatcher"])
def test_an_outlined_kernel_is_found_by_those_that_call_it(tmp_path, how):
    script = tmp_path / "calls.py"
    script.write_text(SCRIPT.format(folder=str(tmp_path)))
    environ = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    argv, options = [sys.executable, script, how], {"capture_output": True, "text": True, "timeout": 100, "check": True}
    runs = [subprocess.run(argv, env=environ, **options) for _ in range(2)]
    assert [run.stdout for run in runs] == ["10.0 0.5 -1.0 0 0\n", "10.0 0.5 -1.0 1 1\n"]
