"""How much memory this process may still use: what the machine has left, or its control group (as containers have)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from .cores import CGROUP

PROC = Path("/proc")


class _Files(NamedTuple):
    """What a version of control groups calls its limit, its use, and the part of its use that can be taken back."""

    limit: str
    used: str
    cache: str  # a line of memory.stat: pages of files that nobody has touched lately go first when memory is short


_VERSION_2 = _Files("memory.max", "memory.current", "inactive_file")
_VERSION_1 = _Files("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")


def available_memory(proc: Path = PROC, cgroup: Path = CGROUP) -> int | None:
    """The bytes that this process can use before it, or another one, is killed for them; None if nobody says.

    That is what the machine has available, or less if a control group of this process, or one above it, has less.
    """
    found = [_of_machine(proc)]
    for folder, files in _groups(proc, cgroup):
        limit, used = _number(folder / files.limit), _number(folder / files.used)
        if limit is not None and used is not None:
            found.append(max(0, limit - used + _reclaimable(folder, files)))
    return min((item for item in found if item is not None), default=None)


def _of_machine(proc: Path) -> int | None:
    try:
        lines = (proc / "meminfo").read_text().splitlines()
    except OSError:
        return None
    sizes = {name: text.split() for name, _, text in (line.partition(":") for line in lines)}
    free = sizes.get("MemAvailable")
    return int(free[0]) << 10 if free and free[0].isdecimal() else None


def _groups(proc: Path, cgroup: Path) -> Iterator[tuple[Path, _Files]]:
    """The folders of this process's control groups of memory, from its own to the root: each of them can have a limit.

    A container may see its own group as the root, under the path that the host knows it by; then only that is there.
    """
    try:
        lines = (proc / "self" / "cgroup").read_text().splitlines()
    except OSError:
        lines = []
    for line in lines:
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if controllers and "memory" not in controllers.split(","):
            continue
        root, files = (cgroup / "memory", _VERSION_1) if controllers else (cgroup, _VERSION_2)
        own = PurePosixPath(path.lstrip("/"))
        for place in (own, *own.parents) if path.strip("/") else (own,):
            yield root / place, files


def _number(path: Path) -> int | None:
    """The number that a file has; None if it says `max` or cannot be read."""
    try:
        text = path.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdecimal() else None


def _reclaimable(folder: Path, files: _Files) -> int:
    try:
        lines = (folder / "memory.stat").read_text().splitlines()
    except OSError:
        return 0
    values = dict(line.split(" ", 1) for line in lines if " " in line)
    return int(values.get(files.cache, "0"))
