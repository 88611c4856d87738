"""Writes a snapshot of which several workers have parts: rank 0 makes it appear once all of them are there."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from ...common.errors import JobError
from ..files import snapshot
from ..store.session import Session
from .script_run import ScriptRun

PATIENCE = 60.0  # seconds that rank 0 waits for the parts of other workers
LOOK = 0.05  # seconds between two looks for them


def write_whole(
    run: ScriptRun,
    name: str,
    head: Mapping[str, Any],
    tree: Mapping[str, Any],
    session: Session,
    passed: Callable[[], object],
) -> str:
    """Write a snapshot, which appears when the parts of other workers, `head["parts"]`, are there; its numbered name.

    `passed` returns when all workers have done all there is to do up to its step. Raises OSError if it cannot be
    written, and what `await_parts` does.
    """
    run.folder.lock()  # where it failed at the start
    folder = run.folder.aside(name)
    try:
        # Of now, as the result of the fit before this one may just have been written.
        snapshot.write(folder, snapshot.STATE, {**head, **run.circumstances(head["fit"])}, tree)
        await_parts(folder, head["parts"], session)
        passed()
        return run.folder.commit(name)
    except BaseException:
        run.folder.give_up(name)
        raise


def await_parts(folder: Path, ranks: Iterable[int], session: Session) -> None:
    """Wait until these workers have written their parts. Raises JobError if the job ends before, or in PATIENCE."""
    wanted = {rank: folder / f"{snapshot.part(rank)}.json" for rank in ranks}
    deadline = time.monotonic() + PATIENCE
    while missing := [rank for rank, path in wanted.items() if not path.exists()]:
        if session.is_lost:
            raise JobError(f"the job has ended before worker {missing[0]} has written its part")
        if time.monotonic() > deadline:
            raise JobError(
                f"worker {missing[0]} has not written its part within {PATIENCE:g} s",
                remedy=f"All hosts must see the same files in {folder.parent}",
            )
        time.sleep(LOOK)
