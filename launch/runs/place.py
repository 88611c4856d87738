"""Where runs are: a folder for all of them, in which each has one that bears its id."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from ...common.errors import JobError
from ..surroundings import temp_folder

VARIABLE = "PUSHGRAD_RUNS"
REMEDY = f"Name another folder with --runs or {VARIABLE}"


def runs_folder(given: str | None, environ: Mapping[str, str]) -> Path:
    """The folder of all runs: `given`, else PUSHGRAD_RUNS, else one of the user's own. It need not exist yet.

    The user's own is `pushgrad/runs` where programs keep their state ($XDG_STATE_HOME, or ~/.local/state), and
    `pushgrad-runs-UID` among temporary files if nothing can be written there. Raises JobError if that one is somebody
    else's.
    """
    if chosen := given or environ.get(VARIABLE):
        return Path(chosen).absolute()
    state = environ.get("XDG_STATE_HOME", "")
    # A path that is not absolute does not count (XDG Base Directory Specification).
    home = Path(state) if state.startswith(os.sep) else Path(environ.get("HOME") or "/", ".local/state")
    folder = home / "pushgrad" / "runs"
    if folder.is_absolute() and _obstacle(folder) is None:
        return folder
    return _among_temporary_files()


def _among_temporary_files() -> Path:
    """Anybody may make folders there: one of our name may be a trap."""
    folder = temp_folder() / f"pushgrad-runs-{os.geteuid()}"
    try:
        found = folder.lstat()
    except FileNotFoundError:
        return folder
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise JobError(f"{folder} is not a folder that only you can write in", remedy=REMEDY)
    return folder


def check_writable(given: str | None, folder: Path) -> None:
    """Raise JobError, naming the option or the variable, if no run can be made in `folder`."""
    if why := _obstacle(folder):
        raise JobError(f"{f'--runs {given}' if given else f'{VARIABLE} {folder}'}: {why}", remedy=REMEDY)


def _obstacle(folder: Path) -> str | None:
    """What is in the way of making things in a folder. It need not exist, so the nearest parent that does counts."""
    try:
        existing = next(path for path in (folder, *folder.parents) if path.exists())
    except OSError as error:  # a parent that may not be entered
        return f"{error.filename}: {error.strerror}"
    if not existing.is_dir():
        return f"{existing} is a file"
    if not os.access(existing, os.W_OK | os.X_OK):
        return f"no permission to write in {existing}"
    return None
