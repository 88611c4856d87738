"""From the options that a user has given to a Job. Every refusal names the option and, where there is one, a remedy."""

from __future__ import annotations

import math
import os
import secrets
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..common.cores import available_cores
from ..common.errors import JobError
from .gpus import CPU, deal, parse_gpus, present_gpus, visible_devices
from .job import Job
from .process_plan import OWNED
from .surroundings import check_folder, temp_folder

SOCKET_PATH_LIMIT = 107  # bytes in sockaddr_un, without the final zero
ROOM_FOR_A_NAME = 40  # bytes of a socket's own name in the job's directory; see data_endpoint in common/address.py


def make_job(
    script: str,
    args: Sequence[str] = (),
    *,
    module: bool = False,
    workers: int | None = None,
    servers: int = 1,
    gpus: str | None = None,
    env: Sequence[str] = (),
    log_dir: str | None = None,
    timeout: float | None = None,
    grace_period: float = 30.0,
    max_restarts: int = 0,
    environ: Mapping[str, str] | None = None,
) -> Job:
    """Check the options of `launch` and make a Job of them; nothing is created yet.

    `environ` takes the place of this process's environment. Raises JobError naming the option that cannot be met.
    """
    environ = os.environ if environ is None else environ
    _check_platform()
    check_folder()
    _check_restarts(max_restarts)
    command = (*worker_command(script, module), *args)
    added = parse_env(env)
    hands = deal_gpus(gpus, workers, added, environ)
    workers = _at_least_one("--workers", workers if workers is not None else max(1, len(hands)))
    job_id = f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(3)}"
    job_dir = _short_temp_dir() / f"pushgrad-{job_id}"
    return Job(
        command=command,
        workers=workers,
        servers=_at_least_one("--servers", servers),
        job_id=job_id,
        job_dir=job_dir,
        log_dir=job_dir / "logs" if log_dir is None else _log_folder(log_dir) / job_id,
        hands=hands,
        env=added,
        defaults=_defaults(workers, bool(hands), environ),
        keep_logs=log_dir is not None,
        timeout=None if timeout is None else _seconds("--timeout", timeout),
        grace_period=_seconds("--grace-period", grace_period, zero=True),
    )


def worker_command(script: str, module: bool = False) -> tuple[str, ...]:
    """The argv that runs `script`: a .py file or a module by this Python, any other executable by itself.

    Raises JobError if there is no such file or command, or it cannot be run. A module is not looked for: importing
    belongs to the worker.
    """
    if module:
        return (sys.executable, "-m", script)
    path = Path(script)
    if path.is_dir():
        raise JobError(f"{script} is a folder", expected="a script, such as train.py")
    if not path.exists():
        return (_on_path(script),)
    if path.suffix == ".py":
        if not os.access(path, os.R_OK):
            raise JobError(f"cannot read {script}", remedy="Check its permissions")
        return (sys.executable, script)
    if not os.access(path, os.X_OK):
        raise JobError(
            f"{script} is neither a .py file nor executable",
            remedy=f"Name it {script}.py, or make it executable with `chmod +x {script}`",
        )
    return (script if os.sep in script else f".{os.sep}{script}",)  # without a slash, PATH would be searched instead


def _on_path(script: str) -> str:
    if os.sep not in script and not script.endswith(".py") and shutil.which(script):
        return script
    beside = f"; this folder is {Path.cwd()}" if not Path(script).is_absolute() else ""
    raise JobError(f"there is no script {script}{beside}", remedy="Check the name and the folder")


def parse_env(settings: Sequence[str]) -> dict[str, str]:
    """The `NAME=VALUE` strings of --env as a dict. Raises JobError for a malformed one and for a name in OWNED."""
    env: dict[str, str] = {}
    for setting in settings:
        name, sign, value = setting.partition("=")
        if not sign or not name or "\0" in setting:
            # The value may be a secret that lost its name: it is not repeated.
            raise JobError("--env", expected="NAME=VALUE", got=repr(name) if sign else "no '='")
        if name in OWNED:
            raise JobError(f"--env {name}: `launch` sets {name} itself for every process", remedy="Leave it out")
        env[name] = value
    return env


def deal_gpus(
    gpus: str | None, workers: int | None, added: Mapping[str, str], environ: Mapping[str, str]
) -> tuple[tuple[str, ...], ...]:
    """What each worker is dealt, by rank: names for CUDA_VISIBLE_DEVICES, and `cpu`. () without --gpus.

    `added` is what --env sets. Raises JobError if the list is malformed, cannot be dealt evenly, or names a GPU that
    does not exist.
    """
    if gpus is None:
        return ()
    if "CUDA_VISIBLE_DEVICES" in added:
        raise JobError("--gpus and --env CUDA_VISIBLE_DEVICES contradict each other", remedy="Use one of them")
    entries = parse_gpus(gpus)
    _at_least_one("--workers", len(entries) if workers is None else workers)
    # Once before looking at the machine: a list that cannot be dealt is the simpler error. The names that CUDA uses
    # are dealt below, where two entries may turn out to be the same GPU.
    deal(entries, workers or len(entries))
    if any(entry != CPU for entry in entries):
        entries = visible_devices(entries, environ, present_gpus())
    hands = deal(entries, workers or len(entries))
    return tuple(map(tuple, hands))


def _defaults(workers: int, deals_gpus: bool, environ: Mapping[str, str]) -> dict[str, str]:
    threads = str(max(1, available_cores() // workers))  # workers that all use all cores slow each other down
    wanted = {"PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": threads, "NUMBA_NUM_THREADS": threads}
    if deals_gpus and "CUDA_VISIBLE_DEVICES" not in environ:
        wanted["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"  # as nvidia-smi numbers them; CUDA itself puts the fastest first
    return {name: value for name, value in wanted.items() if name not in environ}


def _check_platform() -> None:
    if not sys.platform.startswith("linux"):
        raise JobError(
            f"`launch` needs Linux, this is {sys.platform}",
            remedy="`python train.py` trains in one process on this system",
        )


def _check_restarts(max_restarts: int) -> None:
    if max_restarts != 0:
        raise JobError(
            f"--max-restarts {max_restarts}: dead processes cannot be replaced yet",
            expected="0",
            remedy="Leave the option out; a failed job continues from its last checkpoint with begin_epoch",
        )


def _at_least_one(option: str, value: int) -> int:
    if value < 1:
        raise JobError(option, expected="1 or more", got=value)
    return value


def _seconds(option: str, value: float, zero: bool = False) -> float:
    if not (math.isfinite(value) and 0 <= value < 1e9) or (value == 0 and not zero):
        raise JobError(option, expected=f"a number of seconds, {'0 or more' if zero else 'above 0'}", got=value)
    return value


def _log_folder(log_dir: str) -> Path:
    """The absolute path of the folder for logs. Raises JobError if nothing can be created there.

    It need not exist, so the nearest parent that does is looked at.
    """
    folder = Path(log_dir).absolute()
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    if not existing.is_dir():
        raise JobError(f"--log-dir {log_dir}: {existing} is a file", expected="a folder")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise JobError(f"--log-dir {log_dir}: no permission to write in {existing}", remedy="Choose another folder")
    return folder


def _short_temp_dir() -> Path:
    """The folder for temporary files, or /tmp if its path is too long for sockets in it."""
    folder = temp_folder()
    job_name = len("pushgrad-20260101-000000-abcdef/")
    # Too long a path would make servers fall back from ipc to tcp (data_endpoint in common/address.py).
    return folder if len(os.fsencode(folder)) + job_name + ROOM_FOR_A_NAME < SOCKET_PATH_LIMIT else Path("/tmp")
