"""The picture of the network that a job trains, for the page of `launch --dashboard`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from ...common.errors import PushgradError
from ...common.left_files import NETWORK
from ..array import Shape
from ..graphs.graph import Graph
from ..store.session import Session
from ..viz import plot_network

MOST = 1000  # nodes of a network that is drawn: nobody looks at more, and finding places for them takes its time


def leave_picture(symbol: Graph, inputs: Mapping[str, Shape], session: Session) -> None:
    """Have `launch` keep the picture with the run, if it has started this job and this is rank 0.

    `inputs` are shapes by name. No training fails for a picture: where it cannot be made, there is none.
    """
    launched = session.is_distributed and os.environ.get("PUSHGRAD_LAUNCHED")
    folder = os.environ.get("PUSHGRAD_JOB_DIR") if launched else None
    if folder and session.rank == 0 and len(symbol.nodes()) <= MOST:
        with suppress(PushgradError, OSError):
            plot_network(symbol, inputs).save(Path(folder) / NETWORK)
