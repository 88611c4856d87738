"""When snapshots are taken, where they are kept, and whether a training goes on from one: fit's options, or variables.

PUSHGRAD_SNAPSHOT=30s|10m|200steps|auto|off     PUSHGRAD_SNAPSHOT_DIR=folder     PUSHGRAD_RESUME=auto|path|off
PUSHGRAD_ON_SNAPSHOT_FAILURE=warn|stop
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ...common.errors import ParameterError
from ...common.job import generation
from ...common.snapshot_interval import Interval
from ...common.snapshot_names import EVERY, FAILURE, RESUME, WHERE
from ..atomic_files import PathLike
from ..files.snapshot_folder import split


@dataclass(frozen=True)
class Source:
    """Where to go on from: the latest good snapshot of a folder, or the one with that `name` in it.

    `or_checkpoint`: without any it goes on from the latest checkpoint, if there is one. `required`: without any the
    training must not begin; otherwise it begins at its beginning, and says so. With a `job` that job has been
    restarted: only its own snapshots count, and `before`, from where it began, if there are none.
    """

    folder: Path
    name: str | None = None
    required: bool = False
    or_checkpoint: bool = False
    job: str | None = None
    before: Source | None = None


@dataclass(frozen=True)
class SnapshotOptions:
    """`interval` is None if none are taken, `source` is None if the training is to begin at its beginning.

    `stops`: a training ends when a snapshot cannot be written; otherwise it goes on.
    """

    interval: Interval | None
    folder: Path
    source: Source | None
    stops: bool = False

    @staticmethod
    def of(
        snapshot: str | None, resume: PathLike | bool | None, env: Mapping[str, str] | None = None
    ) -> SnapshotOptions:
        """The options of a fit; each that is None is the environment's. Raises ParameterError if one makes no sense."""
        env = os.environ if env is None else env
        where = EVERY if snapshot is None else "fit: snapshot"
        # What is to go on must have been kept: with resume=True snapshots are taken unless that is said otherwise.
        unsaid = env.get(EVERY, "auto" if resume is True else "")
        interval = Interval.parse(unsaid if snapshot is None else snapshot, where)
        wanted = env.get(RESUME, "") if resume is None else _as_text(resume)
        default = Path("snapshots", Path(sys.argv[0]).stem or "session")
        folder = Path(env.get(WHERE) or default).absolute()
        source = Source(folder, or_checkpoint=True) if resume is True else _source(wanted, folder)
        if source is not None:
            # Further snapshots must lie beside the results of earlier fits, which they name.
            folder = source.folder
        if generation(env) > 1:
            or_checkpoint = source is not None and source.or_checkpoint
            source = Source(folder, or_checkpoint=or_checkpoint, job=env.get("PUSHGRAD_JOB_ID"), before=source)
        return SnapshotOptions(interval, folder, source, _stops(env))


def _stops(env: Mapping[str, str]) -> bool:
    if (text := env.get(FAILURE) or "warn") not in ("warn", "stop"):
        raise ParameterError(FAILURE, expected="warn or stop", got=repr(text))
    return text == "stop"


def _as_text(resume: PathLike | bool) -> str:
    return ("auto" if resume else "off") if isinstance(resume, bool) else os.fspath(resume)


def _source(wanted: str, folder: Path) -> Source | None:
    if wanted in ("", "off"):
        return None
    if wanted == "auto":
        return Source(folder)
    source = Source(*split(Path(wanted)), required=True)
    if not (source.folder / (source.name or "")).is_dir():
        raise ParameterError("resume: there is no such folder", got=repr(wanted), remedy='"auto" takes the latest')
    return source
