"""Where a job keeps its snapshots, and where those of the same script's earlier jobs are."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ...common.function_file import CALL
from ...common.snapshot_names import EVERY, NAME, RESUME, WHERE
from .stored import runs

FOLDER = "snapshots"  # of a run: a folder, or a link to the one in which the job goes on


def settings(given: Mapping[str, str], run_dir: Path, command: Sequence[str], workdir: Path) -> dict[str, str]:
    """The variables by which a job's workers learn of snapshots. `given` is what options and variables say already.

    Snapshots are taken unless that is switched off, and kept in the job's run unless a folder is given. With
    PUSHGRAD_RESUME=auto they are kept where the latest ones of the same script are; a job that Slurm has put into its
    queue again goes on so by itself.
    """
    requeued = given.get("SLURM_RESTART_COUNT", "0") != "0"
    found = {EVERY: given.get(EVERY) or "auto", RESUME: given.get(RESUME) or ("auto" if requeued else "off")}
    resume = found[RESUME]
    if given.get(WHERE):
        folder = Path(given[WHERE])
    elif resume not in ("auto", "off"):
        folder = Path(resume).parent if NAME.fullmatch(Path(resume).name) else Path(resume)
    else:
        before = _latest(run_dir.parent, command, workdir) if resume == "auto" else None
        folder = before or run_dir / FOLDER
    return {**found, WHERE: str(workdir / folder)}


def _latest(folder: Path, command: Sequence[str], workdir: Path) -> Path | None:
    """The folder with the latest snapshots of this script, by a job that has ended or by `python train.py`.

    Those of jobs with the same arguments come first.
    """
    script = _script(command)
    found = [(False, workdir / FOLDER / Path(script).stem)]
    for run in runs(folder):
        words = [str(word) for word in run.about.get("command", [])]
        if _script(words) == script and run.about.get("folder") == str(workdir) and run.state != "running":
            found.append((words == list(command), run.folder / FOLDER))
    dated = [(same, age, kept.resolve()) for same, kept in found if (age := max(_times(kept), default=0.0))]
    return max(dated)[2] if dated else None


def _script(command: Sequence[str]) -> str:
    """What a command runs: its first word after the interpreter that is no option; for `mx.run`, the function."""
    words = [word for word in command[1:] if not word.startswith("-")] or [*command, ""]
    return words[1] if words[0] == CALL and len(words) > 1 else words[0]


def _times(folder: Path) -> Iterator[float]:
    """When the snapshots in a folder were written."""
    with contextlib.suppress(OSError):
        for entry in folder.iterdir():
            if NAME.fullmatch(entry.name):
                yield entry.stat().st_mtime
