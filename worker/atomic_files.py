"""Writing files so that a crash, a full disk or a kill leaves either the old content or the new one."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import IO, TypeAlias

from ..common.errors import FileFormatError
from ..common.failpoint import failpoint

PathLike: TypeAlias = str | os.PathLike[str]


def write_atomically(path: PathLike, write: Callable[[IO[bytes]], object]) -> None:
    """Let `write` fill a temporary file beside `path`, flush that to the disk, and rename it to `path`.

    `write` is called once with the open binary stream. A symbolic link is followed. On any error the temporary file
    is removed and `path` keeps its old content. Raises FileFormatError if the folder does not exist, and passes on
    what `write` raises and any other OSError (disk full, no permission).
    """
    # Renaming onto a symbolic link would replace the link itself, so write to the file that it points to.
    target = Path(os.path.realpath(path))
    if not target.parent.is_dir():
        raise FileFormatError(f"{path} cannot be written: there is no folder {target.parent}", remedy="Make it first")
    # In the same folder, because a rename is atomic only within one file system. A name of its own for each call:
    # processes, on other hosts as well, and threads may write the same path, and the last one to rename wins.
    aside = target.with_name(f".{target.name}.{os.getpid()}-{secrets.token_hex(4)}.new")
    try:
        with aside.open("wb") as stream:
            failpoint("file.write")
            write(stream)
            failpoint("file.sync")
            stream.flush()
            # Before the rename: otherwise, after a loss of power, the new name could stand for an empty file.
            os.fsync(stream.fileno())
        failpoint("file.rename")
        aside.replace(target)
    except BaseException:  # KeyboardInterrupt, too, must not leave the temporary file behind
        aside.unlink(missing_ok=True)
        raise
    sync_folder(target.parent)


def sync_folder(folder: Path) -> None:
    """Make the rename itself survive a loss of power; where the file system cannot sync a folder, do nothing."""
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
