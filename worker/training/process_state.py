"""What a snapshot holds of a process besides its arrays: its streams of random numbers, its share of residuals."""

from __future__ import annotations

import random as python_random
from collections.abc import Mapping
from typing import Any

import numpy as np

from .. import random
from ..array import Array
from ..files import snapshot
from ..files.snapshot import Snapshot
from ..store.session import Session
from .capture import ByName


def residuals_of(found: Snapshot, of_first: ByName, session: Session) -> ByName:
    """The residuals of this worker; of fewer workers than there were, each takes over those of several.

    What compressed gradients have left out is to be added to later ones, by whichever worker.
    """
    total: dict[str, Array] = {}
    for rank in range(session.rank, 1 + len(found.head["parts"]), session.num_workers):
        part = snapshot.read(found.path, snapshot.part(rank)).tree["residuals"] if rank else of_first
        for name, array in part.items():
            total[name] = total[name] + array if name in total else array
    return total


def random_state() -> dict[str, Any]:
    """The streams of random numbers that this process may draw from: ours, numpy's global one and Python's."""
    version, drawn, spare = python_random.getstate()
    return {
        "pushgrad": random.state(),
        "numpy": np.random.get_state(legacy=False),
        "python": {"version": version, "words": np.array(drawn, np.uint32), "spare": spare},
    }


def restore_random(state: Mapping[str, Any]) -> None:
    """Let these streams go on from what `random_state` returned."""
    random.restore(state["pushgrad"])
    np.random.set_state(state["numpy"])
    python = state["python"]
    python_random.setstate((python["version"], tuple(python["words"].tolist()), python["spare"]))
