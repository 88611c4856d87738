"""The first step of a fresh process, again and again; with `cold`, each with empty caches of compiled kernels."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from gpu_turns import GpuTurns
from turns import task

CACHES = ("CUPY_CACHE_DIR", "CUDA_CACHE_PATH", "NUMBA_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR")
PATIENCE = 120  # seconds for a step
todo = task()


def first_step(folder):
    """What the program says on its last line."""
    caches = {name: str(Path(folder) / name.lower()) for name in CACHES}
    for cache in caches.values():
        Path(cache).mkdir(exist_ok=True)
    command = [sys.executable, str(Path(__file__).with_name(todo.script)), todo.on]
    done = subprocess.run(command, env={**os.environ, **caches}, stdout=subprocess.PIPE, timeout=PATIENCE)
    if done.returncode:
        sys.exit(done.returncode)  # its last words are in the log that the benchmark quotes; none are to follow
    return json.loads(done.stdout.splitlines()[-1])


with tempfile.TemporaryDirectory() as kept:
    turns = GpuTurns({"versions": first_step(kept)["versions"]})  # fills the caches, the disk's as well
    while turns.begin():
        with tempfile.TemporaryDirectory() as empty:
            turns.end(**first_step(empty if todo.cold else kept))
