"""Submitting a batch script and following the job: its state, and the files that Slurm writes its output into."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ...common.errors import EXIT_INTERRUPTED, JobError
from ..config import is_secret
from .slurm_job import Record, exit_code, parse_records
from .slurm_script import batch_script

if TYPE_CHECKING:
    from ..display import Display
    from ..job import Job

PERIOD = 1.0  # seconds between two looks at the job
UNREACHED = 300.0  # seconds for which the controller may be away
PURGED = "Invalid job id"


def submit(job: Job, display: Display, quiet: bool = False) -> int:
    """Submit the job, follow it to its end and return its exit code.

    Ctrl-C asks whether to cancel it. Raises JobError with sbatch's words if it refuses the job.
    """
    secrets = [f"{name}={value}" for name, value in job.env.items() if is_secret(name)]
    environ = {**os.environ, "LAUNCH_ENV": shlex.join(secrets)}
    number = _asked(["sbatch", "--parsable"], batch_script(job), environ).strip().partition(";")[0]
    following = Following(number, display, quiet)
    try:
        following.to_the_end()
    except KeyboardInterrupt:
        if not _cancel(number):
            display.say(f"Slurm job {number} goes on; `scancel {number}` ends it")
            return EXIT_INTERRUPTED
        _asked(["scancel", number])
        following.to_the_end()
        return EXIT_INTERRUPTED
    return exit_code(following.records)


def _cancel(number: str) -> bool:
    """Whether the user wants it cancelled; nobody is asked where there is no terminal."""
    if not sys.stdin.isatty():
        return False
    print(f"\nCancel Slurm job {number}? [y/N] ", end="", file=sys.stderr, flush=True)
    try:
        return sys.stdin.readline().strip().lower() in ("y", "yes")
    except KeyboardInterrupt:
        return False


def _asked(argv: Sequence[str], text: str = "", environ: Mapping[str, str] | None = None) -> str:
    """What a command of Slurm's answers. Raises JobError with its own words if it fails."""
    try:
        # In a session of its own: Ctrl-C is for us alone.
        done = subprocess.run(argv, input=text.encode(), env=environ, capture_output=True, start_new_session=True)
    except OSError as error:
        raise JobError(f"{argv[0]}: {error.strerror}", remedy="Start it on a host with Slurm's commands") from None
    said, errors = (stream.decode("utf-8", "replace") for stream in (done.stdout, done.stderr))
    if done.returncode:
        raise JobError(f"{argv[0]} ended with exit code {done.returncode}: {errors.strip()}")
    return said


class Following:
    """A submitted job, of one part or of an array's many; `records` is what Slurm has last said of them."""

    def __init__(self, number: str, display: Display, quiet: bool) -> None:
        self.records: list[Record] = []
        self._number, self._display, self._quiet = number, display, quiet
        self._shown: dict[Path, int] = {}  # bytes of each file
        self._told: dict[str, str] = {}
        self._heard = time.monotonic()

    def to_the_end(self) -> None:
        """Show what there is to be shown until all parts have ended. Raises JobError if Slurm is not to be reached."""
        while True:
            gone = self._look()
            for record in self.records:
                self._tell(record)
                self._show(record.output)
            if gone or all(record.over for record in self.records):
                return
            time.sleep(PERIOD)

    def _look(self) -> bool:
        """Ask for the job's state. Returns whether Slurm has forgotten it."""
        try:
            self.records = parse_records(_asked(["scontrol", "show", "job", self._number, "--oneliner"]))
            self._heard = time.monotonic()
        except JobError as error:
            if PURGED in str(error):
                return True
            if time.monotonic() - self._heard > UNREACHED:
                raise
        return False

    def _tell(self, record: Record) -> None:
        state = record.state + (f" ({record.reason})" if record.reason else "")
        if not self._quiet and self._told.get(record.name) != state:
            self._told[record.name] = state
            self._display.say(f"Slurm job {record.name}: {state}")

    def _show(self, path: Path) -> None:
        """What has been added to a file; a file system of several hosts may show it late, and the file itself, too."""
        try:
            with path.open("rb") as file:
                file.seek(self._shown.get(path, 0))
                while data := file.read(1 << 20):
                    sys.stdout.buffer.write(data)
                self._shown[path] = file.tell()
        except FileNotFoundError:
            return
        sys.stdout.flush()
