"""What --dry-run prints: lines for a POSIX shell that start the job in order, fit to be shown to others."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from .config import is_secret
from .job import Job
from .process_plan import CHOSEN_PORT, FREE_PORT, OWNED, ProcessSpec, count

# In a shell's variables, as they are known only when the lines run.
LATER = {CHOSEN_PORT: '"$port"', FREE_PORT: '"$master_port"'}
NOT_BY_HAND = ("PUSHGRAD_LAUNCHED",)  # without a launcher exit codes are those of processes by themselves
ANY_PORT = "import socket; s = socket.socket(); s.bind(('', 0)); print(s.getsockname()[1])"
# The scheduler writes its port into the file as it writes it into launch's pipe. Should it end, nobody waits for it.
READ_PORT = r"""sed -n 's/.*"listening".*"port": \([0-9]*\).*/\1/p' {status}"""
AWAIT_PORT = 'until {read}; [ -n "$port" ] || ! kill -0 $!; do sleep 0.1; done'


def heading(job: Job, notes: Sequence[str]) -> list[str]:
    """The job's configuration, and notes, as comments."""
    return [
        f"# job {job.job_id}: {count(job.workers, 'worker')}, {count(job.servers, 'server')}",
        *(f"# note: {note}" for note in notes),
        *(f"# {line}".rstrip() for line in job.config.splitlines()),
    ]


def by_hand(job: Job, specs: Sequence[ProcessSpec], environ: Mapping[str, str]) -> list[str]:
    """Each process under its name, to be started on this host by a shell with the variables `environ`.

    Values of variables that are likely secrets are not shown: a line asks for them when it runs.
    """
    status = shlex.quote(str(job.job_dir / "status"))
    lines = [f"cd {shlex.quote(str(Path.cwd()))}", f"mkdir -m 700 {shlex.quote(str(job.job_dir))}"]
    if any(FREE_PORT in spec.env.values() for spec in specs):
        lines.append(f"master_port=$({shlex.join([sys.executable, '-c', ANY_PORT])})")
    for spec in specs:
        lines += [f"# {spec.title} ({spec.name}) on {spec.host}", _line(spec, status, environ)]
        if spec.role == "scheduler" and any(CHOSEN_PORT in other.env.values() for other in specs):
            lines.append(AWAIT_PORT.format(read=f"port=$({READ_PORT.format(status=status)})"))
    return [*lines, f"wait; rm -r {shlex.quote(str(job.job_dir))}"]


def _line(spec: ProcessSpec, status: str, environ: Mapping[str, str]) -> str:
    """The process in the background; without variables of another job that the shell may have."""
    leftover = [word for name in sorted(OWNED) if name in environ and name not in spec.env for word in ("-u", name)]
    words = settings(spec.env)
    end = "&"
    if spec.role == "scheduler":
        words.append("PUSHGRAD_STATUS_FD=3")
        end = f"3> {status} &"
    return " ".join(["env", *leftover, *words, shlex.join(spec.argv), end])


def settings(env: Mapping[str, str]) -> list[str]:
    """Variables as words of a shell, in which secrets are asked for and not shown."""
    return [f"{name}={_shown(name, value)}" for name, value in env.items() if name not in NOT_BY_HAND]


def _shown(name: str, value: str) -> str:
    if is_secret(name):
        return f'"${{{name}:?is not shown here: set it first}}"'
    return LATER.get(value) or shlex.quote(value)
