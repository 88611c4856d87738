"""Philox4x32-10, a counter-based random generator: element i of a stream is a function of (key, i) and of nothing else.

Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3" (SC 2011). It has no state that moves on, so
a mask can be drawn again in the backward pass, by any thread on any machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..array import Array

# The constants of the paper; others would be another generator. Kernels for CPU and GPU have the same ones.
ROUNDS = 10
MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
WEYL = (0x9E3779B9, 0xBB67AE85)  # added to the key's two words after each round
_MASK32, _MASK64 = 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF

Words = tuple[int, int]


@dataclass(frozen=True)
class RandomStream:
    """The random numbers of one node in one step: `key` comes from seed and fit, `step` and `node` are counter words.

    Number e of the stream is word e % 4 of the block with the counter (e//4 mod 2^32, e//4 >> 32, step, node). Seed
    and fit are mixed into the key by splitmix64; step and node (both mod 2^32) have counter words of their own, so
    that no two nodes and no two steps of a training use the same block.
    """

    key: Words
    step: int
    node: int

    @classmethod
    def of(cls, seed: int, fit: int, step: int, node: int) -> RandomStream:
        """The stream of a node in a step of the training number `fit`; all are whole numbers of any size."""
        # The seed is mixed before fit is added: seed + fit alone would give (1, 2) and (2, 1) the same key.
        mixed = splitmix64((splitmix64(seed & _MASK64) + fit) & _MASK64)
        return cls((mixed & _MASK32, mixed >> 32), step & _MASK32, node & _MASK32)

    def bits(self, first: int, count: int, xp: Any = np) -> Array:
        """Numbers `first` to `first + count - 1` of the stream: shape (count,), uint32."""
        # Whole blocks of four are computed, and what lies outside the range is cut off.
        start, stop = first // 4, -(-(first + count) // 4)
        index = xp.arange(start, stop, dtype=np.uint64)
        counter = [index & _MASK32, index >> 32, xp.full_like(index, self.step), xp.full_like(index, self.node)]
        block = xp.stack(philox4x32(counter, self.key), axis=1).astype(np.uint32)
        flat: Array = block.reshape(-1)[first - 4 * start :][:count]
        return flat


def splitmix64(value: int) -> int:
    """A well mixed 64-bit number from another: one step of SplitMix64 (Steele, Lea, Flood 2014)."""
    value = (value + 0x9E3779B97F4A7C15) & _MASK64
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK64
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK64
    return value ^ (value >> 31)


def philox4x32(counter: list[Array], key: Words, rounds: int = ROUNDS) -> list[Array]:
    """The four output words of each counter; all words are arrays of one shape, 32-bit numbers held in uint64.

    uint64, because each round needs both halves of 32 x 32-bit products.
    """
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(rounds):
        left, right = c0 * MULTIPLIERS[0], c2 * MULTIPLIERS[1]
        c0, c1 = (right >> 32) ^ c1 ^ k0, right & _MASK32
        c2, c3 = (left >> 32) ^ c3 ^ k1, left & _MASK32
        k0, k1 = (k0 + WEYL[0]) & _MASK32, (k1 + WEYL[1]) & _MASK32
    return [c0, c1, c2, c3]
