"""Sums over the GPUs of one process, left on each of them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from ....common.slices import tree_reduce
from ...array import Array, Arrays
from ...cuda.cupy_module import load_nccl
from ...cuda.device import Device


class Collective(Protocol):
    """`sum` queues behind what the devices' streams have queued so far; `join` lets the streams go on behind it."""

    def sum(self, blocks: Arrays, runs: Sequence[tuple[int, int]]) -> None:
        """Replace those ranges of each device's flat float32 block by the sum over devices."""
        ...

    def join(self) -> None:
        """What the devices' streams are given from now on waits for all sums."""
        ...

    def tell(self, stream: Any) -> None:
        """What that stream of the first device is given from now on waits for all sums."""
        ...


def collective(devices: Sequence[Device]) -> Collective:
    """NCCL's where it is there, else one through the host."""
    nccl = load_nccl()
    if nccl is None:
        return HostSum(devices)
    try:
        return NcclSum(nccl, devices)
    except nccl.NcclError as error:
        warnings.warn(f"NCCL cannot be used, so GPUs sum through host memory, which is slower: {error}", stacklevel=2)
        return HostSum(devices)


class NcclSum:
    """All-reduce on streams of its own, so that backward goes on meanwhile."""

    def __init__(self, nccl: Any, devices: Sequence[Device]) -> None:
        self._nccl, self._devices = nccl, devices
        self._comms = nccl.NcclCommunicator.initAll([device.index for device in devices])
        self._streams = [device.new_stream() for device in devices]

    def sum(self, blocks: Arrays, runs: Sequence[tuple[int, int]]) -> None:
        """See Collective."""
        for device, stream in zip(self._devices, self._streams, strict=True):
            stream.wait_event(device.mark())
        nccl = self._nccl
        nccl.groupStart()
        try:
            for comm, block, stream in zip(self._comms, blocks, self._streams, strict=True):
                for first, last in runs:
                    place = block.data.ptr + first * block.itemsize  # type: ignore[attr-defined]
                    comm.allReduce(place, place, last - first, nccl.NCCL_FLOAT32, nccl.NCCL_SUM, stream.ptr)
        finally:
            nccl.groupEnd()

    def join(self) -> None:
        """See Collective."""
        for device, stream in zip(self._devices, self._streams, strict=True):
            device.stream.wait_event(device.mark(stream))

    def tell(self, stream: Any) -> None:
        """See Collective."""
        stream.wait_event(self._devices[0].mark(self._streams[0]))


class HostSum:
    """Through pinned host memory, waiting for every copy: right everywhere, fast nowhere."""

    def __init__(self, devices: Sequence[Device]) -> None:
        self._devices = devices

    def sum(self, blocks: Arrays, runs: Sequence[tuple[int, int]]) -> None:
        """See Collective."""
        for first, last in runs:
            parts = [device.pinned((last - first,)) for device in self._devices]
            for device, block, part in zip(self._devices, blocks, parts, strict=True):
                with device.active():
                    device.download(part, block[first:last], device.stream)
            for device in self._devices:
                device.stream.synchronize()
            total = tree_reduce(parts, _add)
            for device, block in zip(self._devices, blocks, strict=True):
                with device.active():
                    device.upload(block[first:last], total, device.stream)
            for device in self._devices:
                device.stream.synchronize()

    def join(self) -> None:
        """Nothing is under way."""

    def tell(self, stream: Any) -> None:
        """Nothing is under way."""


def _add(left: Array, right: Array) -> Array:
    total: Array = np.add(left, right, out=left)
    return total
