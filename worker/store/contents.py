"""All that a store holds, for snapshots: taken out of it, and given back to another one of the same keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .kvstore import KVStore


def contents(store: KVStore) -> dict[str, Any]:
    """New arrays after this worker's last pushes, by the keys as text: `arg_params` are the values, `optimizer_states`
    by key, then by state; and `pushes`, how often each was pushed. In a job one worker calls it, while no other pushes.
    """
    infos = list(store.keys)
    keys, names = [info.key for info in infos], [info.name for info in infos]
    return {
        "arg_params": dict(zip(names, store.pull(keys), strict=True)),
        "optimizer_states": dict(zip(names, store.states(keys), strict=True)),
        "pushes": {info.name: info.before + info.n for info in infos},
    }


def give_back(store: KVStore, found: Mapping[str, Any]) -> None:
    """Let a store that nobody has pushed to hold what `contents` returned. Every worker calls it, with the same.

    Raises KeyError if a key or state is missing.
    """
    parts = [(info, "weight", found["arg_params"][info.name]) for info in store.keys]
    for info in store.keys:
        states = found["optimizer_states"][info.name]
        parts += [(info, name, states[name]) for name in store._state_names()]
    store._give(parts)
    for info in store.keys:
        info.before = int(found["pushes"][info.name])
