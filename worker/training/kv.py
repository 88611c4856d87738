"""mx.kv: key-value stores for training loops of one's own, which can also keep snapshots."""

from __future__ import annotations

from ..store import kv
from ..store.kvstore import KVStore
from .loop_snapshots import LoopSnapshots
from .nan_policy import chosen_policy

__all__ = ["KVStore", "create"]


def create(name: str | KVStore = "local", staleness: int = 3) -> KVStore:
    """A key-value store: "local" or "device" in this process, "dist_sync", "dist_async" or "dist_ssp" in a job; "auto"
    is dist_sync in a job and local otherwise.

    dist_sync: every worker's push n makes version n. dist_async: pushes are applied as they come. dist_ssp: as async,
    but no worker gets more than `staleness` steps ahead of the slowest. All workers create the same stores in the
    same order. MXNet's other names mean the same ("dist", "dist_device_sync"). A store in place of a name: another one
    of its kind and staleness.

    Raises ParameterError if the name is unknown or `staleness` is not a whole number of 0 or more, JobError if the name
    does not fit the environment, and the errors of `current_session`; in a job DataError if workers create different
    stores, RemoteError if a server refuses, PeerLost if the job ends.
    """
    store = kv.create(name, staleness)
    store.keeper = LoopSnapshots(store)
    # A push knows no other keys of its step, so it cannot leave the step out: it is an error unless it is allowed.
    store.must_be_finite = chosen_policy(None) != "allow"
    return store
