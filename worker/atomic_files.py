"""Writing files so that a crash, a full disk or a kill leaves either the old content or the new one."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import IO, TypeAlias

from ..common.errors import FileFormatError

PathLike: TypeAlias = str | os.PathLike[str]


def write_atomically(path: PathLike, write: Callable[[IO[bytes]], object]) -> None:
    """Let `write` fill a file beside `path`, flush it to the disk, and rename it to `path`.

    A symbolic link is followed. On any error the file beside it is removed and `path` is as it was.
    Raises FileFormatError if the folder does not exist; other OSErrors (disk full, no permission) as they are.
    """
    target = Path(os.path.realpath(path))
    if not target.parent.is_dir():
        raise FileFormatError(f"{path} cannot be written: there is no folder {target.parent}", remedy="Make it first")
    aside = target.with_name(f".{target.name}.{os.getpid()}.new")
    try:
        with aside.open("wb") as stream:
            write(stream)
            stream.flush()
            os.fsync(stream.fileno())
        aside.replace(target)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    _sync_folder(target.parent)


def _sync_folder(folder: Path) -> None:
    """Make the rename itself survive a loss of power, where the file system can do that."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    except OSError:
        return
    finally:
        os.close(descriptor)
