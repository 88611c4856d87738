"""Snapshots of a loop that pushes and pulls by hand: `Keepable.snapshot` and `Keepable.restore`.

They have the same folders, files and options as those of a fit. Rank 0 writes what the store holds. Between the calls
of `snapshot`, in dist_sync, no server can be at another step than rank 0: it would need rank 0's gradients. What each
worker has besides (`extra`, random numbers, compression's residuals) it writes itself.
"""

from __future__ import annotations

import json
import time
from typing import Any

from ...common.checks import whole_number
from ...common.errors import DataError, FileFormatError, ParameterError
from .. import output_marks
from ..files import snapshot
from ..files.snapshot import Snapshot
from ..files.state_tree import copied
from ..log import note
from ..store.contents import contents, give_back
from ..store.keeper import Kept
from ..store.kvstore import KVStore
from . import script_run
from .announced import Announced
from .process_state import random_state, residuals_of, restore_random
from .script_run import Identity, ScriptRun
from .snapshot_options import SnapshotOptions
from .turns import Turns
from .whole_snapshot import write_whole

EXTRA = "kv.snapshot: extra"
LONGEST = 20.0  # seconds that a process lives on after SIGTERM without a call of `snapshot`: its loop may be over


class LoopSnapshots:
    """The keeper of one store. Nothing happens before the script calls `snapshot` or `restore`."""

    def __init__(self, store: KVStore) -> None:
        self._store, self._session = store, store.session
        self._run: ScriptRun | None = None  # as soon as one of them has been called
        self._fit, self._step = 0, -1  # its ordinal in the script, and the step of the last call
        self._turns: Turns | None = None  # None if no snapshots are to be taken
        self._announced = Announced(store.session, LONGEST)
        self._said = False  # that a death ends the job, if it does

    def restore(self) -> Kept | None:
        """See `Keepable.restore`."""
        if self._store.keys.pushed:
            raise ParameterError("kv.restore: keys have been pushed already", remedy="Call it before the first push")
        options = SnapshotOptions.of(None, None)
        run = self._begin(options)
        found = None
        if options.source is not None:
            found = run.found(options.source, self._fit, self._identity(), self._session)
        kept = self._go_on(found) if found else None
        if self._turns is not None:
            output_marks.begin(self._fit, kept.step if kept else 0)
            self._session.resumable(fit=self._fit, epoch=0, batch=0, step=kept.step if kept else 0)
        return kept

    def snapshot(self, step: int, extra: Any) -> bool:
        """See `Keepable.snapshot`."""
        run = self._run or self._begin(SnapshotOptions.of(None, None))
        if whole_number("kv.snapshot: step", step, 0) <= self._step:
            raise ParameterError("kv.snapshot: step", expected=f"more than the {self._step} of before", got=step)
        if self._turns is None:
            return False
        if self._step < 0:
            copied(extra, EXTRA)  # what cannot be kept is to be told at once, and not when a snapshot is due
        last, self._step = max(self._step, 0), step
        output_marks.at(self._fit, step)
        ends = self._announced.ends  # read first: what follows must be this step's snapshot
        if self._announced.snapshot:
            self._announced.snapshot = False
            self._turns.hurry()
            run.finish_writing()
        writes = self._turns.comes(last, step, self._session.num_workers > 1) and self._agree(self._turns)
        if writes:
            self._take(run, extra)
        if ends and (writes or self._session.rank > 0):
            run.finish_writing()
            self._announced.end()
        return writes

    def close(self) -> None:
        """See `Keeper.close`."""
        if self._run is not None:
            self._announced.close(self._run.finish_writing)

    def first_push(self) -> None:
        """Let `launch` say that the job cannot go on after a death, if the script does not go on from snapshots.

        It does if another store of it has been restored: this one may be for sums, which nothing depends on later.
        """
        if not self._said:
            self._said = True
            if script_run.run_in(SnapshotOptions.of(None, None).folder).loop is None:
                self._session.not_resumable("its script trains through mx.kv and does not call kv.restore")

    def _begin(self, options: SnapshotOptions) -> ScriptRun:
        """Take a place in the run of the script."""
        if self._run is not None:
            return self._run
        run = script_run.run_in(options.folder)
        wanted = options.interval is not None or options.source is not None
        if wanted and run.loop not in (None, self):
            raise ParameterError(
                "kv.snapshot: another key-value store of this script keeps snapshots already",
                remedy="Keep all keys in one store, or what the other one has in `extra`",
            )
        self._run, self._fit = run, script_run.next_fit()
        run.stops = options.stops
        if wanted:
            run.loop = self
        if options.interval is not None:
            self._turns = Turns(options.interval)
            if self._session.rank == 0:
                run.lock()
            run.heed()
            self._announced.begin()
        return run

    def _identity(self) -> Identity:
        """What must be the same for a snapshot to be of this loop, under the names that an error gives them."""
        store = self._store
        return {
            "kind of training": "a loop over a key-value store",
            "optimizer": store.optimizer.description() if store.optimizer else None,
            "compression": dict(store.compression_params or {}),
            "number of keys": sum(1 for _ in store.keys),
            **{f"key {info.key!r}": [list(info.shape), info.dtype.name, info.row_sparse] for info in store.keys},
        }

    def _agree(self, turns: Turns) -> bool:
        """Whether a snapshot is to be taken now, which rank 0 says. Raises DataError unless all are at one step."""
        assert self._run is not None
        mine = {"step": self._step, "due": turns.due(), "busy": self._run.writing, "next": turns.next()}
        what = f"kv.snapshot: step {self._step} of key-value store {self._store.fit}"
        said = [json.loads(one) for one in self._session.gather(json.dumps(mine).encode(), what)]
        for rank, one in enumerate(said):
            if one["step"] != said[0]["step"]:
                raise DataError(
                    f"workers 0 and {rank} call kv.snapshot with different steps",
                    expected=f"{said[0]['step']} (rank 0)",
                    got=f"{one['step']} (rank {rank})",
                    remedy="All workers must call it after the same steps, with the same number",
                )
        # While one of them still writes the last one, it is put off: a slow disk makes snapshots fewer.
        take = bool(said[0]["due"]) and not any(one["busy"] for one in said)
        turns.settle(take, put_off=bool(said[0]["due"]) and not take, calls=said[0]["next"])
        return take

    def _take(self, run: ScriptRun, extra: Any) -> None:
        """Copy what this worker has to keep, and have it written."""
        store, rank, fit = self._store, self._session.rank, self._fit
        run.finish_writing()
        if not store.is_exact:  # servers take pushes as they come: nobody may go on before rank 0 has it all
            store.barrier()
        mine = {"extra": extra, "random": random_state(), "residuals": store.residuals()}
        name, head, tree = f"fit{fit}-step{self._step}", run.head(fit, self._identity()), copied(mine, EXTRA)
        if rank == 0:
            self._write_whole(run, name, head, tree | contents(store))
        else:
            run.write(lambda: snapshot.write(run.folder.aside(name), snapshot.part(rank), head, tree))
        if run.stops:  # now, as a loop does not tell its last step
            run.finish_writing()
            run.heed()
        if not store.is_exact:
            store.barrier()

    def _write_whole(self, run: ScriptRun, name: str, head: dict[str, Any], tree: dict[str, Any]) -> None:
        """Have rank 0's part written, and the snapshot appear when those of the others are there."""
        assert self._turns is not None
        session, turns, fit, step = self._session, self._turns, self._fit, self._step
        blocked = turns.blocked()
        head |= {"step": step, "epoch": None, "batch": None, "done": False, "parts": [*range(1, session.num_workers)]}
        tree["workers"] = session.num_workers

        def work() -> None:
            write_whole(run, name, head, tree, session, lambda: None)  # all have come to the same call
            run.folder.prune(run.id)
            session.resumable(fit=fit, epoch=0, batch=0, step=step)
            turns.cost = blocked + time.thread_time()

        run.write(work)

    def _go_on(self, found: Snapshot) -> Kept:
        """Give the store, and this worker, what the snapshot holds."""
        store, rank, tree = self._store, self._session.rank, found.tree
        try:
            give_back(store, tree)
            store.restore_residuals(residuals_of(found, tree["residuals"], self._session))
            own = tree
            if 0 < rank < tree["workers"]:
                own = snapshot.read(found.path, snapshot.part(rank)).tree
            if rank < tree["workers"]:  # one that is new draws its own random numbers
                restore_random(own["random"])
            self._step = int(found.head["step"])
        except (KeyError, TypeError) as error:
            raise FileFormatError(f"{found.path} has not the state of a key-value store: {error}") from None
        output_marks.go_on_from(self._fit, self._step)
        self._say(found, int(tree["workers"]))
        return Kept(self._step, own["extra"])

    def _say(self, found: Snapshot, workers: int) -> None:
        if self._session.rank != 0:
            return
        now = self._session.num_workers
        text = f"the training goes on after step {self._step}, from {found.path}"
        if now > workers:
            text += f"; workers from {workers} on get worker 0's `extra`"
        elif now < workers:
            text += f"; what workers from {now} on have kept in `extra` is left out"
        note(text)
