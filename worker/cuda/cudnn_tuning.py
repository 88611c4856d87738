"""cuDNN's engines timed against each other: what the parameter cudnn_tune of a convolution asks for.

Which one wins may differ from run to run, and with it the last bits of results: nothing is timed unasked.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...common.errors import ParameterError
from .device import Device

VARIABLE = "MXNET_CUDNN_AUTOTUNE_DEFAULT"
_BY_NUMBER = {"": "off", "0": "off", "1": "limited_workspace", "2": "fastest"}
_TRIED = 8  # of the plans as cuDNN ranks them, those not counted that are refused: the best is seldom behind these
_ROUNDS = 3


@dataclass(frozen=True)
class Choice:
    """A plan of a graph by its number, and the bytes of scratch memory that it needs."""

    index: int
    workspace: int


def tuning(op: Any) -> str:
    """ "off", "limited_workspace" or "fastest", as the operator says, or else the environment; ParameterError."""
    if op.cudnn_tune is not None:
        return str(op.cudnn_tune)
    given = os.environ.get(VARIABLE, "")
    if given not in _BY_NUMBER:
        raise ParameterError(VARIABLE, expected="0 (off), 1 (limited_workspace) or 2 (fastest)", got=repr(given))
    return _BY_NUMBER[given]


def fastest(
    device: Device,
    graph: Any,
    tensors: Sequence[Any],
    sizes: Sequence[int],
    handle: Any,
    limit: int,
    refusals: tuple[type[Exception], ...],
) -> Choice | None:
    """The plan of `graph` that took the shortest time; None if there was no memory to try one.

    `sizes`: bytes of the `tensors`; `limit`: most bytes of scratch memory; `refusals`: what plans raise that cannot be
    had. To be called while the device is active and nothing is being captured.
    """
    found: list[tuple[float, int, int]] = []
    try:
        addresses = [device.empty((size,), np.uint8) for size in sizes]
    except MemoryError:
        return None
    pointers = {tensor: array.data.ptr for tensor, array in zip(tensors, addresses, strict=True)}  # type: ignore[attr-defined]
    for index in range(graph.get_execution_plan_count()):
        if len(found) == _TRIED:
            break
        try:
            graph.build_plan_at_index(index)
            workspace = int(graph.get_workspace_size_plan_at_index(index))
            if workspace <= limit:
                found.append((_seconds(device, graph, pointers, handle, Choice(index, workspace)), index, workspace))
        except refusals:  # beforehand, not for this GPU after all, or too large: there are others
            continue
    return Choice(*min(found)[1:]) if found else None


def _seconds(device: Device, graph: Any, pointers: Any, handle: Any, choice: Choice) -> float:
    """The shortest of some runs; MemoryError if there is no scratch memory for it."""
    cuda = device.xp.cuda
    scratch: Any = device.empty((max(1, choice.workspace),), np.uint8)
    times = []
    for _ in range(1 + _ROUNDS):  # the first one warms up
        start, end = cuda.Event(), cuda.Event()
        device.stream.record(start)
        graph.execute_plan_at_index(pointers, scratch.data.ptr, choice.index, handle=handle)
        device.stream.record(end)
        end.synchronize()
        times.append(cuda.get_elapsed_time(start, end) / 1e3)
    return float(min(times[1:]))
