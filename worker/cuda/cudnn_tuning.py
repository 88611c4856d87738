"""cuDNN's plans timed against each other: what the parameter cudnn_tune of a convolution asks for.

Which one wins may differ from run to run, and with it the last bits of results: so nothing is timed unless asked for.
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
_TRIED = 8  # plans, in the order in which cuDNN ranks them, not counting refused ones: the best is seldom behind these
_ROUNDS, _RUNS = 3, 5  # launches of a graph, and runs of the plan in it
_SHARE = 4  # scratch memory may take a quarter of what is free: later layers still need their values and gradients


@dataclass(frozen=True)
class Choice:
    """A plan of a graph by its number, and the bytes of scratch memory that it needs."""

    index: int
    workspace: int


@dataclass(frozen=True)
class Trial:
    """A graph of cuDNN with all that its plans need to run: its three tensors, the bytes of each, cuDNN's handle."""

    graph: Any
    tensors: Sequence[Any]
    sizes: Sequence[int]
    handle: Any


def tuning(op: Any) -> str:
    """How to tune: "off", "limited_workspace" or "fastest", as the operator says, or else the environment.

    Raises ParameterError if MXNET_CUDNN_AUTOTUNE_DEFAULT has another value than 0, 1 or 2.
    """
    if op.cudnn_tune is not None:
        return str(op.cudnn_tune)
    given = os.environ.get(VARIABLE, "")
    if given not in _BY_NUMBER:
        raise ParameterError(VARIABLE, expected="0 (off), 1 (limited_workspace) or 2 (fastest)", got=repr(given))
    return _BY_NUMBER[given]


def fastest(device: Device, trial: Trial, limit: int, refusals: tuple[type[Exception], ...]) -> Choice | None:
    """The plan that took the shortest time; None if there was no memory to try one.

    `limit`: the most bytes of scratch memory; `refusals`: the exceptions of plans that cannot be used. To be called
    while nothing is being captured on the device. Raises cupy's CUDARuntimeError if the device itself fails.
    """
    # In a pool of its own: what trials take, which may be much, is given back to the driver at the end.
    limit, pool = min(limit, device.free_bytes() // _SHARE), device.new_pool()
    try:
        with device.active(pool):
            return _fastest(device, trial, limit, refusals)
    finally:
        with device.here():
            pool.free_all_blocks()


def _fastest(device: Device, trial: Trial, limit: int, refusals: tuple[type[Exception], ...]) -> Choice | None:
    found: list[tuple[float, int, int]] = []
    refused: tuple[type[Exception], ...] = (MemoryError, *refusals)
    try:
        arrays: list[Any] = [device.empty((size,), np.uint8) for size in trial.sizes]
    except MemoryError:
        return None
    pointers = {tensor: array.data.ptr for tensor, array in zip(trial.tensors, arrays, strict=True)}
    for index in range(trial.graph.get_execution_plan_count()):
        if len(found) == _TRIED:
            break
        try:
            trial.graph.build_plan_at_index(index)
            workspace = int(trial.graph.get_workspace_size_plan_at_index(index))
            if workspace <= limit:
                found.append((_seconds(device, trial, pointers, Choice(index, workspace)), index, workspace))
        except device.xp.cuda.runtime.CUDARuntimeError:
            raise  # a RuntimeError too, but of the device, not of a plan
        except refused:  # struck out beforehand, not for this GPU after all, or too large: there are others
            continue
    return Choice(*min(found)[1:]) if found else None


def _seconds(device: Device, trial: Trial, pointers: dict[Any, int], choice: Choice) -> float:
    """Seconds that the plan takes in a captured graph, as in a recorded step: the shortest of some launches.

    Raises MemoryError if there is no scratch memory for it.
    """
    cuda = device.xp.cuda
    scratch: Any = device.empty((max(1, choice.workspace),), np.uint8)

    def run() -> None:
        trial.graph.execute_plan_at_index(pointers, scratch.data.ptr, choice.index, handle=trial.handle)

    run()  # outside of the graph: a plan's first run may load modules, which capturing does not allow
    device.stream.synchronize()
    graph, times = _captured(device, run), []
    for _ in range(1 + _ROUNDS):  # the first one warms up
        start, end = cuda.Event(), cuda.Event()
        device.stream.record(start)
        device.launch(graph)
        device.stream.record(end)
        end.synchronize()
        times.append(cuda.get_elapsed_time(start, end) / 1e3 / _RUNS)
    return float(min(times[1:]))


def _captured(device: Device, run: Any) -> Any:
    """Several runs as a CUDA graph. Raises NotImplementedError, a RuntimeError, if the plan cannot be captured.

    Such a plan is of no use, as steps are captured.
    """
    device.stream.begin_capture()
    try:
        for _ in range(_RUNS):
            run()
    finally:  # a capture must be ended, whatever was raised in it, or the stream stays unusable
        try:
            graph = device.stream.end_capture()
        except device.xp.cuda.runtime.CUDARuntimeError as error:
            raise NotImplementedError(f"the plan cannot be captured: {error}") from error
    return graph
