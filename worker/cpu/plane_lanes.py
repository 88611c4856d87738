"""Sixteen planes side by side: their rows become lines of pixels of 16 numbers, one AVX-512 register wide.

A transform that is too short to be vectorised along a row runs across planes instead, each plane in its lane. Lines are
flat: lane l of pixel x is number 16 x + l. Lanes beyond the last plane are zero.
"""

from __future__ import annotations

LANES = 16  # float32 numbers; narrower registers take a pixel in two or four parts


def padded(planes: int) -> int:
    """`planes` rounded up to whole groups of LANES."""
    return -(-planes // LANES) * LANES
