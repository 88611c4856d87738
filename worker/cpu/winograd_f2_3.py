"""The matrices of F(2, 3) with the points 0, 1, -1 and infinity (Winograd; Lavin, Gray 2015): two pixels.

As winograd_f4_3.py, which explains them. All factors are exact in float32, and the root mean square of the rounding
error, 0.2e-6 to 0.4e-6 of the output's, is that of the plain sums.
"""

from __future__ import annotations

from typing import Any

HALF = 0.5


def pixels_to_tile(d0: Any, d1: Any, d2: Any, d3: Any) -> tuple[Any, ...]:
    """t = B^T times four pixels d."""
    return d0 - d2, d1 + d2, d2 - d1, d1 - d3


def tile_to_pixels(t0: Any, t1: Any, t2: Any, t3: Any) -> tuple[Any, ...]:
    """d = B times a tile's four numbers t. The adjoint of `pixels_to_tile`."""
    return t0, t1 - t2 + t3, t1 + t2 - t0, 0 - t3


def tile_to_outputs(t0: Any, t1: Any, t2: Any, t3: Any) -> tuple[Any, ...]:
    """y = A^T times a tile's four numbers t: two pixels."""
    return t0 + t1 + t2, t1 - t2 - t3


def outputs_to_tile(a: Any, b: Any) -> tuple[Any, ...]:
    """t = A times two pixels. The adjoint of `tile_to_outputs`."""
    return a, a + b, a - b, 0 - b


def taps_to_tile(a: Any, b: Any, c: Any) -> tuple[Any, ...]:
    """t = G times three taps."""
    return a, HALF * (a + b + c), HALF * (a - b + c), c


def tile_to_taps(t0: Any, t1: Any, t2: Any, t3: Any) -> tuple[Any, ...]:
    """w = G^T times a tile's four numbers t: three taps. The adjoint of `taps_to_tile`."""
    return t0 + HALF * (t1 + t2), HALF * (t1 - t2), HALF * (t1 + t2) + t3
