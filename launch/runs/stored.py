"""A run as it lies in its folder, whether its job is under way, over, or was never ended properly."""

from __future__ import annotations

import shlex
import time
from dataclasses import dataclass
from pathlib import Path

from ...common.errors import JobError
from ...common.function_file import CALL
from ...common.suggestion import closest
from .files import EVENTS, RUN, Record, last_line, read_json
from .identity import Identity
from .sense import is_end, is_run

LATEST = "latest"


@dataclass(frozen=True)
class Run:
    """One run. `about` is what run.json says; `end` is its last event if that is its end, {} otherwise."""

    folder: Path
    about: Record
    end: Record

    @classmethod
    def load(cls, folder: Path) -> Run | None:
        """The run in a folder; None if there is none."""
        about = read_json(folder / RUN)
        if about.get("id") != folder.name or not is_run(about):
            return None
        last = last_line(folder / EVENTS)
        return cls(folder, about, last if is_end(last) else {})

    @property
    def id(self) -> str:
        """Its name, which is its job's."""
        return self.folder.name

    @property
    def began(self) -> float:
        """When it began, in seconds since 1970."""
        return float(self.about["began"])

    @property
    def seconds(self) -> float | None:
        """How long it took, or takes so far; None if nobody knows when it ended."""
        if self.end:
            return float(self.end["seconds"])
        return time.time() - self.began if self.state == "running" else None

    @property
    def launcher(self) -> Identity | None:
        """The process that runs the job; None if run.json makes no sense there."""
        try:
            return Identity(**self.about["launcher"])
        except (KeyError, TypeError):
            return None

    @property
    def state(self) -> str:
        """`running`, `done`, `failed`, `stopped` by a signal, `lost`, or `unknown`.

        Lost: `launch` has ended, and did not get to write how. Unknown: it was started on another host and may run.
        """
        if self.end:
            return str(self.end.get("state"))
        alive = self.launcher.alive() if self.launcher else False
        return "unknown" if alive is None else "running" if alive else "lost"

    @property
    def code(self) -> int | None:
        """The exit code of `launch`; None as long as there is none."""
        code = self.end.get("code")
        return code if isinstance(code, int) else None

    @property
    def script(self) -> str:
        """What the workers run, without the interpreter, in one line that no terminal takes for commands."""
        command = [_printable(str(word)) for word in self.about["command"]]
        if command[1:3] == ["-m", CALL]:
            return f"mx.run({' '.join(command[3:])})"
        return shlex.join(command[1:] if len(command) > 1 and "python" in Path(command[0]).name else command)

    def fresh(self) -> Run:
        """The same run as it is now."""
        return Run.load(self.folder) or self


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def runs(folder: Path) -> list[Run]:
    """All runs in a folder, the latest last. Raises JobError if the folder cannot be read; [] if there is none."""
    try:
        found = [run for entry in folder.iterdir() if (run := Run.load(entry)) is not None]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise JobError(f"cannot read the runs in {folder}: {error.strerror}") from None
    return sorted(found, key=lambda run: (run.began, run.id))


def find(folder: Path, name: str) -> Run:
    """The run of that id, or the only one whose id or whose id's last part begins with `name`; `latest` is the latest.

    Raises JobError if there is none, or more than one.
    """
    known = runs(folder)
    if not known:
        raise JobError(
            f"there are no runs in {folder}", remedy="`launch train.py` makes one; --runs names another folder"
        )
    if name == LATEST:
        return known[-1]
    fits = [run for run in known if run.id == name] or [
        run for run in known if run.id.startswith(name) or run.id.rpartition("-")[2].startswith(name)
    ]
    if len(fits) == 1:
        return fits[0]
    if fits:
        raise JobError(f"{name!r} may be {_few([run.id for run in fits])}", remedy="Write more of it")
    meant = closest(name, [run.id for run in known])
    end = f". Did you mean {meant}?" if meant else f"; the latest is {known[-1].id}"
    raise JobError(f"there is no run {name!r} in {folder}{end}")


def _few(ids: list[str]) -> str:
    return ", ".join(ids[-3:]) + (f" or one of {len(ids) - 3} others" if len(ids) > 3 else "")
