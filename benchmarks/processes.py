"""What a running process has used so far, as Linux counts it."""

import os
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")


class Process:
    """The process `pid`. Its last CPU seconds are kept when it has ended."""

    def __init__(self, pid):
        self.pid, self.folder = pid, Path(f"/proc/{pid}")
        self._cpu = 0.0

    def cpu(self):
        """CPU seconds, without those of its children."""
        try:
            fields = (self.folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            return self._cpu
        self._cpu = (int(fields[11]) + int(fields[12])) / TICK
        return self._cpu

    def memory(self):
        """Bytes: its own, and its share of what it has in common with others (PSS)."""
        lines = (self.folder / "smaps_rollup").read_text().splitlines()
        return next(int(line.split()[1]) << 10 for line in lines if line.startswith("Pss:"))

    def files(self):
        """How many descriptors are open."""
        return len(list((self.folder / "fd").iterdir()))

    def threads(self):
        """How many there are."""
        return len(list((self.folder / "task").iterdir()))
