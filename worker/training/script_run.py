"""What the fits of one process share of their snapshots: one run of a script, with all its fits in their order.

Everything here is kept for each folder of snapshots; nearly always there is one.
"""

from __future__ import annotations

import itertools
import json
import os
import secrets
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ...common.errors import FileFormatError, JobError, PushgradError
from ...common.snapshot_names import FAILURE, WHERE
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
    run that goes on from a snapshot keeps it. `failed` counts snapshots that could not be written, and with `stops` the
    first one ends the training.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = SnapshotFolder(folder)
        self.id = secrets.token_hex(8)
        self.results: dict[int, str] = {}
        self.script = Path(sys.argv[0]).name
        self.failed = 0
        self.stops = False
        self._failure: Exception | None = None
        self.loop: object = None  # the key-value store whose snapshots these are, besides those of fits
        self._writer: threading.Thread | None = None
        self._going_on: _GoingOn | None = None
        self._sought = False
        self._verified: Snapshot | None = None  # what was read when the snapshot was chosen
        self._said: set[str] = set()

    def lock(self) -> None:
        """Keep others from writing in the folder, if it can be written at all, else warn.

        Raises ParameterError if another training does.
        """
        try:
            self.folder.lock()
        except OSError as error:
            self.warn(error)

    def say_once(self, text: str) -> None:
        """Say it, unless it was said before."""
        if text not in self._said:
            self._said.add(text)
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
            said = session.gather(json.dumps(chosen and str(chosen)).encode(), "resume")
            if path := json.loads(said[0]):
                if not Path(path).exists():
                    raise FileFormatError(
                        f"worker 0 goes on from {path}, which is not there on the host of worker {session.rank}",
                        remedy=f"All hosts must see the same files: {WHERE} names a folder",
                    )
                going_on = self._going_on = _GoingOn.at(Path(path))
                self.id, self.results = going_on.run, dict(going_on.results)
        verified, self._verified = self._verified, None  # read once: it may be large
        return self._going_on.of(fit, identity, verified) if self._going_on else None

    def _choose(self, source: Source, fit: int, identity: Identity) -> Path | None:
        """The snapshot to go on from; None if there are none at all, which is said."""
        if source.job is not None:
            return self._choose_own(source, fit, identity)
        paths = _newest_first(source.folder) if source.name is None else [source.folder / source.name]
        found = self._first_good(paths, fit, identity)
        if found is not None:
            return found
        if paths or source.required:
            raise _unusable(source.folder)
        if not source.or_checkpoint:
            note(f"there is no snapshot in {source.folder} yet: the training begins at its beginning")
        return None

    def _choose_own(self, source: Source, fit: int, identity: Identity) -> Path | None:
        """The latest snapshot that an earlier generation of this job has taken, else what that began from."""
        own = [path for path in _newest_first(source.folder) if _is_of(path, source.job)]
        found = self._first_good(own, fit, identity)
        if found is None and own:
            raise _unusable(source.folder)
        if found is None and source.before is not None:
            return self._choose(source.before, fit, identity)
        return found

    def _first_good(self, paths: Sequence[Path], fit: int, identity: Identity) -> Path | None:
        """The first of these snapshots from which the script can go on; those from which it cannot are named."""
        for path in paths:
            try:
                found = snapshot.verify(path)
                if found.head["script"] != self.script:
                    raise _other(found, "script", found.head["script"], self.script)
                for result in found.head["results"].values():
                    snapshot.verify(path.parent / result)
                _GoingOn.at(path).of(fit, identity, found)
            except FileFormatError as error:
                note(f"snapshot refused: {error}")
            else:
                self._verified = found
                return path
        return None

    def head(self, fit: int, identity: Identity) -> dict[str, Any]:
        """What the head of each file of a snapshot of that fit begins with."""
        job = os.environ.get("PUSHGRAD_JOB_ID")
        return {"run": self.id, "job": job, "script": self.script, "fit": fit, "identity": identity}

    def circumstances(self, fit: int) -> dict[str, Any]:
        """What the head of a snapshot of that fit says of everything around it."""
        return {
            "written": datetime.now(UTC).isoformat(timespec="seconds"),
            "results": {str(other): result for other, result in self.results.items() if other != fit},
            "failed": self.failed,
        }

    def write(self, work: Callable[[], None]) -> None:
        """Let a thread do `work`, which writes a snapshot, when what it was given before is done."""
        earlier = self._writer

        def guarded() -> None:
            try:
                if earlier is not None:
                    earlier.join()
                work()
            except (OSError, PushgradError) as error:
                self.warn(error)

        # No daemon: a script that comes to its end waits for its last snapshot.
        self._writer = threading.Thread(target=guarded, name="pushgrad-snapshot")
        self._writer.start()

    @property
    def writing(self) -> bool:
        """Whether a snapshot is being written."""
        return self._writer is not None and self._writer.is_alive()

    def finish_writing(self) -> None:
        """Wait until no snapshot is being written."""
        if self._writer is not None:
            self._writer.join()

    def warn(self, error: Exception) -> None:
        """Say and count that a snapshot could not be written: by default a training is worth more than that."""
        self.failed += 1
        self._failure = error
        if not self.stops:
            what = f"snapshot not written ({self.failed} so far)"
            note(f"{what}: {error}; the training goes on, and {self.folder.path} has what it had")

    def heed(self) -> None:
        """Raise JobError if a snapshot could not be written and the training is to end then."""
        if self.stops and self._failure is not None:
            raise JobError(
                f"snapshot not written: {self._failure}; {self.folder.path} has what it had",
                remedy=f"With {FAILURE}=warn the training would go on",
            ) from self._failure


@dataclass(frozen=True)
class _GoingOn:
    """From which snapshot a script goes on: in the midst of fit `fit`, or behind it. `results` has its own as well.

    All of this is kept, as the snapshot itself may be removed when there are later ones.
    """

    path: Path
    run: str
    fit: int
    results: dict[int, str]
    in_midst: bool

    @staticmethod
    def at(path: Path) -> _GoingOn:
        """From the snapshot at `path`. Raises FileFormatError if it cannot be read."""
        head = snapshot.read_head(path)
        results = {int(number): name for number, name in head["results"].items()}
        if head["done"]:
            results[head["fit"]] = path.name
        return _GoingOn(path, head["run"], head["fit"], results, not head["done"])

    def of(self, fit: int, identity: Identity, verified: Snapshot | None) -> Snapshot | None:
        """The snapshot of that fit, which is not read again if it is `verified`; None if the fit is a later one.

        Raises FileFormatError if it is of another fit than this, or cannot be read.
        """
        name = self.path.name if self.in_midst and fit == self.fit else self.results.get(fit)
        if name is None:
            if fit < self.fit:
                note(f"{self.path} has no result of fit {fit}, which is trained again")
            return None
        path = self.path.parent / name
        found = verified if verified is not None and verified.path == path else snapshot.read(path)
        there = found.head["identity"]
        for what, value in json.loads(json.dumps(identity)).items():
            if there.get(what) != value:
                raise _other(found, what, there.get(what), value)
        return found


def _newest_first(folder: Path) -> list[Path]:
    return [folder / name for name in SnapshotFolder(folder).names()[::-1]]


def _is_of(path: Path, job: str | None) -> bool:
    try:
        return snapshot.read_head(path).get("job") == job
    except FileFormatError as error:
        note(f"snapshot refused: {error}")
        return False


def _unusable(folder: Path) -> FileFormatError:
    return FileFormatError(
        f"resume: no snapshot in {folder} can be used",
        remedy="To begin the training anew all the same, leave resume out, or name another folder",
    )


def _other(found: Snapshot, what: str, there: object, here: object) -> FileFormatError:
    return FileFormatError(
        f"{found.path} is of another {what}",
        expected=here,
        got=there,
        remedy="`pushgrad snapshot to-checkpoint` makes a checkpoint of it, from which other trainings can start",
    )
