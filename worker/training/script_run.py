"""What the fits of one process share of their snapshots: one run of a script, with all its fits in their order.

Everything here is kept for each folder of snapshots; nearly always there is one.
"""

from __future__ import annotations

import itertools
import json
import secrets
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...common.errors import FileFormatError
from ..files import snapshot
from ..files.snapshot import Snapshot
from ..files.snapshot_folder import SnapshotFolder
from ..log import note
from ..store.session import Session
from .snapshot_options import Source

_fits = itertools.count(1)
_runs: dict[Path, ScriptRun] = {}

Identity = dict[str, Any]


def next_fit() -> int:
    """The ordinal of this fit in the script, from 1, whether it takes snapshots or not: a script that runs again comes
    to the same fits in the same order.
    """
    return next(_fits)


def run_in(folder: Path) -> ScriptRun:
    """The run of this process that keeps its snapshots in `folder`."""
    return _runs.setdefault(folder, ScriptRun(folder))


class ScriptRun:
    """`results` are the names of the snapshots of fits that have ended, by their ordinal; `id` tells runs apart, and a
    run that goes on from a snapshot keeps it. `failed` counts snapshots that could not be written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = SnapshotFolder(folder)
        self.id = secrets.token_hex(8)
        self.results: dict[int, str] = {}
        self.script = Path(sys.argv[0]).name
        self.failed = 0
        self.writer: threading.Thread | None = None
        self._chosen: Snapshot | None = None
        self._sought = False
        self._named: set[str] = set()

    def say_once(self, text: str) -> None:
        """Say it, unless it was said before."""
        if text not in self._named:
            self._named.add(text)
            note(text)

    def found(self, source: Source, fit: int, identity: Identity, session: Session) -> Snapshot | None:
        """The snapshot of fit `fit` to go on from: of its midst or of its end; None if it is to begin.

        The first call chooses the snapshot from which the whole script goes on: the latest that can be read whole, and
        is of this script and of a fit with this `identity`; those that are not are named. Rank 0 does, and every worker
        reads what it has chosen. Raises FileFormatError if there are snapshots and none can be used, or if a later fit
        of the script is another than that of the snapshot, and the errors of `gather`.
        """
        if not self._sought:
            self._sought = True
            chosen = self._choose(source, fit, identity) if session.rank == 0 else None
            said = session.gather(json.dumps(chosen and str(chosen.path)).encode(), "resume")
            path = json.loads(said[0])
            if path is not None:
                self._chosen = chosen or snapshot.read(Path(path))
                self.id = self._chosen.head["run"]
                self.results = {int(number): name for number, name in self._chosen.head["results"].items()}
                if self._chosen.done:
                    self.results[self._chosen.fit] = self._chosen.path.name
        return None if self._chosen is None else _of_fit(self._chosen, fit, identity)

    def _choose(self, source: Source, fit: int, identity: Identity) -> Snapshot | None:
        """The snapshot to go on from; None if there are none at all, which is said."""
        names = [source.name] if source.name is not None else SnapshotFolder(source.folder).names()[::-1]
        for name in names:
            try:
                found = snapshot.read(source.folder / name)
                if found.head["script"] != self.script:
                    raise _other(found, "script", found.head["script"], self.script)
                for rank in found.head["parts"]:
                    snapshot.read(found.path, snapshot.part(rank))
                for result in found.head["results"].values():
                    snapshot.read(source.folder / result)
                _of_fit(found, fit, identity)
            except FileFormatError as error:
                note(f"snapshot refused: {error}")
            else:
                return found
        if names or source.required:
            raise FileFormatError(
                f"resume: no snapshot in {source.folder} can be used",
                remedy="To begin the training anew all the same, leave resume out, or name another folder",
            )
        note(f"there is no snapshot in {source.folder} yet: the training begins at its beginning")
        return None

    def write(self, work: Callable[[], None]) -> None:
        """Let a thread do `work`, which writes a snapshot; what it raises is said, and counted in `failed`."""
        # No daemon: a script that comes to its end waits for its last snapshot.
        self.writer = threading.Thread(target=self._guarded, args=[work], name="pushgrad-snapshot")
        self.writer.start()

    @property
    def writing(self) -> bool:
        """Whether a snapshot is being written."""
        return self.writer is not None and self.writer.is_alive()

    def finish_writing(self) -> None:
        """Wait until no snapshot is being written."""
        if self.writer is not None:
            self.writer.join()

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # whatever it is: a training is worth more than its snapshot
            self.failed += 1
            note(f"snapshot {self.failed} not written, the training goes on: {error}; {self.folder.path} is as before")


def _of_fit(chosen: Snapshot, fit: int, identity: Identity) -> Snapshot | None:
    """The snapshot of that fit among `chosen` and the results that it names; None if there is none.

    Raises FileFormatError if it is of another fit than this.
    """
    if chosen.fit == fit:
        found = chosen
    else:
        name = chosen.head["results"].get(str(fit))
        if name is None:
            return None
        found = snapshot.read(chosen.path.parent / name)
    there = found.head["identity"]
    for what, value in json.loads(json.dumps(identity)).items():
        if there.get(what) != value:
            raise _other(found, what, there.get(what), value)
    return found


def _other(found: Snapshot, what: str, there: object, here: object) -> FileFormatError:
    return FileFormatError(
        f"{found.path} is of another {what}",
        expected=here,
        got=there,
        remedy="`pushgrad snapshot to-checkpoint` makes a checkpoint of it, from which other trainings can start",
    )
