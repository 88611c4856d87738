"""The folders that `launch` makes for a job."""

from __future__ import annotations

from ..common.errors import JobError
from .job import Job

CONFIG = "job.toml"  # the job's configuration, beside its logs


def make_folders(job: Job) -> None:
    """Make the job's own folder and that of its logs, with its configuration. Raises JobError if that fails."""
    try:
        # Not exist_ok: a folder that somebody else has made in /tmp could be read, or full of links.
        job.job_dir.mkdir(mode=0o700)
        job.log_dir.parent.mkdir(parents=True, exist_ok=True)
        job.log_dir.mkdir(mode=0o700)
        if job.config:
            (job.log_dir / CONFIG).write_bytes(job.config.encode("utf-8", "replace"))
    except OSError as error:
        raise JobError(f"cannot make the folder {error.filename} for the job: {error.strerror}") from None
