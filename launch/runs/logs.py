"""What the processes of a run have written, shown again, and further as it comes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from ..lines import LineBuffer, shown
from .files import Growing
from .stored import Run

POLL = 0.2  # seconds between looks at files that may grow
PIECE = 1 << 20  # bytes of a file that are in memory at once


def log_files(run: Run, names: Sequence[str]) -> dict[Path, str]:
    """The log files of those processes that have some, with the names of the processes."""
    found = {}
    for name in names:
        for ending in (".log", ".out.log", ".err.log"):
            if (path := run.folder / f"{name}{ending}").exists():
                found[path] = name
    return found


class Replay:
    """Writes the logs of some processes of a run.

    One process's come as they are. Of several, each line comes after its process's name as `launch` shows it, file by
    file, and then, while they grow, in the order in which they do.
    """

    def __init__(self, run: Run, names: Sequence[str], write: Callable[[bytes], object]) -> None:
        self._run, self._names, self._write = run, names, write
        self._raw = len(names) == 1
        self._open: dict[Path, tuple[Growing, LineBuffer, bytes]] = {}

    def show(self, follow: bool) -> None:
        """Show what there is; with `follow` go on until the run has ended."""
        while True:
            # Looked at first: what was written before the end has been read when nothing comes after it.
            over = not follow or self._run.fresh().state not in ("running", "unknown")
            some = self._pass_on()
            if over and not some:
                break
            if not some:
                time.sleep(POLL)
        if not self._raw:
            for _, buffer, prefix in self._open.values():
                self._lines(prefix, buffer.finish())

    def _pass_on(self) -> bool:
        """Show what is new; returns whether there was something."""
        some = False
        for path, name in log_files(self._run, self._names).items():
            file, buffer, prefix = self._open.setdefault(path, (Growing(path), LineBuffer(), name.encode() + b" | "))
            while data := file.read(PIECE):
                some = True
                if self._raw:
                    self._write(data)
                else:
                    self._lines(prefix, buffer.feed(data))
        return some

    def _lines(self, prefix: bytes, lines: list[bytes]) -> None:
        if lines:
            self._write(b"".join(prefix + shown(line) + b"\n" for line in lines))
