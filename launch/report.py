"""The final report of a failed job: which process failed, where and how, and what it wrote last."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .state import Cause

NO_INPUT = (
    "The standard input of a job's processes is empty. To debug or to answer, run `python train.py` without launch"
)
# How the last line of standard error begins -> what to do about it.
HINTS = {
    "EOFError: EOF when reading a line": NO_INPUT,
    "bdb.BdbQuit": NO_INPUT,
    "ModuleNotFoundError: No module named 'pushgrad'": "The script's Python is not that of launch: `launch train.py`, "
    "without an interpreter before it, runs in the one that has pushgrad",
}
# What libraries say somewhere, in words of their own -> what to do about it.
LIMITS = {
    "Resource temporarily unavailable": "There is no room for another process or thread: see `ulimit -u`, and the "
    "limit of pids of a container or batch job",
    "Too many open files": "Too few files may be open: see `ulimit -n`",
}


def report(cause: Cause, seconds: float, errors: Sequence[str], output: Sequence[str], log: Path) -> list[str]:
    """The lines to print at the very end, where people look, `seconds` after the job's start.

    `errors` and `output` are the last lines of standard error and output of the process to blame, `log` its log file;
    without such a process, `log` is the folder of all logs.
    """
    lines = [] if cause.member is None else _quoted(cause.member.spec.name, errors, output)
    lines.append(what_happened(cause, seconds))
    if remedy := cause.remedy or hint(errors) or _limit([*lines, *errors]):
        lines.append(remedy)
    return [*lines, f"{'logs' if cause.member is None else 'log'}: {log}"]


def what_happened(cause: Cause, seconds: float) -> str:
    """The cause in a line, `seconds` after the job's start."""
    if cause.member is None:
        return f"{cause.text}, after {seconds:.1f} s"
    spec = cause.member.spec
    pid = f", pid {cause.member.pid}" if cause.member.pid else ""
    reason = f": {cause.reason}" if cause.reason else ""
    return f"{spec.title} {cause.text} (host {spec.host}{pid}, after {seconds:.1f} s){reason}"


def hint(errors: Sequence[str]) -> str:
    """What to do about an error that comes of running in a job, by the last line of standard error; "" if not."""
    last = next((line.strip() for line in reversed(errors) if line.strip()), "")
    return next((text for start, text in HINTS.items() if last.startswith(start)), "")


def _limit(lines: Sequence[str]) -> str:
    return next((remedy for text, remedy in LIMITS.items() if text in "\n".join(lines)), "")


def without_frames(lines: Sequence[str]) -> list[str]:
    """Lines without the frames of tracebacks, which have been shown already; what was raised stays.

    The first lines may be the rest of a traceback whose beginning is not among the last ones.
    """
    begins = [index for index, line in enumerate(lines) if line.startswith("Traceback (most recent call last)")]
    frames = [index for index, line in enumerate(lines) if line.startswith('  File "')]
    inside = bool(frames) and (not begins or frames[0] < begins[0])
    kept = []
    for line in lines:
        if line.startswith("Traceback (most recent call last)"):
            inside = True
        elif not (inside and line.startswith("  ")):
            inside = False
            kept.append(line)
    return kept


def _quoted(name: str, errors: Sequence[str], output: Sequence[str]) -> list[str]:
    what, said = ("error", without_frames(errors)) if errors else ("output", output)
    if not said:
        return [f"{name} wrote nothing"]
    return [f"last lines of {name} on its standard {what}:", *(f"    {line}" for line in said)]
