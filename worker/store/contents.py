"""All that a store holds, for snapshots: taken out of it, and given back to another one of the same keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...common.errors import ParameterError
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

    Raises KeyError if a key or state is missing, ParameterError if the optimizer cannot count on from there.
    """
    _count_on(store, [int(found["pushes"][info.name]) for info in store.keys])
    parts = [(info, "weight", found["arg_params"][info.name]) for info in store.keys]
    for info in store.keys:
        states = found["optimizer_states"][info.name]
        parts += [(info, name, states[name]) for name in store._state_names()]
    store._give(parts)
    for info in store.keys:
        info.before = int(found["pushes"][info.name])


def _count_on(store: KVStore, pushes: Sequence[int]) -> None:
    """Have updates counted from where they were, if the optimizer goes by their number, before states are given."""
    if store.optimizer is None or not store.optimizer.counts or not pushes:
        return
    if min(pushes) < max(pushes):
        raise ParameterError(
            f"kv.restore: {store.optimizer.name} goes by the number of updates, which must be the same of all keys",
            got=f"{min(pushes)} to {max(pushes)}",
            remedy="Push every key in every step",
        )
    store._set_optimizer(store.optimizer.going_on(pushes[0]))
