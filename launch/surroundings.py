"""What a job needs of its surroundings: a folder to stand in, one for temporary files, and room for its processes."""

from __future__ import annotations

import contextlib
import os
import resource
import tempfile
from collections.abc import Mapping
from pathlib import Path

from ..common.address import IPC_PATH, LONGEST_SOCKET
from ..common.cores import available_cores
from ..common.errors import JobError

LONGEST_FOLDER = "pushgrad-20260101-000000-abcdef-9999"  # of a job, in its generation 9999

FILES_OF_OUR_OWN = 24  # descriptors that launch uses for itself
FILES_PER_PROCESS = 3  # its output, its errors, and a handle on itself
FILES_PER_REMOTE = 8  # two pipes with both ends; and if it has an agent for itself, that one's command and connection


def check_folder() -> None:
    """Raises JobError if the current folder has been deleted."""
    try:
        os.getcwd()  # noqa: PTH109 - as Path.cwd, which is no shorter
    except OSError:
        raise JobError(
            "the current folder does not exist any more", remedy="Change to another one: `cd` to where the script is"
        ) from None


def temp_folder() -> Path:
    """The folder for temporary files. Raises JobError if there is none in which one can write."""
    try:
        return Path(tempfile.gettempdir())
    except OSError:
        raise JobError(
            "there is no folder for temporary files: /tmp, /var/tmp and the current folder cannot be written",
            remedy="Set TMPDIR to a folder on a local disk that can be, with a short path",
        ) from None


def short_temp_folder() -> Path:
    """The folder for temporary files, or /tmp if its path is too long for sockets in it."""
    folder = temp_folder()
    # Too long a path would make processes fall back from ipc to tcp (common/address.py), of later generations as well.
    longest = os.fsencode(folder / LONGEST_FOLDER / LONGEST_SOCKET)
    return folder if len(longest) <= IPC_PATH else Path("/tmp")


def thread_defaults(workers: int, environ: Mapping[str, str]) -> dict[str, str]:
    """How many threads each of so many workers of this host may use; what `environ` says stays.

    Workers that all use all cores slow each other down.
    """
    threads = str(max(1, available_cores() // max(1, workers)))
    return {name: threads for name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS") if name not in environ}


def check_files(processes: int, remote: bool = False) -> None:
    """See to it that so many processes can be started with this process's limit of open files, and raise it if need be.

    Raises JobError if that is not allowed.
    """
    needed = FILES_OF_OUR_OWN + (FILES_PER_REMOTE if remote else FILES_PER_PROCESS) * processes
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= needed or soft == resource.RLIM_INFINITY:
        return
    with contextlib.suppress(OSError, ValueError):  # the hard limit as well, if we are allowed to raise that
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, max(needed, hard)))
        return
    raise JobError(
        f"only {soft} files may be open, and launch needs {needed} for {processes} processes",
        remedy=f"`ulimit -n {needed}`, or fewer workers",
    )
