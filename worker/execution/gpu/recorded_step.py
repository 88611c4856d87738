"""A step on one or several GPUs, recorded once as CUDA graphs and replayed from then on: one launch costs the host what
one kernel would.
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
Body = Callable[[int], Iterator[T]]  # from the position of a device to the work that it queues there
_END: Any = object()


class RecordedStep(Generic[T]):
    """Work that is the same in every step.

    `body(i)` queues that of device i and yields, on all devices alike, where the host has something to do between two
    segments of it; `between(value)` does that, given what was yielded. The first run does the work as it is: kernels
    are compiled, plans are made, memory is found. The second records it, and all later ones replay the records.
    What is allocated meanwhile comes from pools of the recorded step's own: a graph writes again where operators had
    their temporary arrays, and nobody else's may lie there.
    """

    def __init__(self, devices: Sequence[Device], body: Body[T], between: Callable[[T], None], records: bool) -> None:
        """`body` and `between` are methods of the recorded step's owner, and held weakly: an executor and its memory
        are gone with the last reference to it. `records`: whether the work can be recorded at all.
        """
        self._devices = devices
        self._body, self._between = WeakMethod(body), WeakMethod(between)
        self._records, self._has_run = records, False
        self._pools = [device.new_pool() for device in devices]
        self._segments: list[tuple[list[Any], T]] | None = None

    def run(self) -> None:
        """Queue one step."""
        if self._records and self._has_run and self._segments is None:
            self._segments = self._recorded()
        if self._segments is None or recorder.on:  # a profile times each operator on its own
            self._as_it_is()
        else:
            self._replay(self._segments)
        self._has_run = True

    def _as_it_is(self) -> None:
        body, between = self._held()
        # a recording's pools are its own: were they asked for more, they might give back what it writes to
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
        """The graphs of every segment, one per device, and what the host is told behind it; None if that fails."""
        collects = gc.isenabled()
        gc.disable()  # what it frees on a GPU waits for it, which cannot be while a stream is captured
        try:
            each = [self._record(index, device) for index, device in enumerate(self._devices)]
        except RuntimeError as error:  # nothing has been executed: recording does not run what it records
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
                finally:
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
        assert body is not None and between is not None, "a recorded step is used by its owner"
        return body, between
