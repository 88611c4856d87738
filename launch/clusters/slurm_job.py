"""What Slurm says of a job: lines of `scontrol show job --oneliner`, one for each task of an array."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ...common.errors import EXIT_FAILURE

UNDER_WAY = ("PENDING", "CONFIGURING", "RUNNING", "SUSPENDED", "STOPPED", "COMPLETING", "RESIZING", "SIGNALING")
AGAIN = ("REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT", "PREEMPTED")  # it may begin anew
# File names may hold spaces: a value ends where the next name begins.
FIELD = re.compile(r"(\S+?)=(.*?)(?= [A-Za-z/:]+=|\s*$)")


@dataclass(frozen=True)
class Record:
    """A job or a task of an array. `reason` says what a pending one waits for."""

    name: str
    state: str
    reason: str
    code: int
    output: Path

    @property
    def over(self) -> bool:
        """Whether nothing more will come of it."""
        return self.state not in (*UNDER_WAY, *AGAIN)


def parse_records(text: str) -> list[Record]:
    """The records in the order of their lines."""
    return [_record(dict(FIELD.findall(line))) for line in text.splitlines() if line.startswith("JobId=")]


def _record(fields: dict[str, str]) -> Record:
    task = fields.get("ArrayTaskId")
    name = fields["JobId"] if task is None else f"{fields['ArrayJobId']}_{task}"
    state, reason = fields["JobState"], fields.get("Reason", "None")
    code, _, signal = fields.get("ExitCode", "0:0").partition(":")
    return Record(
        name,
        state,
        reason if state == "PENDING" and reason != "None" else "",
        int(code) or (128 + int(signal) if int(signal) else 0),
        Path(fields.get("StdOut", "/dev/null")),
    )


def exit_code(records: Sequence[Record]) -> int:
    """0 if all parts have ended well, else the code of the first that has not: 128+n of one that signal n has ended."""
    for record in records:
        if record.state != "COMPLETED":
            return record.code or EXIT_FAILURE
    return 0 if records else EXIT_FAILURE
