"""How a job that `mx.run` has started has ended: what its workers returned, or an exception that says why it failed."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..common.errors import FileFormatError, JobError
from ..common.left_files import result_file
from .report import hint
from .runs.stored import Run
from .runs.story import Story
from .runs.words import duration

if TYPE_CHECKING:
    from ..common.results import Result

TAIL = 65536  # bytes at the end of a log in which the traceback is looked for
LINES = 100  # of it that are shown, at most
BEGIN = "Traceback (most recent call last):"
# What stands between the tracebacks of errors that led to each other.
BETWEEN = re.compile(r"^(During handling of the above|The above exception was)")


@dataclass(frozen=True)
class Outcome:
    """A job that has succeeded. `folder` is its run (docs/runs.md), `values` what the function returned, by rank.

    Of a script the values are None.
    """

    id: str
    folder: Path
    seconds: float
    values: list[Any] = field(default_factory=list)

    @property
    def value(self) -> Any:
        """What rank 0 returned."""
        return self.values[0]

    def __str__(self) -> str:
        return f"run {self.id}: done in {duration(self.seconds)}; files in {self.folder}"


class JobFailed(JobError):
    """A job has ended with an error. Its text has the traceback of the process to blame, as it was there.

    `code` is the exit code that `launch` would have, `process` the name of that process (`w1`) and `host` where it ran,
    both "" if nobody is to blame; `traceback` is "" if it left none. `folder` is the run.
    """

    def __init__(self, text: str, *, code: int, process: str, host: str, traceback: str, folder: Path) -> None:
        super().__init__(text)
        self.code, self.process, self.host, self.traceback, self.folder = code, process, host, traceback, folder

    def __str__(self) -> str:
        return "\n".join(filter(None, (self.text, f"logs: {self.folder}", self.traceback)))

    def _render_traceback_(self) -> list[str]:
        """What IPython shows: the frames of the worker, not those of this process, and last what has happened."""
        return [
            *_with_cells(self.traceback).splitlines(),
            f"{type(self).__name__}: {self.text}",
            f"logs: {self.folder}",
        ]


def outcome(run: Run) -> Outcome:
    """That of a run that has ended with 0. Raises FileFormatError if a worker has left nonsense."""
    results = [_result(run, f"w{rank}") for rank in range(run.about["workers"])]
    return Outcome(run.id, run.folder, run.seconds or 0.0, [result.value for result in results])


def failure(run: Run) -> JobFailed:
    """The exception for a run that has ended otherwise."""
    story = Story(run)
    story.update()
    name, text = str(run.end.get("process", "")), str(run.end.get("text", "launch has not said why"))
    member = story.members.get(name)
    host = member.spec.host if member else ""
    traceback = _traceback(run, name) if name else ""
    last = traceback.rstrip().rpartition("\n")[2]
    parts = [f"{member.spec.title} {text} (host {host})" if member else text, last or run.end.get("reason")]
    parts += [run.end.get("remedy") or hint([last])]
    said = ": ".join(filter(None, parts))
    return JobFailed(said, code=run.code or 1, process=name, host=host, traceback=traceback, folder=run.folder)


def _result(run: Run, name: str) -> Result:
    from ..common.results import Result  # what `launch` has no use for

    path = run.folder / result_file(name)
    try:
        return Result.decode(path.read_bytes())
    except FileNotFoundError:  # a script's, or of a function that has left by sys.exit()
        return Result()
    except FileFormatError as error:
        error.locate(str(path))
        raise


def _traceback(run: Run, name: str) -> str:
    """What the function's worker has said of its error, or the last traceback in the log of a script."""
    if said := _result(run, name).error:
        return said
    for ending in (".err.log", ".log"):
        if (path := run.folder / f"{name}{ending}").exists():
            return _last_traceback(_tail(path).splitlines())
    return ""


def _tail(path: Path) -> str:
    with path.open("rb") as file:
        file.seek(max(0, file.seek(0, 2) - TAIL))
        return file.read().decode("utf-8", "replace")


def _last_traceback(lines: list[str]) -> str:
    """The last traceback, with those of the errors that led to it; "" if there is none."""
    begins = [index for index, line in enumerate(lines) if line.startswith(BEGIN)]
    if not begins:
        return ""
    begin = begins.pop()
    while begins and any(BETWEEN.match(line) for line in lines[begins[-1] : begin]):
        begin = begins.pop()
    return "\n".join(lines[begin:][-LINES:]) + "\n"


def _with_cells(text: str) -> str:
    """The text with notebook cells called as the notebook does: `Cell In[3]`."""
    from ..common.cell import shell

    compiler = getattr(shell(), "compile", None)

    def named(found: re.Match[str]) -> str:
        said = compiler.format_code_name(found[1]) if compiler else None
        return " ".join(said) if said and said[0] == "Cell" else found[0]

    return re.sub(r'File "([^"\n]+)"', named, text)
