"""What --dry-run prints for ssh: a shell that does by hand what the agents do, with an ssh for each process."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from ..config import is_secret
from ..dry_run import ANY_PORT, AWAIT_PORT, NOT_BY_HAND, READ_PORT
from ..job import Job
from ..process_plan import CHOSEN_PORT, FREE_PORT_THERE, Plan, ProcessSpec
from .hosts import Host
from .ssh_command import remote, rsync

# In the text for the other host, and what the shell here puts in their places.
LATER = {CHOSEN_PORT: "@port@", FREE_PORT_THERE: "@master_port@"}


def by_hand(job: Job, plan: Plan) -> list[str]:
    """The lines. Secrets come from the shell's own variables and travel over standard input, never in an argv."""
    hosts = [seat.host for seat in job.seats]
    folder = f"/tmp/pushgrad-{job.job_id}"
    secrets = [name for name in job.env if is_secret(name)]
    lines = [f"pushgrad keys {folder}-keys"]
    for host in hosts:
        lines += [shlex.join(rsync(job, host))] if job.sync else []
        lines.append(
            f"tar -C {folder}-keys -c . | {_there(host, f'mkdir -p -m 700 {folder}/keys && {_unpack(folder)}')}"
        )
        lines += [_hand_over(host, name, folder) for name in secrets]
    if any(FREE_PORT_THERE in spec.env.values() for spec in plan.specs):
        first = next(seat.host for seat in job.seats if seat.workers)
        lines.append(f"master_port=$({_there(first, shlex.join([job.python, '-c', ANY_PORT]))})")
    for spec in plan.specs:
        lines += [f"# {spec.title} ({spec.name}) on {spec.host}", _process(job, spec, hosts[spec.site], folder)]
        if spec.role == "scheduler":
            read = f"port=$({_there(hosts[0], READ_PORT.format(status=f'{folder}/status'))})"
            lines.append(AWAIT_PORT.format(read=read))
    lines.append("wait")
    return [*lines, *(_there(host, f"rm -r {folder}") for host in hosts), f"rm -r {folder}-keys"]


def _unpack(folder: str) -> str:
    return f"chmod 700 {folder} && : > {folder}/status && tar -C {folder}/keys -x"


def _there(host: Host, text: str) -> str:
    """The line that runs a text of the shell on that host."""
    return shlex.join(remote(host, text))


def _hand_over(host: Host, name: str, folder: str) -> str:
    return f'printf %s "${{{name}:?is not shown here: set it first}}" | {_there(host, f"cat > {folder}/{name}")}'


def _process(job: Job, spec: ProcessSpec, host: Host, folder: str) -> str:
    env = {name: value for name, value in spec.env.items() if name not in NOT_BY_HAND}
    env |= {"PUSHGRAD_JOB_DIR": folder, "PUSHGRAD_KEYS": f"{folder}/keys"}
    env |= {"PUSHGRAD_STATUS_FD": "3"} if spec.role == "scheduler" else {}
    steps = [f"cd {shlex.quote(str(job.workdir))}"]
    steps += [f'export {name}="$(cat {folder}/{name})"' for name in env if is_secret(name)]
    command = ["exec env", *_settings(env), shlex.join(spec.argv)]
    command += [f"3> {folder}/status"] if spec.role == "scheduler" else []
    line = _there(host, " && ".join([*steps, " ".join(command)]))
    for token in LATER.values():
        line = line.replace(token, f"'\"${token.strip('@')}\"'")
    return f"{line} &"


def _settings(env: dict[str, str]) -> Sequence[str]:
    return [f"{name}={LATER.get(value) or shlex.quote(value)}" for name, value in env.items() if not is_secret(name)]
