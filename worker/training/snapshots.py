"""Takes the snapshots of one fit: decides when, copies its state at a step, and has a thread write it.

Rank 0 writes all that the workers of a job have in common, which is nearly everything: it has the weights, and fetches
the optimizer's states from the servers between two steps, when no server can be at another. What one worker alone has
it writes itself, into the same folder, and rank 0 makes the snapshot appear once all parts are there.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from ...common.errors import JobError
from ..array import Array
from ..files import snapshot
from ..store.session import Session
from .fit_state import Arrays, FitState
from .script_run import Identity, ScriptRun
from .snapshot_options import Interval

PATIENCE = 60.0  # seconds that rank 0 waits for the parts of other workers
LOOK = 0.05  # seconds between two looks for them


class Snapshots:
    """The snapshots of fit `fit` of a run. Between `due` and `take` no step may be made."""

    def __init__(self, run: ScriptRun, interval: Interval, fit: int, identity: Identity, session: Session) -> None:
        """Raises ParameterError if another training writes in the folder; OSError if nobody can."""
        self.run, self._interval, self._fit, self._session = run, interval, fit, session
        if session.rank == 0:
            run.folder.lock()
        self._head = {"run": run.id, "script": run.script, "fit": fit, "identity": identity}
        self._last, self._cost = time.monotonic(), 0.0
        self._asked = self._last  # when `due` was last called
        self._pending = False  # one is due, but the last one is still being written
        self._copies: dict[str, Array] = {}

    def say_once(self, text: str) -> None:
        """Say it on rank 0, once in the script's run."""
        if self._session.rank == 0:
            self.run.say_once(text)

    def due(self, step: int) -> bool:
        """Whether a snapshot is to be taken after step `step` (from 1) of the fit: never while one is being written."""
        now = time.monotonic()
        self._pending = self._pending or self._interval.due(step, now - self._last, self._cost)
        self._asked = now
        return self._pending and not self.run.writing

    def copies(self, kind: str, arrays: Arrays) -> dict[str, Array]:
        """Copies of arrays that the next step changes. Their memory is used again for the next snapshot."""
        found: dict[str, Array] = {}
        for name, array in arrays.items():
            found[name] = self._copies.setdefault(f"{kind}/{name}", np.empty_like(array))
            np.copyto(found[name], array)
        return found

    def take(self, state: FitState, shared: bool) -> None:
        """Have rank 0's state after a step written. `shared`: every other worker calls `take_part` at that step."""
        ranks = range(1, self._session.num_workers if shared else 1)
        self._begin(f"fit{self._fit}-step{state.step}", state, ranks, done=False)

    def take_part(self, step: int, residuals: Arrays) -> None:
        """Have written what another worker than rank 0 has alone after that step."""
        name, tree = f"fit{self._fit}-step{step}", {"residuals": residuals}
        stem = snapshot.part(self._session.rank)

        def work() -> None:
            snapshot.write(self.run.folder.aside(name), stem, self._head, tree)

        self._pending, self._last = False, self._asked
        self.run.write(work)

    def end(self, state: FitState) -> None:
        """Have the result of the fit written on rank 0, once the last snapshot is."""
        if self._session.rank == 0:
            self.run.finish_writing()
            self._begin(f"fit{self._fit}-end", state, range(0), done=True)

    def _begin(self, name: str, state: FitState, ranks: range, done: bool) -> None:
        run, blocked = self.run, time.monotonic() - self._asked
        written = datetime.now(UTC).isoformat(timespec="seconds")
        results = {str(fit): result for fit, result in run.results.items() if fit != self._fit}
        head = {**self._head, "step": state.step, "epoch": state.epoch + 1, "batch": state.batch, "done": done}
        head |= {"written": written, "parts": list(ranks), "results": results}

        def work() -> None:
            folder = run.folder.aside(name)
            try:
                snapshot.write(folder, snapshot.STATE, head, state.tree())
                _await_parts(folder, ranks)
                numbered = run.folder.commit(name)
            except BaseException:
                run.folder.give_up(name)
                raise
            if done:
                run.results[self._fit] = numbered
            run.folder.prune(run.id)
            self._cost = blocked + time.thread_time()

        self._pending, self._last = False, self._asked
        run.write(work)


def _await_parts(folder: Path, ranks: range) -> None:
    """Wait until these workers have written their parts. Raises JobError if that takes too long."""
    wanted = {rank: folder / f"{snapshot.part(rank)}.json" for rank in ranks}
    deadline = time.monotonic() + PATIENCE
    while missing := [rank for rank, path in wanted.items() if not path.exists()]:
        if time.monotonic() > deadline:
            listed = ", ".join(map(str, missing))
            raise JobError(
                f"worker {listed} has not written its part within {PATIENCE:g} s",
                remedy=f"All hosts must see the same files in {folder.parent}",
            )
        time.sleep(LOOK)
