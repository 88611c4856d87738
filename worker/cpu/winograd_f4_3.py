"""The matrices of F(4, 3) with the points 0, P, -P, Q, -Q and infinity, each along one direction of a tile.

A^T takes powers of the points: output pixel i is the sum of p^i t_p over the finite points p, and t_infinity is added
to the last. G has rows (1, p, p^2) / N_p, N_p being the product of p - q over the other finite points q, and (0, 0, 1)
for infinity. Rows of B^T are the coefficients of the product of x - q over the same q; for infinity, q goes over all
finite points. A pair p, -p shares the even and the odd part of its polynomials, which halves the multiplications.

The functions take and return numbers, arrays, or vectors in the making (see vectors.py).
"""

from __future__ import annotations

from typing import Any

# All of these but PART_... are exact in float32.
P, P2, P3 = 3 / 4, 9 / 16, 27 / 64
Q, Q2, Q3 = 3 / 2, 9 / 4, 27 / 8
PQ2, P2Q, P2Q2 = 27 / 16, 27 / 32, 81 / 64
SUM2 = 45 / 16  # P^2 + Q^2
# What the points' polynomials divide by: P^2 Q^2, 2 P^2 (P^2 - Q^2), 2 Q^2 (Q^2 - P^2).
PART_0, PART_P, PART_Q = 64 / 81, -128 / 243, 32 / 243


def pixels_to_tile(d0: Any, d1: Any, d2: Any, d3: Any, d4: Any, d5: Any) -> tuple[Any, ...]:
    """t = B^T times six pixels d."""
    # (x + P) x (x^2 - Q^2) at point P, with P negated at -P; likewise at Q and -Q.
    even_p, odd_p = d4 - Q2 * d2, P * d3 - PQ2 * d1
    even_q, odd_q = d4 - P2 * d2, Q * d3 - P2Q * d1
    return (
        d4 + P2Q2 * d0 - SUM2 * d2,
        even_p + odd_p,
        even_p - odd_p,
        even_q + odd_q,
        even_q - odd_q,
        d5 + P2Q2 * d1 - SUM2 * d3,
    )


def tile_to_pixels(t0: Any, t1: Any, t2: Any, t3: Any, t4: Any, t5: Any) -> tuple[Any, ...]:
    """d = B times a tile's six numbers t. The adjoint of `pixels_to_tile`."""
    sum_p, difference_p, sum_q, difference_q = t1 + t2, t1 - t2, t3 + t4, t3 - t4
    return (
        P2Q2 * t0,
        P2Q2 * t5 - PQ2 * difference_p - P2Q * difference_q,
        (0 - SUM2 * t0) - Q2 * sum_p - P2 * sum_q,
        P * difference_p + Q * difference_q - SUM2 * t5,
        t0 + sum_p + sum_q,
        t5,
    )


def tile_to_outputs(t0: Any, t1: Any, t2: Any, t3: Any, t4: Any, t5: Any) -> tuple[Any, ...]:
    """y = A^T times a tile's six numbers t: four pixels."""
    sum_p, difference_p, sum_q, difference_q = t1 + t2, t1 - t2, t3 + t4, t3 - t4
    return (
        t0 + sum_p + sum_q,
        P * difference_p + Q * difference_q,
        P2 * sum_p + Q2 * sum_q,
        P3 * difference_p + Q3 * difference_q + t5,
    )


def outputs_to_tile(a: Any, b: Any, c: Any, d: Any) -> tuple[Any, ...]:
    """t = A times four pixels. The adjoint of `tile_to_outputs`."""
    even_p, odd_p = a + P2 * c, P * b + P3 * d
    even_q, odd_q = a + Q2 * c, Q * b + Q3 * d
    return a, even_p + odd_p, even_p - odd_p, even_q + odd_q, even_q - odd_q, d


def taps_to_tile(a: Any, b: Any, c: Any) -> tuple[Any, ...]:
    """t = G times three taps."""
    even_p, odd_p, even_q, odd_q = a + P2 * c, P * b, a + Q2 * c, Q * b
    return (
        PART_0 * a,
        PART_P * (even_p + odd_p),
        PART_P * (even_p - odd_p),
        PART_Q * (even_q + odd_q),
        PART_Q * (even_q - odd_q),
        c,
    )


def tile_to_taps(t0: Any, t1: Any, t2: Any, t3: Any, t4: Any, t5: Any) -> tuple[Any, ...]:
    """w = G^T times a tile's six numbers t: three taps. The adjoint of `taps_to_tile`."""
    sum_p, difference_p, sum_q, difference_q = t1 + t2, t1 - t2, t3 + t4, t3 - t4
    return (
        PART_0 * t0 + PART_P * sum_p + PART_Q * sum_q,
        PART_P * P * difference_p + PART_Q * Q * difference_q,
        PART_P * P2 * sum_p + PART_Q * Q2 * sum_q + t5,
    )
