"""The matrices of F(4, 3) with the points 0, P, -P, Q, -Q and infinity, each along one direction of a tile.

A^T takes powers of the points: output pixel i is the sum of p^i t_p over the finite points p, and t_infinity is added
to the last. G has rows (1, p, p^2) / N_p, N_p being the product of p - q over the other finite points q, and (0, 0, 1)
for infinity. Rows of B^T are the coefficients of the product of x - q over the same q; for infinity, q goes over all
finite points. A pair p, -p shares the even and the odd part of its polynomials, which halves the multiplications.

Arrays are flat, sixteen planes side by side (see plane_lanes.py). A transform reads lines of `count` numbers, the first
at `read` and each `step` numbers behind the last, and writes such lines from `write` on: `step` is one row of a tile
for the transform of its columns, and one pixel for that of its rows.
"""

from __future__ import annotations

import numpy as np

from ...common.jit import kernel
from ..array import Array

# All of these but PART_... are exact in float32.
P, P2, P3 = np.float32(3 / 4), np.float32(9 / 16), np.float32(27 / 64)
Q, Q2, Q3 = np.float32(3 / 2), np.float32(9 / 4), np.float32(27 / 8)
PQ2, P2Q, P2Q2 = np.float32(27 / 16), np.float32(27 / 32), np.float32(81 / 64)
SUM2 = np.float32(45 / 16)  # P^2 + Q^2
# What the points' polynomials divide by: P^2 Q^2, 2 P^2 (P^2 - Q^2), 2 Q^2 (Q^2 - P^2).
PART_0, PART_P, PART_Q = np.float32(64 / 81), np.float32(-128 / 243), np.float32(32 / 243)


@kernel
def pixels_to_tile(d: Array, t: Array, read: int, write: int, step: int, count: int) -> None:
    """t = B^T times six pixels d; both flat, six lines each."""
    for x in range(count):
        k, m = read + x, write + x
        d1, d2, d3, d4 = d[k + step], d[k + 2 * step], d[k + 3 * step], d[k + 4 * step]
        # (x + P) x (x^2 - Q^2) at point P, with P negated at -P; likewise at Q and -Q.
        even_p, odd_p = d4 - Q2 * d2, P * d3 - PQ2 * d1
        even_q, odd_q = d4 - P2 * d2, Q * d3 - P2Q * d1
        t[m] = P2Q2 * d[k] - SUM2 * d2 + d4
        t[m + step] = even_p + odd_p
        t[m + 2 * step] = even_p - odd_p
        t[m + 3 * step] = even_q + odd_q
        t[m + 4 * step] = even_q - odd_q
        t[m + 5 * step] = P2Q2 * d1 - SUM2 * d3 + d[k + 5 * step]


@kernel
def tile_to_pixels(t: Array, d: Array, read: int, write: int, step: int, count: int) -> None:
    """d = B times a tile's six numbers t; both flat, six lines each. The adjoint of `pixels_to_tile`."""
    for x in range(count):
        k, m = read + x, write + x
        t0, t5 = t[k], t[k + 5 * step]
        sum_p, difference_p = t[k + step] + t[k + 2 * step], t[k + step] - t[k + 2 * step]
        sum_q, difference_q = t[k + 3 * step] + t[k + 4 * step], t[k + 3 * step] - t[k + 4 * step]
        d[m] = P2Q2 * t0
        d[m + step] = P2Q2 * t5 - PQ2 * difference_p - P2Q * difference_q
        d[m + 2 * step] = -SUM2 * t0 - Q2 * sum_p - P2 * sum_q
        d[m + 3 * step] = P * difference_p + Q * difference_q - SUM2 * t5
        d[m + 4 * step] = t0 + sum_p + sum_q
        d[m + 5 * step] = t5


@kernel
def six_to_four(t: Array, y: Array, read: int, write: int, step: int, count: int) -> None:
    """y = A^T times a tile's six numbers t; flat, six lines -> four."""
    for x in range(count):
        k, m = read + x, write + x
        sum_p, difference_p = t[k + step] + t[k + 2 * step], t[k + step] - t[k + 2 * step]
        sum_q, difference_q = t[k + 3 * step] + t[k + 4 * step], t[k + 3 * step] - t[k + 4 * step]
        y[m] = t[k] + sum_p + sum_q
        y[m + step] = P * difference_p + Q * difference_q
        y[m + 2 * step] = P2 * sum_p + Q2 * sum_q
        y[m + 3 * step] = P3 * difference_p + Q3 * difference_q + t[k + 5 * step]


@kernel
def four_to_six(y: Array, t: Array, read: int, write: int, step: int, count: int) -> None:
    """t = A times four pixels y; flat, four lines -> six. The adjoint of `six_to_four`."""
    for x in range(count):
        k, m = read + x, write + x
        a, b, c, d = y[k], y[k + step], y[k + 2 * step], y[k + 3 * step]
        even_p, odd_p = a + P2 * c, P * b + P3 * d
        even_q, odd_q = a + Q2 * c, Q * b + Q3 * d
        t[m] = a
        t[m + step] = even_p + odd_p
        t[m + 2 * step] = even_p - odd_p
        t[m + 3 * step] = even_q + odd_q
        t[m + 4 * step] = even_q - odd_q
        t[m + 5 * step] = d


@kernel
def three_to_six(w: Array, t: Array, read: int, write: int, step: int, count: int) -> None:
    """t = G times three taps w; flat, three lines -> six."""
    for x in range(count):
        k, m = read + x, write + x
        a, b, c = w[k], w[k + step], w[k + 2 * step]
        t[m] = PART_0 * a
        t[m + step] = PART_P * ((a + P2 * c) + P * b)
        t[m + 2 * step] = PART_P * ((a + P2 * c) - P * b)
        t[m + 3 * step] = PART_Q * ((a + Q2 * c) + Q * b)
        t[m + 4 * step] = PART_Q * ((a + Q2 * c) - Q * b)
        t[m + 5 * step] = c


@kernel
def six_to_three(t: Array, w: Array, read: int, write: int, step: int, count: int) -> None:
    """w = G^T times a tile's six numbers t; flat, six lines -> three. The adjoint of `three_to_six`."""
    for x in range(count):
        k, m = read + x, write + x
        sum_p, difference_p = t[k + step] + t[k + 2 * step], t[k + step] - t[k + 2 * step]
        sum_q, difference_q = t[k + 3 * step] + t[k + 4 * step], t[k + 3 * step] - t[k + 4 * step]
        w[m] = PART_0 * t[k] + PART_P * sum_p + PART_Q * sum_q
        w[m + step] = PART_P * P * difference_p + PART_Q * Q * difference_q
        w[m + 2 * step] = PART_P * P2 * sum_p + PART_Q * Q2 * sum_q + t[k + 5 * step]
