"""Memory that is left: of the machine, or of the control group if that has less."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pushgrad.common.memory import available_memory
from pushgrad.common.segment import Segment

GIB = 1 << 30
SAY = """
import os, sys
from pathlib import Path
from pushgrad.common.memory import available_memory
Path(sys.argv[1]).write_text(str(os.getpid()))
print(available_memory())
"""


def write(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(str(text))


def left(tmp_path, groups, files):
    write(tmp_path / "proc", {"meminfo": "MemTotal: 9 kB\nMemAvailable:    8388608 kB\n", "self/cgroup": groups})
    write(tmp_path / "cgroup", files)
    return available_memory(tmp_path / "proc", tmp_path / "cgroup")


CASES = {
    "no group": ("", {}, 8 * GIB),
    "no limit": ("0::/a\n", {"a/memory.max": "max\n", "a/memory.current": 5}, 8 * GIB),
    "version 2": ("0::/a\n", {"a/memory.max": GIB, "a/memory.current": GIB // 4}, 3 * GIB // 4),
    "above": (
        "0::/a/b\n",
        {"a/b/memory.max": "max", "a/b/memory.current": 1, "a/memory.max": 9, "a/memory.current": 4},
        5,
    ),
    "cache": (
        "0::/a\n",
        {"a/memory.max": 100, "a/memory.current": 90, "a/memory.stat": "anon 5\ninactive_file 30\n"},
        40,
    ),
    "over": ("0::/a\n", {"a/memory.max": 100, "a/memory.current": 110}, 0),
    "container": ("0::/host/name/of/it\n", {"memory.max": 100, "memory.current": 10}, 90),
    "root": ("0::/\n", {"memory.max": 100, "memory.current": 10}, 90),
    "version 1": (
        "3:cpu,cpuacct:/x\n4:memory:/a\n",
        {"memory/a/memory.limit_in_bytes": 100, "memory/a/memory.usage_in_bytes": 50},
        50,
    ),
    "odd": ("nonsense\n0::/a\n", {"a/memory.max": "many", "a/memory.current": ""}, 8 * GIB),
}


@pytest.mark.parametrize("case", CASES)
def test_the_least_of_machine_and_groups_counts(tmp_path, case):
    groups, files, expected = CASES[case]
    assert left(tmp_path, groups, files) == expected


def test_nobody_says(tmp_path):
    assert available_memory(tmp_path / "none", tmp_path / "none") is None


def test_this_machine():
    assert 1 << 20 < available_memory() < 1 << 50


def test_a_segment_larger_than_the_group_allows_is_refused(monkeypatch):
    monkeypatch.setattr("pushgrad.common.segment.available_memory", lambda: 1 << 20)
    with pytest.raises(OSError, match="2 MiB to be shared, 1 MiB are available"):
        Segment.create(2 << 20)
    Segment.create(4096).settle()


def own_group():
    """A control group that this test may limit, as a folder and the names of its files; skips where there is none."""
    lines = [line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines()]
    found = next((path for _, controllers, path in lines if controllers == "memory"), None)
    base = Path(f"/sys/fs/cgroup/memory{found}") if found else Path("/sys/fs/cgroup")
    folder = base / f"pushgrad-test-{os.getpid()}"
    limit = "memory.limit_in_bytes" if found else "memory.max"
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("control groups cannot be made here")
    if not (folder / limit).exists() or not (folder / "cgroup.procs").exists():
        folder.rmdir()
        pytest.skip("no memory controller here")
    return folder, limit


def test_a_real_group():
    folder, limit = own_group()
    try:
        try:
            (folder / limit).write_text(str(64 << 20))
        except OSError:
            pytest.skip("control groups cannot be limited here")
        command = [sys.executable, "-c", SAY, str(folder / "cgroup.procs")]
        said = subprocess.run(command, capture_output=True, text=True, timeout=30).stdout
        if not said:
            pytest.skip("processes cannot be moved into control groups here")
        assert 0 <= int(said) <= 64 << 20
    finally:
        folder.rmdir()
