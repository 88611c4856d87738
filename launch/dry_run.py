"""What --dry-run prints: lines for a shell, one per process, fit to be shown to others."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import replace

from .job import Job
from .process_plan import ProcessSpec, count

# Names of variables whose values are not shown. It errs on the side of hiding.
SECRET = re.compile(r"SECRET|TOKEN|PASSW|CREDENTIAL|PRIVATE|API_?KEY|ACCESS_?KEY", re.IGNORECASE)
HIDDEN = "<hidden>"


def describe(job: Job, specs: Sequence[ProcessSpec]) -> str:
    """The job as the text of a shell script with a comment above each process. Likely secrets are not shown."""
    lines = [
        f"# job {job.job_id}: {count(job.workers, 'worker')}, {count(job.servers, 'server')}",
        f"mkdir -m 700 {shlex.quote(str(job.job_dir))}",
    ]
    for spec in specs:
        shown = {name: HIDDEN if SECRET.search(name) else value for name, value in spec.env.items()}
        lines += [f"# {spec.title} ({spec.name}) on {spec.host}", replace(spec, env=shown).shell()]
    return "\n".join(lines)
