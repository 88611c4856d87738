"""The launcher's end of a spare process (spare_process.py), of which the next generation of a job is made.

Most of what a death costs is Python's start and its imports. So a job that can begin again keeps one process that has
them behind it, from which the processes of its next generation are forked.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence

from .job import ROLE_COMMAND
from .processes import stat
from .spare_process import LENGTH

PATIENCE = 5.0  # seconds for a fork; then processes are started as if there were no spare one
IMPORTING = 30.0  # seconds for its imports, which take half a second of a core; whatever is started then takes longer


def is_script(argv: Sequence[str]) -> bool:
    """Whether it runs a script in this interpreter, without options: a spare process can become that."""
    return argv[0] == sys.executable and len(argv) > 1 and argv[1].endswith(".py")


class Forked:
    """A child that this process has not started itself; like a `subprocess.Popen` of which little is asked."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def wait(self) -> int:
        """Its exit status: -n if signal n killed it."""
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


class Spare:
    """At most one spare process, which is for one `generation` of the job. Without it nothing is lost but time.

    Processes that are forked from it show its environment in /proc, whatever their own is. So it has the marks of that
    generation (Job.marks), by which they are found.
    """

    def __init__(self) -> None:
        self.generation = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._line: socket.socket | None = None
        self._ready = False
        self._due = 0.0  # when its imports have taken too long, on the monotonic clock

    @property
    def pid(self) -> int | None:
        """That of the process, if there is one."""
        return None if self._process is None else self._process.pid

    def prepare(self, generation: int, environ: Mapping[str, str]) -> None:
        """Start one for that generation, with the environment of its processes but for what is each one's own."""
        self.close()
        self.generation, self._due = generation, time.monotonic() + IMPORTING
        self._line, its = socket.socketpair()
        self._line.settimeout(PATIENCE)
        with its, contextlib.suppress(OSError):  # there may be no room for another process
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", f"{__package__}.spare_process", str(its.fileno())],
                env={**environ, "PUSHGRAD_GENERATION": str(generation)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                pass_fds=(its.fileno(),),
            )

    def importing(self, seconds: float) -> bool:
        """Whether there is one that is still busy with its imports, after waiting for it for up to so long."""
        if self._process is None or self._ready or time.monotonic() >= self._due:
            return False
        assert self._line is not None
        return not select.select([self._line], [], [], seconds)[0]

    def start(self, argv: Sequence[str], environ: Mapping[str, str], fds: Sequence[int]) -> Forked | None:
        """Make a process of that argv and environment, with `fds` as its output, its errors and its status pipe.

        None if it has to be started: there is no spare process for it, or none that is ready.
        """
        if self._process is None or not self._is_for(argv, environ):
            return None
        assert self._line is not None
        try:
            pid = self._ask(self._line, json.dumps({"argv": argv, "env": dict(environ)}).encode(), fds)
            if stat(pid).parent == os.getpid():
                return Forked(pid)
            os.kill(pid, signal.SIGKILL)  # the kernel has not made it our child, so that we could not wait for it
        except (OSError, struct.error):  # it is still importing, or has died
            pass
        self.close()
        return None

    def _is_for(self, argv: Sequence[str], environ: Mapping[str, str]) -> bool:
        """It can be a script or one of our own roles."""
        ours = is_script(argv) or tuple(argv) == ROLE_COMMAND
        return ours and environ["PUSHGRAD_GENERATION"] == str(self.generation)

    def _ask(self, line: socket.socket, request: bytes, fds: Sequence[int]) -> int:
        """The pid of the new process. Raises OSError or struct.error if there will be none."""
        if not self._ready:
            if not select.select([line], [], [], 0)[0]:
                raise BlockingIOError
            self._ready = line.recv(1) != b""
        socket.send_fds(line, [LENGTH.pack(len(request))], fds)
        line.sendall(request)
        return int(LENGTH.unpack(line.recv(LENGTH.size, socket.MSG_WAITALL))[0])

    def close(self) -> None:
        """End the spare process. What has been forked from it lives on."""
        if self._line is not None:
            self._line.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._line = self._process = None
        self._ready = False
