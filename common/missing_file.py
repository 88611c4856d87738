"""What somebody may do about a file or folder that cannot be read."""

from __future__ import annotations

import errno
import os
from itertools import islice
from pathlib import Path

from .suggestion import closest

MOST_NAMES = 2000  # of a folder that are looked at: data sets have folders of a million files
LISTED = 5
MEANT = "Did you mean"


def remedy_for(path: str | os.PathLike[str], error: OSError) -> str | None:
    """For a path as its user wrote it: the name that was meant, or what is there; None if nobody can tell."""
    where = Path(path)
    if error.errno == errno.EISDIR:
        return "It is a folder: name a file in it"
    if error.errno == errno.ENOTDIR:
        return "It needs to be a folder"
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"Its permissions forbid it: see `ls -ld {where}`"
    return _of_missing(where) if error.errno == errno.ENOENT else None


def _of_missing(path: Path) -> str:
    """Of the path's first part that does not exist: a like name, or else where it was sought and what is there."""
    missing = next((part for part in reversed(path.parents) if not part.exists()), path)
    folder, is_file = missing.parent, missing == path
    alike = [name for name in _names(folder) if not is_file or name.endswith(path.suffix)]
    if meant := closest(missing.name, alike):
        return f"{MEANT} {folder / meant / path.relative_to(missing)}?"
    sought = f"it was sought in {folder.absolute()}" if is_file else f"there is no folder {missing.absolute()}"
    if not (is_file and path.suffix and alike):
        return f"Check the path: {sought}"
    more = ", ..." if len(alike) > LISTED else ""
    return f"Check the path: {sought}, which has {', '.join(alike[:LISTED])}{more}"


def _names(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in islice(entries, MOST_NAMES) if not entry.name.startswith("."))
    except OSError:
        return []
