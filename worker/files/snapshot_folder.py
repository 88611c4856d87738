"""The folder in which a training keeps its snapshots: which there are, how one appears whole, and which are removed.

Names are 000007-fit1-step150, or 000009-fit1-end for the result of a fit. The first number grows with every snapshot,
so the last one is the latest, whichever fit or step it is of.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from contextlib import suppress
from pathlib import Path

from ...common.errors import FileFormatError, ParameterError
from ...common.failpoint import failpoint
from ...common.snapshot_names import NAME, WHERE
from ..atomic_files import sync_folder
from . import snapshot

KEPT = 2  # snapshots of a training that stay; the results of its fits all do


class SnapshotFolder:
    """The snapshots in `path`, which need not exist before the first one is written.

    One process at a time writes there: `lock` first. Any number may read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: int | None = None

    def names(self) -> list[str]:
        """The names of the snapshots, from the first to the last."""
        try:
            found = [entry.name for entry in self.path.iterdir() if NAME.fullmatch(entry.name)]
        except FileNotFoundError:
            return []
        return sorted(found, key=_number)

    def lock(self) -> None:
        """Keep other trainings from writing here as long as this process lives, and remove what a killed one left.

        Raises ParameterError if another process has the folder, OSError if it cannot be made or written.
        """
        if self._lock is not None:
            return
        failpoint("snapshot.lock")
        self.path.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.path / ".lock", os.O_RDWR | os.O_CREAT, 0o666)
        try:
            # Not flock: a forked child that outlives this process would keep the lock.
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            os.close(descriptor)
            raise ParameterError(
                f"another training writes its snapshots in {self.path}",
                remedy=f"Give each a folder of its own: {WHERE}",
            ) from None
        self._lock = descriptor  # open as long as the process lives: closing it would give up the lock
        for left in self.path.glob(".*.new"):
            shutil.rmtree(left)

    def aside(self, name: str) -> Path:
        """The folder in which all workers write their part of the snapshot `name` (without its number); it is made."""
        path = self.path / f".{name}.new"
        path.mkdir(parents=True, exist_ok=True)
        return path

    def commit(self, name: str) -> str:
        """Make what lies aside the latest snapshot, on disk when this returns; its name with the number."""
        names = self.names()
        number = _number(names[-1]) + 1 if names else 1
        numbered = f"{number:06d}-{name}"
        failpoint("snapshot.commit")
        self.aside(name).rename(self.path / numbered)
        failpoint("snapshot.sync")
        sync_folder(self.path)
        return numbered

    def give_up(self, name: str) -> None:
        """Remove what lies aside, as far as that goes."""
        shutil.rmtree(self.path / f".{name}.new", ignore_errors=True)

    def prune(self, run: str) -> None:
        """Remove all snapshots of that run but the last ones and the results of fits. Other runs' stay."""
        steps = [name for name in self.names() if not name.endswith("-end")]
        own = [name for name in steps if self._run(name) == run]
        for name in own[:-KEPT]:
            failpoint("snapshot.prune")
            # Renamed first: what is half removed must not look like a damaged snapshot.
            going = self.path / f".{name}.new"
            (self.path / name).rename(going)
            failpoint("snapshot.remove")
            shutil.rmtree(going)

    def _run(self, name: str) -> str | None:
        with suppress(FileFormatError):
            return str(snapshot.read_head(self.path / name)["run"])
        return None  # a damaged one stays for whoever wants to look at it


def split(path: Path) -> tuple[Path, str | None]:
    """A folder of snapshots, and the name of the one in it that `path` means; None if it means the folder itself."""
    path = Path(os.path.abspath(path))  # noqa: PTH100  # `..` and links stay as the user has named them
    return (path.parent, path.name) if NAME.fullmatch(path.name) else (path, None)


def _number(name: str) -> int:
    return int(name.partition("-")[0])
