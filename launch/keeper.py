"""A small process that ends a job's processes when the launcher is gone, even if it was killed.

It holds the read end of a pipe, and the launcher the only write end. The launcher writes `+pid` for each process that
it starts, and `-pid` for each that has ended with its whole group. When the pipe closes, the launcher has ended or
died: what is left of the job gets TERM and, soon after, KILL. (PR_SET_PDEATHSIG would not do: it fires when the
*thread* ends that started the process, and does not reach what the processes have started themselves.)
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from .processes import POLL, end_all, members

PATIENCE = 1.5  # seconds between TERM and KILL: nothing may be left 5 s after the launcher's death
# Seconds for a child that was started in a killed launcher's last instant: it has no marks before it runs its program.
UNBORN = 1.0
GOODBYE = b"end\n"  # the launcher's last line, unless it is killed: it starts nothing any more


class Keeper:
    """The launcher's end of the pipe. The keeper has its own session, so signals to the launcher's group miss it."""

    def __init__(self, marks: Sequence[str], job_dir: Path, environ: dict[str, str]) -> None:
        """`marks` as for `processes.members`."""
        read, self._write = os.pipe()  # not inheritable: if a worker had the write end, the pipe would never close
        argv = [sys.executable, "-P", "-m", "pushgrad.launch.keeper", str(job_dir), *marks]
        try:
            self._process = subprocess.Popen(
                argv,
                env=environ,
                stdin=read,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                cwd="/",  # it must not keep the user's folder busy, nor import what lies there
            )
        except BaseException:
            os.close(self._write)
            raise
        finally:
            os.close(read)
        self.pid = self._process.pid

    def watch(self, leader: int) -> None:
        """Put a session leader under the keeper's guard."""
        self._tell(b"+%d\n" % leader)

    def forget(self, leader: int) -> None:
        """Stop guarding a leader: it has ended and left nobody behind, and its pid may be given to a stranger."""
        self._tell(b"-%d\n" % leader)

    def _tell(self, line: bytes) -> None:
        with contextlib.suppress(BrokenPipeError):  # a dead keeper is no reason to stop: the launcher is still there
            os.write(self._write, line)

    def close(self, leave: bool = False) -> None:
        """Let the keeper clear up, and wait until it has; `leave` it alone if it will find what cannot be ended."""
        self._tell(GOODBYE)
        os.close(self._write)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0 if leave else None)


def guarded(lines: bytes) -> set[int]:
    """The leaders that lines of `+pid` and `-pid` leave under guard; an incomplete last line does not count."""
    leaders: set[int] = set()
    for line in lines.split(b"\n")[:-1]:
        (leaders.add if line[:1] == b"+" else leaders.discard)(int(line[1:]))
    return leaders


def main(job_dir: str, *marks: str) -> None:
    """Wait for the pipe on standard input to close, then end what is left of the job and clear its directory."""
    # A signal that ends the launcher may have been sent to its keeper, too, which is needed most just then.
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(signum, signal.SIG_IGN)
    said = sys.stdin.buffer.read()
    leaders = guarded(said.removesuffix(GOODBYE))
    end = time.monotonic() + (0.0 if said.endswith(GOODBYE) else UNBORN)
    end_all(lambda: members(leaders, marks), PATIENCE)
    while time.monotonic() < end:
        time.sleep(POLL)
        end_all(lambda: members(leaders, marks), PATIENCE)
    shutil.rmtree(job_dir, ignore_errors=True)  # sockets, mapped files


if __name__ == "__main__":
    main(*sys.argv[1:])
