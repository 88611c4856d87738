"""What keeps snapshots of a store, for loops that push and pull by hand. It knows files, which a store does not."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from ...common.errors import ParameterError


class Kept(NamedTuple):
    """What a loop goes on from: how many steps are done, and what the script has kept besides."""

    step: int
    extra: Any


class Keeper(Protocol):
    """See `Keepable.snapshot` and `Keepable.restore`; worker/training/loop_snapshots.py has the one there is."""

    def snapshot(self, step: int, extra: Any) -> bool:
        """Keep the state after `step` steps if a snapshot is due; whether it was."""

    def restore(self) -> Kept | None:
        """Go on from a snapshot, if that is asked for."""

    def first_push(self) -> None:
        """Take note that a key is about to be pushed for the first time."""

    def close(self) -> None:
        """The store is closed: no more snapshots are asked for."""


class Keepable:
    """What a store has that can be kept. Those of fits have no `keeper`: a fit keeps itself."""

    keeper: Keeper | None = None

    def snapshot(self, step: int, extra: Any = None) -> bool:
        """Keep the values, the optimizer's states and what else a loop of one's own goes on from, if that is due.

        To be called by all workers after the same steps, for instance after every one; `step` is how many are done. It
        costs next to nothing unless PUSHGRAD_SNAPSHOT (`launch --snapshot`) says that a snapshot is due, and then the
        time for copying; True is returned then. `extra` is this worker's own state: dicts by names, lists, texts,
        numbers and numpy arrays. See docs/snapshots.md for what is kept besides, and what is promised.

        Raises ParameterError if `step` is not more than in the call before or `extra` is anything else, DataError if
        workers call it with different steps, JobError if it cannot be written and that is to end the training; in a job
        RemoteError, PeerLost or JobError as of other methods.
        """
        return self._kept().snapshot(step, extra)

    def restore(self) -> Kept | None:
        """Go on from a snapshot if PUSHGRAD_RESUME (`launch --resume`) says so: step and extra as `snapshot` was given
        them, or None if the loop is to begin at its beginning. Then pull: the values are those of the snapshot.

        Every worker calls it, after `init` and `set_optimizer` and before the first push. With another number of
        workers than then, those that are new get worker 0's `extra`.

        Raises ParameterError if it comes too late, FileFormatError if there are snapshots and none can be used, for
        instance as they are of other keys, shapes, or another optimizer or script.
        """
        return self._kept().restore()

    def _keep_no_more(self) -> None:
        if self.keeper is not None:
            self.keeper.close()

    def _kept(self) -> Keeper:
        if self.keeper is None:
            raise ParameterError("this key-value store keeps no snapshots", remedy="Make it by mx.kv.create")
        return self.keeper
