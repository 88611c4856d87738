"""A step on one or several GPUs, recorded once as CUDA graphs and replayed from then on: launching a graph costs the
host about as much as launching one kernel.
"""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, TypeVar
from weakref import WeakMethod

from ...cuda.device import Device
from ...profiling.spans import recorder

T = TypeVar("T")
Body = Callable[[int], Iterator[T]]  # takes a device's position and queues that device's work
_END: Any = object()  # what `next` gives when a body has ended


class RecordedStep(Generic[T]):
    """Work that is the same in every step.

    `body(i)` queues the work of device i. It yields where the host has something to do between two segments of it, and
    yields the same values on all devices; `between(value)` does that work. The first run does everything directly:
    kernels are compiled, plans are made, memory is allocated. The second run records it, and all later ones replay the
    records. What operators allocate in it comes from pools that belong to this object: a graph writes to the addresses
    of their temporary arrays in every replay, so no other arrays may lie there.
    """

    def __init__(self, devices: Sequence[Device], body: Body[T], between: Callable[[T], None], records: bool) -> None:
        """`body` and `between` are methods of the object that owns this one. They are held weakly: with a reference
        back to its owner, an executor and its GPU memory would live until the garbage collector finds the cycle.
        `records`: whether the work can be recorded at all.
        """
        self._devices = devices
        self._body, self._between = WeakMethod(body), WeakMethod(between)
        self._records, self._has_run = records, False
        self._pools = [device.new_pool() for device in devices]
        self._segments: list[tuple[list[Any], T]] | None = None

    def run(self) -> None:
        """Queue one step. May raise cupy's errors, and whatever the body raises."""
        # Not in the first run: while a stream is captured, nothing may be compiled and no memory asked of the driver.
        if self._records and self._has_run and self._segments is None:
            self._segments = self._recorded()
        if self._segments is None or recorder.on:  # a profile times each operator on its own
            self._as_it_is()
        else:
            self._replay(self._segments)
        self._has_run = True

    def _as_it_is(self) -> None:
        """Do the work without graphs, segment by segment."""
        body, between = self._held()
        # The first run fills the pools from which the recording then takes its memory. Once there is a recording, its
        # pools are left alone: if they ran out of memory, they might give back blocks that the graphs write to.
        pools = self._pools if self._segments is None else [device.new_pool() for device in self._devices]
        running = [body(index) for index in range(len(self._devices))]
        while True:
            value: Any = _END
            for device, work, pool in zip(self._devices, running, pools, strict=True):
                with device.active(pool):
                    value = next(work, _END)
            if value is _END:
                return
            between(value)

    def _recorded(self) -> list[tuple[list[Any], T]] | None:
        """For every segment its graphs, one per device, and what the body yielded behind it; None if that fails.

        `between` is not called: recording does no work, and the replay that follows calls it.
        """
        # The collector might free GPU memory of somebody else, which waits for the device. While a stream is captured,
        # CUDA does not allow that, and the recording would fail.
        collects = gc.isenabled()
        gc.disable()
        try:
            each = [self._record(index, device) for index, device in enumerate(self._devices)]
        except RuntimeError as error:  # none of the work has been done yet, so the step can still run without graphs
            self._records = False
            warnings.warn(f"this step cannot be captured as a CUDA graph and runs slower: {error}", stacklevel=2)
            return None
        finally:
            if collects:
                gc.enable()
        segments = zip(*each, strict=True)
        return [([graph for graph, _ in segment], segment[0][1]) for segment in segments]

    def _record(self, index: int, device: Device) -> list[tuple[Any, T]]:
        work, segments = self._held()[0](index), []  # type: Iterator[T], list[tuple[Any, T]]
        while not segments or segments[-1][1] is not _END:
            with device.active(self._pools[index]):
                device.stream.begin_capture()
                try:
                    value = next(work, _END)
                finally:  # also after an error: a stream that is still being captured cannot be used
                    graph = device.stream.end_capture()
            segments.append((graph, value))
        return segments

    def _replay(self, segments: list[tuple[list[Any], T]]) -> None:
        between = self._held()[1]
        for graphs, value in segments:
            for device, graph in zip(self._devices, graphs, strict=True):
                device.launch(graph)
            if value is not _END:
                between(value)

    def _held(self) -> tuple[Body[T], Callable[[T], None]]:
        body, between = self._body(), self._between()
        assert body is not None and between is not None, "the owner of a recorded step is gone"
        return body, between
