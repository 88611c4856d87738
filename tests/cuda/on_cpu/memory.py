"""Memory pools of cupy: pieces that nobody holds any more are given to whoever next asks for as much on that stream.

So an array that is made after a graph was captured may lie where the graph keeps something, as on a GPU.
"""

import contextlib
import ctypes
from collections import defaultdict

from .machine import POISON, CUDARuntimeError, here
from .streams import get_current_stream


class Block:
    """A piece of device memory that is in use, for as long as this object lives."""

    def __init__(self, pool, chunk, key):
        self.pool, self.chunk, self._key = pool, chunk, key

    @property
    def ptr(self):
        return self.chunk.address

    @property
    def size(self):
        return self.chunk.nbytes

    @property
    def device_id(self):
        return self.chunk.device

    def __del__(self):
        self.pool._take_back(self.chunk, self._key)


class MemoryPointer:
    """A place in a piece of device memory."""

    def __init__(self, mem, offset):
        self.mem, self.offset = mem, offset

    @property
    def ptr(self):
        return self.mem.ptr + self.offset

    @property
    def device_id(self):
        return self.mem.device_id

    def __int__(self):
        return self.ptr

    def __add__(self, offset):
        return MemoryPointer(self.mem, self.offset + offset)


class MemoryPool:
    """Counts, per GPU, the bytes of living arrays (used) and of all that it keeps (total)."""

    def __init__(self, allocator=None):
        self._machine = here()
        self._free = defaultdict(list)  # by stream and size
        self._used, self._total, self._limit = defaultdict(int), defaultdict(int), defaultdict(int)
        self._machine.pools.append(self)

    def malloc(self, nbytes):
        device = self._machine.local.device
        with self._machine.lock:
            stream = get_current_stream()
            key = stream.ptr, device, nbytes
            if self._free[key]:
                chunk = self._free[key].pop()
                if not stream.is_capturing():  # what lies there may still be needed by what was queued before
                    stream.enqueue(lambda: chunk.view((nbytes,), "u1").fill(POISON))
            else:
                chunk = self._new(nbytes, device)
            self._used[device] += nbytes
        return MemoryPointer(Block(self, chunk, key), 0)

    def _new(self, nbytes, device):
        if self._limit[device] and self._total[device] + nbytes > self._limit[device]:
            raise MemoryError(
                f"Out of memory allocating {nbytes:,} bytes (limit set to: {self._limit[device]:,} bytes)."
            )
        self._total[device] += nbytes
        return self._machine.new_chunk(nbytes, device)

    def _take_back(self, chunk, key):
        with self._machine.lock:
            self._free[key].append(chunk)
            self._used[chunk.device] -= chunk.nbytes

    def used_bytes(self):
        return self._used[self._machine.local.device]

    def total_bytes(self):
        return self._total[self._machine.local.device]

    def free_bytes(self):
        return self.total_bytes() - self.used_bytes()

    def n_free_blocks(self):
        return sum(map(len, self._free.values()))

    def free_all_blocks(self, stream=None):
        """The free pieces are never used again, but stay mapped: a graph that still writes there does no harm."""
        for (_, device, nbytes), chunks in self._free.items():
            if device == self._machine.local.device:
                self._total[device] -= nbytes * len(chunks)
                chunks.clear()

    def set_limit(self, size=None, fraction=None):
        self._limit[self._machine.local.device] = size or 0

    def get_limit(self):
        return self._limit[self._machine.local.device]


def default_pool():
    machine = here()
    with machine.lock:
        machine.default_pool = machine.default_pool or MemoryPool()
    return machine.default_pool


def malloc(nbytes):
    """From the pool of this thread's innermost `using_allocator`, else the default one."""
    default = default_pool()
    return (here().local.allocators or [default.malloc])[-1](nbytes)


@contextlib.contextmanager
def using_allocator(allocator=None):
    here().local.allocators.append(allocator or default_pool().malloc)
    try:
        yield
    finally:
        here().local.allocators.pop()


def alloc_pinned_memory(nbytes):
    """Page-locked host memory with the buffer protocol. It is never given back: nothing can be copied into the void."""
    memory = (ctypes.c_ubyte * nbytes).from_buffer(bytearray([POISON]) * nbytes)
    memory.ptr, memory.size = ctypes.addressof(memory), lambda: nbytes
    here().pin(memory.ptr, nbytes, memory)
    return memory


def host_register(ptr, size, flags=0):
    if here().is_pinned(ptr, 1):
        raise CUDARuntimeError("cudaErrorHostMemoryAlreadyRegistered")
    here().pin(ptr, size)


def host_unregister(ptr):
    here().unpin(ptr)
