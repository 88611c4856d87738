"""The job as a process's environment describes it: dmlc's DMLC_* variables and PUSHGRAD_* variables of our own.

docs/clusters.md and docs/launch.md list them all.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from .errors import JobError

MOST_MEMBERS = 4096  # of a role in one job
ROLES = ("scheduler", "server", "worker")
_DEVICE = re.compile(r"(cpu|gpu)([0-9]{1,4})")


@dataclass(frozen=True)
class JobEnv:
    """One process's place in a job. Times are in seconds.

    `rank` is DMLC_WORKER_ID or DMLC_SERVER_ID if it is set, otherwise None, and the scheduler chooses one. `job_dir` is
    a directory of mode 0700 that all processes of one host share, for ipc sockets; `launch` sets it. `lease` is how
    long a process may give no sign of life. `generation` counts how often `launch` has started the job's processes.
    `status_fd` is the pipe on which the scheduler reports to `launch`.
    """

    role: str
    root_uri: str
    root_port: int
    num_workers: int
    num_servers: int
    rank: int | None = None
    node_host: str | None = None
    interface: str | None = None
    job_id: str = "job"
    job_dir: str | None = None
    keys: str | None = None
    insecure: bool = False
    lease: float = 30.0
    start_timeout: float = 60.0
    generation: int = 1
    status_fd: int | None = None

    @property
    def root(self) -> str:
        """The scheduler's ZeroMQ endpoint."""
        return f"tcp://{bracket(self.root_uri)}:{self.root_port}"

    @staticmethod
    def from_env(env: Mapping[str, str] | None = None) -> JobEnv | None:
        """The job that `env` (by default this process's environment) describes; None outside a job (no DMLC_ROLE).

        Raises JobError naming the variable that is missing or makes no sense.
        """
        env = os.environ if env is None else env
        if not env.get("DMLC_ROLE"):
            return None
        role = env["DMLC_ROLE"]
        if role not in ROLES:
            raise JobError("DMLC_ROLE", expected=" or ".join(ROLES), got=repr(role))
        return JobEnv(
            role=role,
            root_uri=_text(env, "DMLC_PS_ROOT_URI"),
            root_port=_number(env, "DMLC_PS_ROOT_PORT", low=0, high=65535),
            num_workers=_number(env, "DMLC_NUM_WORKER", low=1, high=MOST_MEMBERS),
            num_servers=_number(env, "DMLC_NUM_SERVER", low=1, high=MOST_MEMBERS),
            rank=_rank(env, role),
            node_host=env.get("DMLC_NODE_HOST") or None,
            interface=env.get("DMLC_INTERFACE") or None,
            job_id=env.get("PUSHGRAD_JOB_ID") or "job",  # dmlc's trackers set none
            job_dir=env.get("PUSHGRAD_JOB_DIR") or None,
            keys=env.get("PUSHGRAD_KEYS") or None,
            insecure=env.get("PUSHGRAD_INSECURE") == "1",
            lease=lease(env),
            start_timeout=start_timeout(env),
            generation=generation(env),
            status_fd=_number(env, "PUSHGRAD_STATUS_FD", low=0) if env.get("PUSHGRAD_STATUS_FD") else None,
        )


def generation(env: Mapping[str, str]) -> int:
    """How often the processes of this job have been started, 1 outside of `launch`. JobError if it is no number."""
    return _number(env, "PUSHGRAD_GENERATION", low=1) if env.get("PUSHGRAD_GENERATION") else 1


def start_timeout(env: Mapping[str, str]) -> float:
    """The seconds that PUSHGRAD_START_TIMEOUT gives processes to come; 60 if it is not set. JobError if it is none."""
    return _seconds(env, "PUSHGRAD_START_TIMEOUT", 60.0)


def lease(env: Mapping[str, str]) -> float:
    """The seconds without a sign of life that PUSHGRAD_LEASE allows; 30 if it is not set. JobError if it is none."""
    return _seconds(env, "PUSHGRAD_LEASE", 30.0)


def dealt_devices(env: Mapping[str, str] | None = None) -> list[tuple[str, int]]:
    """The devices that `launch --gpus` dealt to this worker, as pairs of kind ("gpu", "cpu") and index; [] without it.

    They are in PUSHGRAD_DEVICES, as gpu0,gpu1 or gpu0,cpu0; indices count within CUDA_VISIBLE_DEVICES. Raises JobError
    if an entry is malformed or comes twice.
    """
    text = (os.environ if env is None else env).get("PUSHGRAD_DEVICES", "").strip()
    found = [_DEVICE.fullmatch(entry.strip()) for entry in text.split(",")] if text else []
    devices = [(match[1], int(match[2])) for match in found if match]
    if len(set(devices)) < len(found):  # malformed entries are in `found` only, repeated ones in the set only once
        raise JobError("PUSHGRAD_DEVICES", expected="different devices, such as gpu0,gpu1,cpu0", got=repr(text))
    return devices


def gpus_are_shared(env: Mapping[str, str] | None = None) -> bool:
    """Whether several workers may compute on one GPU: `launch --gpus 0,0` sets PUSHGRAD_SHARED_GPUS=1."""
    return (os.environ if env is None else env).get("PUSHGRAD_SHARED_GPUS") == "1"


def bracket(host: str) -> str:
    """An IPv6 address in the brackets that URIs need; any other host as it is."""
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def _text(env: Mapping[str, str], name: str) -> str:
    value = env.get(name, "").strip()
    if not value:
        raise JobError(
            f"{name} is not set, though DMLC_ROLE={env['DMLC_ROLE']}",
            remedy="start the job with `launch`, or set DMLC_ROLE, DMLC_PS_ROOT_URI, DMLC_PS_ROOT_PORT, "
            "DMLC_NUM_WORKER and DMLC_NUM_SERVER for every process",
        )
    return value


def _number(env: Mapping[str, str], name: str, low: int, high: int | None = None) -> int:
    text = _text(env, name)
    try:
        value = int(text)
    except ValueError:
        raise JobError(name, expected="a whole number", got=repr(text)) from None
    if value < low or (high is not None and value > high):
        raise JobError(name, expected=f"{low} or more" if high is None else f"{low} to {high}", got=value)
    return value


def _seconds(env: Mapping[str, str], name: str, default: float) -> float:
    text = env.get(name, "").strip()
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 < value < 1e9:  # also refuses NaN, and -1 for what is not a number
        raise JobError(name, expected="a number of seconds above 0", got=repr(text))
    return value


def _rank(env: Mapping[str, str], role: str) -> int | None:
    name = {"worker": "DMLC_WORKER_ID", "server": "DMLC_SERVER_ID"}.get(role)
    if name is None or not env.get(name):
        return None
    # Checked here, too, so that the error names the variable before anybody is connected to.
    high = _number(env, "DMLC_NUM_WORKER" if role == "worker" else "DMLC_NUM_SERVER", low=1) - 1
    return _number(env, name, low=0, high=high)
