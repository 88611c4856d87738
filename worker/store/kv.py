"""Stores by the names of their kinds: `create` gives the local one or the distributed one; both are a KVStore."""

from __future__ import annotations

from ...common.errors import JobError, ParameterError
from ...common.foreign_launcher import apart, foreign_launcher
from ...common.suggestion import misspelt
from .joining import current_session
from .kvstore import KVStore
from .session import Session

LOCAL, DISTRIBUTED = ("local", "device"), ("dist_sync", "dist_async", "dist_ssp")
# MXNet's other names for them. Its "device" says where the gradients of one process's GPUs are added up; here that is
# always on the GPUs.
ALIASES = {
    "dist": "dist_sync",
    "dist_device_sync": "dist_sync",
    "dist_sync_device": "dist_sync",
    "dist_device_async": "dist_async",
    "dist_async_device": "dist_async",
    "local_update_cpu": "local",
    "local_allreduce_cpu": "local",
    "local_allreduce_device": "device",
}


def create(name: str | KVStore = "local", staleness: int = 3) -> KVStore:
    """A key-value store as `mx.kv.create` makes it (worker/training/kv.py), but one that keeps no snapshots."""
    session = current_session(is_local(name))
    kind = fitting_kind(name, session)
    if kind in LOCAL:
        from .local_store import KVStoreLocal

        return KVStoreLocal(kind, session)
    from .distributed_store import KVStoreDist

    return KVStoreDist(kind, session, name.staleness if isinstance(name, KVStore) else staleness)


def is_local(name: object) -> bool:
    """Whether `name` (any case) asks for a store of this process alone, or for none."""
    return name is None or (isinstance(name, str) and ALIASES.get(name.lower(), name.lower()) in LOCAL)


def fitting_kind(name: str | KVStore, session: Session) -> str:
    """The kind of store that `name` (any case) means in that session, or that a store is.

    Raises ParameterError if there is no such kind, JobError if a local one is asked for in a job or a distributed one
    outside of a job.
    """
    if isinstance(name, KVStore):
        name = name.type
    kind = ALIASES.get(name.lower(), name.lower()) if isinstance(name, str) else name
    if kind not in ("auto", *LOCAL, *DISTRIBUTED):
        known = LOCAL + DISTRIBUTED
        raise ParameterError("kvstore", expected=" or ".join(known), got=misspelt(name, known))
    if kind not in LOCAL and not session.is_distributed and (other := foreign_launcher()) is not None:
        raise apart(other, kind)
    if kind == "auto":
        return "dist_sync" if session.is_distributed else "local"
    if kind in LOCAL and session.is_distributed:
        raise JobError(
            f"kvstore {kind!r} in a job of {session.num_workers} workers: they would train apart",
            remedy='Use "dist_sync", or "auto" in FeedForward',
        )
    if kind in DISTRIBUTED and not session.is_distributed:
        raise JobError(
            f"kvstore {kind!r} outside of a job: DMLC_ROLE is not set",
            remedy='Start the script with `launch`, or use "local"',
        )
    return kind
