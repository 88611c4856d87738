"""A kill at every point of writing a snapshot: earlier ones stay good, and no part of the new one counts as one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pushgrad.worker.files import snapshot
from pushgrad.worker.files.snapshot_folder import SnapshotFolder

# Forks for each point, so that numpy is loaded once.
WRITES = """
import json, os, sys
from pathlib import Path
import numpy as np
from pushgrad.worker.files import snapshot
from pushgrad.worker.files.snapshot_folder import SnapshotFolder

def write(folder, step):
    head = dict.fromkeys(snapshot.HEAD, 0) | {"run": "r", "step": step, "parts": [], "results": {}}
    name = f"fit1-step{step}"
    folder.lock()
    snapshot.write(folder.aside(name), snapshot.STATE, head, {"w": np.full(5000, step, np.float32)})
    folder.commit(name)
    folder.prune("r")

codes = {}
for point in sys.argv[2:]:
    path = Path(sys.argv[1], point)
    if not (child := os.fork()):
        for step in (1, 2):
            write(SnapshotFolder(path), step)
        os.environ["PUSHGRAD_FAILPOINTS"] = point.replace("-", "=kill@")
        write(SnapshotFolder(path), 3)
        os._exit(0)
    codes[point] = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    write(SnapshotFolder(path), 4)  # a later process cleans up
print(json.dumps(codes))
"""
BEFORE = ["snapshot.lock-1", *(f"file.{what}-{time}" for what in ("write", "sync", "rename") for time in (1, 2))]
POINTS = {point: [2, 4] for point in [*BEFORE, "snapshot.commit-1"]}
POINTS |= {point: [3, 4] for point in ("snapshot.sync-1", "snapshot.prune-1", "snapshot.remove-1")}


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """The folder, and how the child of each point ended."""
    folder = tmp_path_factory.mktemp("kills")
    command = [sys.executable, "-c", WRITES, str(folder), *POINTS]
    env = {name: value for name, value in os.environ.items() if name != "PUSHGRAD_FAILPOINTS"}
    answer = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60, env=env)
    return folder, json.loads(answer.stdout)


@pytest.mark.parametrize("point", POINTS)
def test_a_kill_while_a_snapshot_is_written_leaves_good_ones(killed, point):
    folder, codes = killed[0] / point, killed[1]
    assert codes[point] == -9
    assert sorted(path.name for path in folder.iterdir() if path.name.startswith(".")) == [".lock"]
    found = [snapshot.verify(folder / name) for name in SnapshotFolder(folder).names()]
    assert [one.head["step"] for one in found] == POINTS[point]
    assert all((one.tree["w"] == one.head["step"]).all() for one in found)


def test_every_failpoint_on_the_way_is_tried():
    root = Path(snapshot.__file__).parents[1]
    text = "".join((root / name).read_text() for name in ("atomic_files.py", "files/snapshot_folder.py"))
    places = {part.split('"')[0] for part in text.split('failpoint("')[1:]}
    assert places == {point.rpartition("-")[0] for point in POINTS}
