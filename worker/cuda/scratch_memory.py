"""Scratch memory that the kernels of one GPU use in turn.

A kernel makes a Claim on an Arena when it is made, and gets the arrays when it first runs.
"""

from __future__ import annotations

import threading
import weakref
from typing import ClassVar

import numpy as np

from ..array import Array
from .device import Device

ALIGNMENT = 256  # bytes: what cudaMalloc aligns to, more than any kernel of cuDNN asks for


class Arena:
    """Memory whose contents last for one call of one kernel: calls run in order on one stream, so all can share it.

    Whoever got memory keeps it, since a captured graph holds its address; if more is needed later, there will be a
    second, larger piece. Kernels `reserve` when they are made, so that the first that asks for memory usually makes it
    large enough for all of them.
    """

    # Weak keys and references: an arena must not keep a device, with all its memory, alive.
    _known: ClassVar[weakref.WeakKeyDictionary[Device, dict[str, Arena]]] = weakref.WeakKeyDictionary()
    _finding = threading.Lock()

    def __init__(self, device: Device) -> None:
        self._device = weakref.ref(device)
        self._wanted = 0
        self._memory: Array | None = None

    @classmethod
    def of(cls, device: Device, name: str) -> Arena:
        """The arena of that name, made when first asked for.

        Each call of a kernel overwrites what the last one left in the same arena; what must not meet has two names.
        """
        with cls._finding:
            arenas = cls._known.setdefault(device, {})
            return arenas.setdefault(name, cls(device))

    def reserve(self, size: int) -> None:
        """Say that `size` bytes will be asked for."""
        self._wanted = max(self._wanted, size)

    def memory(self, size: int) -> Array:
        """`size` bytes or more, and at least one: flat, uint8. To be called while the device is active."""
        self.reserve(max(size, 1))
        if self._memory is None or self._memory.size < size:
            device = self._device()
            assert device is not None  # whoever calls has it active
            self._memory = device.empty((self._wanted,), np.uint8)
        return self._memory


class Claim:
    """Several flat arrays side by side in an arena, given out when they are first used."""

    def __init__(self, arena: Arena, sizes: list[int]) -> None:
        """Reserve `sizes` (bytes), each rounded up so that every array is aligned."""
        self._arena, self._starts = arena, [0]
        for size in sizes:
            self._starts.append(self._starts[-1] + -(-size // ALIGNMENT) * ALIGNMENT)
        self._sizes = sizes
        self._parts: list[Array] | None = None
        arena.reserve(self._starts[-1])

    def parts(self) -> list[Array]:
        """The arrays: flat, uint8, of the sizes that were claimed. To be called while the device is active."""
        if self._parts is None:
            memory = self._arena.memory(self._starts[-1])
            self._parts = [memory[start : start + size] for start, size in zip(self._starts, self._sizes, strict=False)]
        return self._parts
