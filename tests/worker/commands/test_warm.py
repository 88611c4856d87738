"""Warming the cache compiles every kernel there is."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pushgrad
from pushgrad.worker import cpu

ROOMS = (Path(cpu.__file__).parent, Path(pushgrad.__file__).parent / "ps")


def test_the_cache_holds_every_kernel_afterwards(tmp_path):
    env = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-m", "pushgrad.worker.commands.warm"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    compiled = {path.name.split("-")[0].split(".")[-1] for path in tmp_path.rglob("*.nbi")}
    written = set()
    for room in ROOMS:
        for path in room.glob("*.py"):
            written |= set(re.findall(r"@kernel\ndef (\w+)", path.read_text()))
    assert len(written) > 20
    for_tests_alone = {"add_scaled", "_add_scaled_block"}  # of the optimizer named "test"
    assert written - compiled <= for_tests_alone
