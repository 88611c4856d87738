"""What keeps snapshots of a store, for loops that push and pull by hand. It knows files, which a store does not."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol


class Kept(NamedTuple):
    """What a loop goes on from: how many steps are done, and what the script has kept besides."""

    step: int
    extra: Any


class Keeper(Protocol):
    """See `KVStore.snapshot` and `KVStore.restore`; worker/training/loop_snapshots.py has the one there is."""

    def snapshot(self, step: int, extra: Any) -> bool:
        """Keep the state after `step` steps if a snapshot is due; whether it was."""

    def restore(self) -> Kept | None:
        """Go on from a snapshot, if that is asked for."""

    def first_push(self) -> None:
        """Take note that a key is about to be pushed for the first time."""
