"""Folders whose names are classes, with pictures in them."""

from __future__ import annotations

import os
from pathlib import Path

from ....common.errors import DataError
from ...atomic_files import PathLike
from .pixels import SUFFIXES

Listed = list[tuple[str, int]]  # path below the root, class


def find_pictures(root: PathLike, recursive: bool = False) -> tuple[list[str], Listed]:
    """Names of the classes, and (path below `root`, class) of each picture, both in alphabetical order.

    The folders in `root` that have pictures are the classes. With `recursive` each folder at any depth that has some
    is one, `root` itself included, as in MXNet's im2rec. Hidden files and folders do not count.
    DataError if `root` is no folder, or if a name holds a tab or an end of line, which no list file could hold.
    """
    base = Path(root)
    if not base.is_dir():
        raise DataError(f"{root} is not a folder")
    folders = _all_folders(base) if recursive else sorted(path.name for path in base.iterdir() if path.is_dir())
    classes: list[str] = []
    found: Listed = []
    for folder in folders:
        names = [] if folder.startswith(".") and folder != "." else _pictures(base / folder)
        if names:
            found += [(os.path.normpath(os.path.join(folder, name)), len(classes)) for name in names]  # noqa: PTH118
            classes.append(folder)
    for path, _ in found:
        if any(sign in path for sign in "\t\n\r"):
            raise DataError(f"{root}: a file name with a tab or an end of line", got=repr(path), remedy="Rename it")
    return classes, found


def _all_folders(base: Path) -> list[str]:
    """Every folder below `base` and itself, a folder before those in it; links to folders are followed once."""
    found, seen = [], set()
    for path, below, _ in os.walk(base, followlinks=True):
        status = Path(path).stat()
        identity = (status.st_dev, status.st_ino)
        if identity in seen:
            below.clear()
            continue
        seen.add(identity)
        below[:] = sorted(name for name in below if not name.startswith("."))
        found.append(os.path.relpath(path, base))
    return found


def _pictures(folder: Path) -> list[str]:
    """Names of the picture files in a folder."""
    names = (entry.name for entry in folder.iterdir() if entry.suffix.lower() in SUFFIXES and entry.is_file())
    return sorted(name for name in names if not name.startswith("."))
