"""Sums over the GPUs of one process: each of them ends up with the total."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, Protocol

from ....common.slices import tree_reduce
from ...array import Arrays, add_into
from ...cuda.cupy_module import load_nccl
from ...cuda.device import Device


class Collective(Protocol):
    """A way to sum over devices. Sums run beside the devices' own streams, after everything queued there so far.

    `blocks` are flat float32 arrays, one per device, of equal size; `runs` are ranges [first, last) of their elements.
    """

    def sum(self, blocks: Arrays, runs: Sequence[tuple[int, int]]) -> None:
        """Replace those ranges of each device's flat block by the sum over devices."""
        ...

    def join(self) -> None:
        """Make the devices' streams wait for all sums, before whatever is queued there from now on."""
        ...

    def tell(self, stream: Any) -> None:
        """Make `stream`, one of the first device, wait for all sums in the same way."""
        ...


def collective(devices: Sequence[Device]) -> Collective:
    """NCCL's sums if it is installed and works, else sums through host memory."""
    nccl = load_nccl()
    if nccl is None:
        return HostSum(devices)
    try:
        return NcclSum(nccl, devices)
    except nccl.NcclError as error:
        warnings.warn(f"NCCL cannot be used, so GPUs sum through host memory, which is slower: {error}", stacklevel=2)
        return HostSum(devices)


class NcclSum:
    """NCCL's all-reduce, on streams of its own, so that backward goes on meanwhile."""

    def __init__(self, nccl: Any, devices: Sequence[Device]) -> None:
        self._nccl, self._devices = nccl, devices
        self._comms = nccl.NcclCommunicator.initAll([device.index for device in devices])
        self._streams = [device.new_stream() for device in devices]

    def sum(self, blocks: Arrays, runs: Sequence[tuple[int, int]]) -> None:
        """Queue the all-reduce of those ranges of the flat blocks, in place, one call for each device and range."""
        # What each device has queued so far computes these gradients; the sum must come after it.
        for device, stream in zip(self._devices, self._streams, strict=True):
            stream.wait_event(device.mark())
        nccl = self._nccl
        # One thread drives all devices: outside a group, the first call would wait for the others to be made.
        nccl.groupStart()
        try:
            for comm, block, stream in zip(self._comms, blocks, self._streams, strict=True):
                for first, last in runs:
                    place = block.data.ptr + first * block.itemsize  # type: ignore[attr-defined]
                    comm.allReduce(place, place, last - first, nccl.NCCL_FLOAT32, nccl.NCCL_SUM, stream.ptr)
        finally:
            nccl.groupEnd()

    def join(self) -> None:
        """Have each device's stream wait for what its stream of sums has been given so far; the host does not wait."""
        for device, stream in zip(self._devices, self._streams, strict=True):
            device.stream.wait_event(device.mark(stream))

    def tell(self, stream: Any) -> None:
        """Have `stream` wait for what the first device's stream of sums has been given so far."""
        stream.wait_event(self._devices[0].mark(self._streams[0]))


class HostSum:
    """Sums in pinned host memory. It waits for every copy, so that it works everywhere, but is slow."""

    def __init__(self, devices: Sequence[Device]) -> None:
        self._devices = devices

    def sum(self, blocks: Arrays, runs: Sequence[tuple[int, int]]) -> None:
        """Add those ranges of the flat blocks on the host and copy the total back to every device; waits for it."""
        for first, last in runs:
            parts = [device.pinned((last - first,)) for device in self._devices]
            # Copies of all devices are queued before the first wait, so that they run side by side.
            for device, block, part in zip(self._devices, blocks, parts, strict=True):
                with device.active():
                    device.download(part, block[first:last], device.stream)
            for device in self._devices:
                device.stream.synchronize()
            total = tree_reduce(parts, add_into)  # it ends up in the first part
            for device, block in zip(self._devices, blocks, strict=True):
                with device.active():
                    device.upload(block[first:last], total, device.stream)
            for device in self._devices:
                device.stream.synchronize()  # before the parts are freed, from which the copies read

    def join(self) -> None:
        """Nothing to do: `sum` has waited already."""

    def tell(self, stream: Any) -> None:
        """Nothing to do: `sum` has waited already."""
