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
from ..context import gpu, register_cache
from .compiled_source import Module
from .cupy_module import load_cupy

_making = threading.Lock()
# Differs between hosts, but is the same in all containers of one host, which share its GPUs.
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Device:
    """A GPU as executors see it. Methods only queue work, unless they say that they wait.

    All computation of a step is queued on `stream`; `inward` and `outward` carry copies from and to the host beside it.
    Arrays come from a memory pool of our own, so that we can tell what it holds and give it back. Kernels share scratch
    memory, so whoever queues a step holds `lock` from the step's first copy to its last. So does whoever does anything
    else here, such as building an executor: while a thread captures `stream`, whatever any thread gives it becomes part
    of the graph, and what waits for it breaks the capture.

    Queueing may raise cupy's errors: OutOfMemoryError, or CUDARuntimeError if the device fails.
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
        register_cache(gpu(index), self.release)
        self.companions: dict[Any, Any] = {}  # what other modules keep once per GPU, by its class
        self._modules: dict[tuple[str, tuple[tuple[str, int | str], ...]], Module] = {}

    @classmethod
    def get(cls, index: int) -> Device:
        """The GPU of that index among the visible ones. The caller has made sure that it exists."""
        with _making:
            if index not in cls._known:
                cls._known[index] = cls(index)
            return cls._known[index]

    def __repr__(self) -> str:
        return f"gpu({self.index})"

    @contextmanager
    def active(self, pool: Any = None) -> Iterator[None]:
        """While inside, this thread makes its arrays here and queues its work on `stream`.

        Memory comes from `pool`, by default the device's own.
        """
        with self._device, self.stream, self.xp.cuda.using_allocator((pool or self.pool).malloc):
            yield

    @contextmanager
    def serving(self) -> Iterator[None]:
        """As `active`, holding `lock`, and in order with what the caller's current stream does before and after.

        So a user's cupy code may write an input and read an output without waiting for the device.
        """
        with self.lock, self._serving():
            yield

    @contextmanager
    def _serving(self) -> Iterator[None]:
        # Two events tie the streams together without the host waiting: ours begins when the caller's has done what was
        # queued before, and the caller's goes on when ours has done what is queued inside.
        with self._device:
            callers = self.xp.cuda.get_current_stream()
            self.stream.wait_event(callers.record(self.xp.cuda.Event(disable_timing=True)))
        try:
            with self.active():
                yield
        finally:  # after an exception, too: what was queued before it still runs, and may write what the caller reads
            with self._device:
                callers.wait_event(self.mark())

    def here(self) -> Any:
        """A context in which this is cupy's current device."""
        return self._device

    def call(self, function: Callable[..., Any], *arguments: Any) -> None:
        """Call `function`, which must not allocate, with `stream` as the current one: cheaper than `active`."""
        with self._device, self.stream:
            function(*arguments)

    def launch(self, graph: Any) -> None:
        """Queue a captured graph on `stream`."""
        with self._device:
            graph.launch(self.stream)

    def module(self, name: str, **defines: int | str) -> Module:
        """The kernels of source/<name>.cu, compiled once per GPU and set of macros."""
        key = name, tuple(sorted(defines.items()))  # every set of macros is a program of its own
        if key not in self._modules:
            self._modules[key] = Module(self.xp, name, defines)
        return self._modules[key]

    def empty(self, shape: Shape, dtype: Any = np.float32) -> Array:
        """An uninitialised array of `shape` here. To be called while the device is active, as `zeros`."""
        array: Array = self.xp.empty(shape, dtype)
        return array

    def zeros(self, shape: Shape, dtype: Any = np.float32) -> Array:
        """An array of zeros of `shape` here."""
        array: Array = self.xp.zeros(shape, dtype)
        return array

    def pinned(self, shape: Shape, dtype: Any = np.float32) -> Array:
        """An uninitialised host array of `shape` in page-locked memory.

        The GPU copies from and to it directly, while the host goes on; other memory goes through a buffer.
        """
        size = int(np.prod(shape, dtype=np.int64))
        with self._device:
            memory = self.xp.cuda.alloc_pinned_memory(max(1, size * np.dtype(dtype).itemsize))
        return np.frombuffer(memory, dtype, size).reshape(shape)

    def pinned_zeros(self, shape: Shape, dtype: Any) -> Array:
        """As `pinned`, of that shape, filled with zeros."""
        array = self.pinned(shape, dtype)
        array.fill(0)
        return array

    def new_pool(self) -> Any:
        """A memory pool that shares no memory with others.

        Before it fails, it has the device's own pool give back what no array uses.
        """
        return self.xp.cuda.MemoryPool(self._allocate)

    def _allocate(self, size: int) -> Any:
        cuda = self.xp.cuda
        try:
            return cuda.MemoryPointer(cuda.memory.Memory(size), 0)
        except cuda.runtime.CUDARuntimeError:
            gc.collect()  # arrays in reference cycles hold memory until then
            self.release()
            return cuda.MemoryPointer(cuda.memory.Memory(size), 0)

    def release(self) -> None:
        """Give memory that no array uses back to the driver, which waits for the GPU."""
        with self.lock, self._device:
            self.pool.free_all_blocks()

    def new_stream(self) -> Any:
        """Another stream here, which is ordered with others by events only."""
        with self._device:  # non-blocking: no implicit order with the default stream, which other libraries may use
            return self.xp.cuda.Stream(non_blocking=True)

    def mark(self, stream: Any = None) -> Any:
        """An event that comes when `stream` (by default the main one) has done what it was given so far."""
        with self._device:  # events without times are cheaper to record and to wait for
            return (stream or self.stream).record(self.xp.cuda.Event(disable_timing=True))

    def upload(self, target: Array, host: Array, stream: Any) -> None:
        """Queue a copy of `host`, C-ordered, to `target` of the same shape; `host` must not change until it is done."""
        self._copy(_address(target), host.ctypes.data, host.nbytes, self.xp.cuda.runtime.memcpyHostToDevice, stream)

    def download(self, host: Array, source: Array, stream: Any) -> None:
        """Queue a copy of `source` to `host`, both C-ordered and of the same shape."""
        self._copy(host.ctypes.data, _address(source), host.nbytes, self.xp.cuda.runtime.memcpyDeviceToHost, stream)

    def _copy(self, target: int, source: int, nbytes: int, kind: int, stream: Any) -> None:
        with self._device:
            self.xp.cuda.runtime.memcpyAsync(target, source, nbytes, kind, stream.ptr)

    def identity(self) -> str:
        """A name that no other GPU on any host has, nor another part of a GPU that is partitioned (MIG).

        cupy only gives the UUID's bytes up to the first zero, so the name also has the PCI bus id and the host.
        """
        runtime = self.xp.cuda.runtime
        place, uuid = runtime.deviceGetPCIBusId(self.index), runtime.getDeviceProperties(self.index)["uuid"].hex()
        return f"{place} {uuid} of host {BOOT_ID.read_text().strip()}"

    def free_bytes(self) -> int:
        """Bytes that arrays can still take: what the driver has, and what the pool keeps for the next array."""
        with self._device:
            free, _ = self.xp.cuda.runtime.memGetInfo()
            return int(free) + int(self.pool.free_bytes())

    def used_bytes(self) -> int:
        """Bytes that arrays of the device's own pool take."""
        with self._device:
            return int(self.pool.used_bytes())

    def synchronize(self) -> None:
        """Wait until everything that was queued has been done."""
        # In the order in which data pass through them.
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
    assert array.flags.c_contiguous, "copies between host and GPU need C-ordered arrays"
    return int(array.data.ptr)
