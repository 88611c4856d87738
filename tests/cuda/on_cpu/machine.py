"""The GPUs of the stand-in: their memory, and who is working on which of them with which stream."""

import bisect
import ctypes
import itertools
import threading
from dataclasses import dataclass, field

import numpy as np

GUARD = 256  # bytes on either side of every piece of device memory, in which kernels must not write
ALIGNMENT = 512
POISON = 0xFF  # makes NaNs


class CUDARuntimeError(RuntimeError):
    """What cupy raises for an error of CUDA."""


class CUDADriverError(RuntimeError):
    """What cupy raises for an error of the driver."""


class CaptureError(CUDARuntimeError):
    """Something that a stream cannot do while it is being captured."""


class KernelError(CUDARuntimeError):
    """A kernel did what it must not. Raised where somebody waits for it."""


class Chunk:
    """Device memory that a pool has asked the GPU for. It stays for as long as a queued operation knows its address."""

    def __init__(self, nbytes, device):
        self.nbytes, self.device = nbytes, device
        self._root = np.full(nbytes + 2 * GUARD + ALIGNMENT, POISON, np.uint8)
        self._start = GUARD + -(self._root.ctypes.data + GUARD) % ALIGNMENT
        self.address = self._root.ctypes.data + self._start

    def view(self, shape, dtype, strides=None, offset=0):
        """A numpy array in this memory, which does not keep it from being given to somebody else."""
        return np.ndarray(shape, dtype, self._root, self._start + offset, strides)

    def guards_hold(self):
        before = self._root[self._start - GUARD : self._start]
        after = self._root[self._start + self.nbytes : self._start + self.nbytes + GUARD]
        return bool((before == POISON).all() and (after == POISON).all())

    def mend(self):
        self._root[: self._start] = POISON
        self._root[self._start + self.nbytes :] = POISON


@dataclass
class _Local(threading.local):
    device: int = 0
    streams: dict = field(default_factory=dict)  # device -> stack of streams that were entered
    allocators: list = field(default_factory=list)
    nccl_depth: int = 0


class Machine:
    """Everything that the functions of one stand-in share."""

    def __init__(self, gpus):
        self.gpus, self.lock, self.local = gpus, threading.RLock(), _Local()
        self.numbers = itertools.count(0x1000, 16)
        self.streams = {}  # by handle
        self.null_streams, self.pools, self.cliques = {}, [], {}
        self.default_pool = None
        self._chunks, self._addresses = [], []
        self._pinned = {}

    def new_chunk(self, nbytes, device):
        chunk = Chunk(nbytes, device)
        place = bisect.bisect(self._addresses, chunk.address)
        self._addresses.insert(place, chunk.address)
        self._chunks.insert(place, chunk)
        return chunk

    def chunk_at(self, address, nbytes=1):
        """The device memory that holds those bytes, or None."""
        place = bisect.bisect(self._addresses, address) - 1
        if place < 0 or address + nbytes > self._chunks[place].address + self._chunks[place].nbytes:
            return None
        return self._chunks[place]

    def pin(self, address, nbytes, keep=None):
        self._pinned[address] = nbytes, keep

    def unpin(self, address):
        if self._pinned.pop(address, None) is None:
            raise CUDARuntimeError("cudaErrorHostMemoryNotRegistered")

    def is_pinned(self, address, nbytes):
        return any(start <= address and address + nbytes <= start + size for start, (size, _) in self._pinned.items())


_machine = Machine(1)


def here():
    """The machine of the stand-in that is in use."""
    return _machine


def start(gpus):
    global _machine
    _machine = Machine(gpus)
    return _machine


def host_bytes(address, nbytes):
    """Host memory as a numpy array."""
    return np.frombuffer((ctypes.c_ubyte * nbytes).from_address(address), np.uint8) if nbytes else np.empty(0, np.uint8)
