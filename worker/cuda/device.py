"""One GPU: its streams, its memory, its compiled kernels. There is one `Device` per GPU and process."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ..array import Array, Shape
from .compiled_source import Module
from .cupy_module import load_cupy

_making = threading.Lock()
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Device:
    """A GPU as executors see it.

    Everything that a step does is queued on `stream`; `inward` and `outward` carry copies from and to the host beside
    it. Arrays come from a memory pool of our own, so that what it holds can be told and given back. Kernels have
    scratch memory in common: who queues a step holds `lock` from its first copy to its last. So does who does anything
    else here, such as building an executor: while a thread captures `stream`, whatever any thread gives it becomes part
    of the graph, and what waits for it breaks the capture.
    """

    _known: ClassVar[dict[int, Device]] = {}

    def __init__(self, index: int) -> None:
        self.index, self.xp = index, load_cupy()
        cuda = self.xp.cuda
        self._device = cuda.Device(index)
        with self._device:
            self.stream, self.inward, self.outward = (self.new_stream() for _ in range(3))
        self.pool = cuda.MemoryPool()
        self.lock = threading.RLock()
        self.companions: dict[Any, Any] = {}  # what others keep once per GPU, by who made it
        self._modules: dict[tuple[str, tuple[tuple[str, int | str], ...]], Module] = {}

    @classmethod
    def get(cls, index: int) -> Device:
        """The GPU of that index among the visible ones, which must be there."""
        with _making:
            if index not in cls._known:
                cls._known[index] = cls(index)
            return cls._known[index]

    def __repr__(self) -> str:
        return f"gpu({self.index})"

    @contextmanager
    def active(self, pool: Any = None) -> Iterator[None]:
        """While inside, this thread's arrays are made here, in `pool` or the device's own, and its work is queued on
        `stream`.
        """
        with self._device, self.stream, self.xp.cuda.using_allocator((pool or self.pool).malloc):
            yield

    @contextmanager
    def serving(self) -> Iterator[None]:
        """As `active`, alone, and in order with what the caller's current stream does before and after."""
        with self.lock, self._serving():
            yield

    @contextmanager
    def _serving(self) -> Iterator[None]:
        with self._device:
            callers = self.xp.cuda.get_current_stream()
            self.stream.wait_event(callers.record(self.xp.cuda.Event(disable_timing=True)))
        with self.active():
            yield
        with self._device:
            callers.wait_event(self.mark())

    def here(self) -> Any:
        """A context in which this is cupy's current device."""
        return self._device

    def call(self, function: Callable[..., Any], *arguments: Any) -> None:
        """Queue what `function` queues on `stream`, and allocates nothing: cheaper than `active`."""
        with self._device, self.stream:
            function(*arguments)

    def launch(self, graph: Any) -> None:
        """Queue a captured graph on `stream`."""
        with self._device:
            graph.launch(self.stream)

    def module(self, name: str, **defines: int | str) -> Module:
        """The kernels of that source file, compiled once per GPU and set of macros."""
        key = name, tuple(sorted(defines.items()))
        if key not in self._modules:
            self._modules[key] = Module(self.xp, name, defines)
        return self._modules[key]

    def empty(self, shape: Shape, dtype: Any = np.float32) -> Array:
        """An uninitialised array here. To be called while active, as the next ones."""
        array: Array = self.xp.empty(shape, dtype)
        return array

    def zeros(self, shape: Shape, dtype: Any = np.float32) -> Array:
        """An array of zeros here."""
        array: Array = self.xp.zeros(shape, dtype)
        return array

    def pinned(self, shape: Shape, dtype: Any = np.float32) -> Array:
        """An uninitialised host array that copies to and from the GPU need not go through another buffer for."""
        size = int(np.prod(shape, dtype=np.int64))
        with self._device:
            memory = self.xp.cuda.alloc_pinned_memory(max(1, size * np.dtype(dtype).itemsize))
        return np.frombuffer(memory, dtype, size).reshape(shape)

    def pinned_zeros(self, shape: Shape, dtype: Any) -> Array:
        """As `pinned`, zeros."""
        array = self.pinned(shape, dtype)
        array.fill(0)
        return array

    def new_pool(self) -> Any:
        """A memory pool that shares nothing with others, but has the others give back what they do not use before it
        fails.
        """
        return self.xp.cuda.MemoryPool(self._allocate)

    def _allocate(self, size: int) -> Any:
        cuda = self.xp.cuda
        try:
            return cuda.MemoryPointer(cuda.memory.Memory(size), 0)
        except cuda.runtime.CUDARuntimeError:
            gc.collect()
            self.release()
            return cuda.MemoryPointer(cuda.memory.Memory(size), 0)

    def release(self) -> None:
        """Give memory that no array uses back to the driver, which waits for the GPU."""
        with self.lock, self._device:
            self.pool.free_all_blocks()

    def new_stream(self) -> Any:
        """A further stream here, in no order with others but by events."""
        with self._device:
            return self.xp.cuda.Stream(non_blocking=True)

    def mark(self, stream: Any = None) -> Any:
        """An event behind what `stream` (by default the main one) has been given so far."""
        with self._device:
            return (stream or self.stream).record(self.xp.cuda.Event(disable_timing=True))

    def upload(self, target: Array, host: Array, stream: Any) -> None:
        """Queue a copy from contiguous host memory, which must stay as it is until it is done."""
        self._copy(_address(target), host.ctypes.data, host.nbytes, self.xp.cuda.runtime.memcpyHostToDevice, stream)

    def download(self, host: Array, source: Array, stream: Any) -> None:
        """Queue a copy to contiguous host memory."""
        self._copy(host.ctypes.data, _address(source), host.nbytes, self.xp.cuda.runtime.memcpyDeviceToHost, stream)

    def _copy(self, target: int, source: int, nbytes: int, kind: int, stream: Any) -> None:
        with self._device:
            self.xp.cuda.runtime.memcpyAsync(target, source, nbytes, kind, stream.ptr)

    def identity(self) -> str:
        """A name that no other GPU has, on any host, nor another part of a partitioned one.

        cupy gives the UUID's bytes up to the first zero, so place and host are named as well.
        """
        runtime = self.xp.cuda.runtime
        place, uuid = runtime.deviceGetPCIBusId(self.index), runtime.getDeviceProperties(self.index)["uuid"].hex()
        return f"{place} {uuid} of host {BOOT_ID.read_text().strip()}"

    def free_bytes(self) -> int:
        """Memory that can still be had here: what the driver has, and what the pool keeps for the next array."""
        with self._device:
            free, _ = self.xp.cuda.runtime.memGetInfo()
            return int(free) + int(self.pool.free_bytes())

    def used_bytes(self) -> int:
        """Memory that arrays of our own pool take here."""
        with self._device:
            return int(self.pool.used_bytes())

    def synchronize(self) -> None:
        """Wait until everything that was queued has been done."""
        for stream in (self.inward, self.stream, self.outward):
            stream.synchronize()


@contextmanager
def held(devices: Sequence[Device]) -> Iterator[None]:
    """While inside, no other thread uses these GPUs. Locks are taken in one order, so that nobody waits in a circle."""
    with ExitStack() as stack:
        for device in sorted(devices, key=lambda device: device.index):
            stack.enter_context(device.lock)
        yield


def _address(array: Any) -> int:
    assert array.flags.c_contiguous, "copies between host and GPU take runs of memory"
    return int(array.data.ptr)
