"""The folder in which processes of one user on one host meet. Nobody else may enter it, so its sockets need no keys.

Permission to connect to a Unix socket is the permission to reach its path: a folder of mode 0700 keeps every other user
out, whatever they know. What is checked here is that the folder really is that.
"""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import time
from pathlib import Path

from .errors import JobError

SETTLED = 60.0  # seconds: a younger socket at which nobody listens may be about to be listened at
ELSEWHERE = "Set PUSHGRAD_JOB_DIR to a folder of mode 0700 of your own, on a local disk and the same for every process"


def given_folder(path: str) -> Path:
    """The folder that PUSHGRAD_JOB_DIR names. Raises JobError if it is missing, or others may enter it."""
    folder = Path(path).absolute()
    if not folder.is_dir():
        raise JobError(f"PUSHGRAD_JOB_DIR: there is no folder {path}", remedy=f"mkdir -m 700 {path}")
    _require_private(folder, "PUSHGRAD_JOB_DIR")
    return folder


def own_folder(base: str = "/tmp") -> Path:
    """The folder where jobs without `launch` meet, `pushgrad-jobs-UID` in `base`; it is made if it is missing.

    Not in $TMPDIR or $XDG_RUNTIME_DIR: the processes of a job may come from different shells, and must find each other.
    Raises JobError if it cannot be made, or if it is somebody else's.
    """
    folder = Path(base) / f"pushgrad-jobs-{os.geteuid()}"
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:  # from an earlier job; or somebody else's, who lies in wait
        pass
    except OSError as error:
        raise JobError(
            f"cannot make the folder {folder}, where this job's processes meet ({error.strerror})", remedy=ELSEWHERE
        ) from None
    _require_private(folder, "this job's processes meet in a folder that is not safe")
    return folder


def _require_private(folder: Path, what: str) -> None:
    # lstat: a link of somebody else's could lead to another place tomorrow.
    status = folder.lstat()
    mode = stat.S_IMODE(status.st_mode)
    if not stat.S_ISDIR(status.st_mode):
        raise JobError(f"{what}: {folder} is a link or a file", remedy=ELSEWHERE)
    if status.st_uid != os.geteuid():
        raise JobError(f"{what}: {folder} belongs to another user (uid {status.st_uid})", remedy=ELSEWHERE)
    if mode & 0o077:
        raise JobError(
            f"{what}: others may enter {folder}", expected="mode 0700", got=f"{mode:04o}", remedy=f"chmod 700 {folder}"
        )


def stays_in_place(folder: Path) -> bool:
    """Whether nobody else can put another folder in its place: no parent is open to all without the sticky bit."""
    modes = [parent.stat().st_mode for parent in folder.parents]
    return all(mode & stat.S_ISVTX or not mode & stat.S_IWOTH for mode in modes)


def remove_socket(endpoint: str) -> None:
    """Remove the path of an ipc endpoint that nobody listens at any more: ZeroMQ leaves it. Nothing happens for tcp."""
    if endpoint.startswith("ipc://"):
        Path(endpoint.removeprefix("ipc://")).unlink(missing_ok=True)


def sweep(folder: Path) -> None:
    """Remove sockets in `folder` at which nobody listens: their processes were killed."""
    for path in folder.glob("*.sock"):
        with contextlib.suppress(OSError):
            if time.time() - path.lstat().st_mtime > SETTLED and not _listens(path):
                path.unlink()


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            return False
        except OSError:  # its queue is full, say
            return True
    return True
