"""Finding pictures in folders whose names are the classes."""

from __future__ import annotations

import os
from pathlib import Path

from ....common.errors import DataError
from ....common.foreign import reading
from ...atomic_files import PathLike
from .pixels import SUFFIXES

Listed = list[tuple[str, int]]  # path below the root, class


def find_pictures(root: PathLike, recursive: bool = False) -> tuple[list[str], Listed]:
    """The names of the classes, and (path below `root`, class number) of each picture, both in alphabetical order.

    The classes are the folders directly in `root` that have pictures. With `recursive`, every folder with pictures at
    any depth is a class, `root` itself included, as in MXNet's im2rec. Hidden files and folders are skipped.
    Raises DataError if `root` is not a folder, or if a name holds a tab or an end of line, which a list file cannot.
    """
    with reading(root, DataError):
        return _find(Path(root), root, recursive)


def _find(base: Path, root: PathLike, recursive: bool) -> tuple[list[str], Listed]:
    base.stat()  # raises where there is nothing
    if not base.is_dir():
        raise DataError(f"{root} is not a folder", remedy="Name the one that has a folder of pictures for each class")
    folders = _all_folders(base) if recursive else sorted(path.name for path in base.iterdir() if path.is_dir())
    classes: list[str] = []
    found: Listed = []
    for folder in folders:
        names = [] if folder.startswith(".") and folder != "." else _pictures(base / folder)
        if names:
            # normpath turns "./name" into "name" for pictures in `root` itself.
            found += [(os.path.normpath(os.path.join(folder, name)), len(classes)) for name in names]  # noqa: PTH118
            classes.append(folder)
    for path, _ in found:
        if any(sign in path for sign in "\t\n\r"):
            raise DataError(f"{root}: a file name with a tab or an end of line", got=repr(path), remedy="Rename it")
    return classes, found


def _all_folders(base: Path) -> list[str]:
    """`base` and every folder below it, parents first. Links are followed, but no folder is visited twice."""
    found, seen = [], set()
    for path, below, _ in os.walk(base, followlinks=True):
        # A link may lead back to a folder above it. Device and inode number tell that two paths are one folder.
        status = Path(path).stat()
        identity = (status.st_dev, status.st_ino)
        if identity in seen:
            below.clear()  # os.walk descends into what is left in this list
            continue
        seen.add(identity)
        below[:] = sorted(name for name in below if not name.startswith("."))
        found.append(os.path.relpath(path, base))
    return found


def _pictures(folder: Path) -> list[str]:
    """The names of the picture files in a folder, by their suffixes, in alphabetical order."""
    names = (entry.name for entry in folder.iterdir() if entry.suffix.lower() in SUFFIXES and entry.is_file())
    return sorted(name for name in names if not name.startswith("."))
