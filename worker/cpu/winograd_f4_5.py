"""The matrices of F(4, 5) with the points 0, P, -P, 1, -1, R, -R and infinity, P = 1/2 and R = 2.

As winograd_f4_3.py, which explains them, with eight numbers for four pixels and five taps. All factors but PART_...
are exact in float32. The root mean square of the rounding error is 3e-6 of the output's, ten times that of the plain
sums.
"""

from __future__ import annotations

from typing import Any

P, P2, P3, P4 = 1 / 2, 1 / 4, 1 / 8, 1 / 16
R, R2, R3, R4 = 2.0, 4.0, 8.0, 16.0
# With a, b, c the squares of P, 1 and R: a + b + c, ab + ac + bc (abc is 1), and the like of two of them.
SUM_ABC, PAIRS_ABC = 21 / 4, 21 / 4
SUM_BC, PRODUCT_BC, SUM_AC, SUM_AB, PRODUCT_AB = 5.0, 4.0, 17 / 4, 5 / 4, 1 / 4
# What the points' polynomials divide by: 2 a (a - b) (a - c), and so on.
PART_P, PART_1, PART_R = 32 / 45, -2 / 9, 1 / 90


def pixels_to_tile(d0: Any, d1: Any, d2: Any, d3: Any, d4: Any, d5: Any, d6: Any, d7: Any) -> tuple[Any, ...]:
    """t = B^T times eight pixels d."""
    even_p, odd_p = d6 - SUM_BC * d4 + PRODUCT_BC * d2, P * (d5 - SUM_BC * d3 + PRODUCT_BC * d1)
    even_1, odd_1 = d6 - SUM_AC * d4 + d2, d5 - SUM_AC * d3 + d1
    even_r, odd_r = d6 - SUM_AB * d4 + PRODUCT_AB * d2, R * (d5 - SUM_AB * d3 + PRODUCT_AB * d1)
    return (
        d0 - d6 + SUM_ABC * d4 - PAIRS_ABC * d2,
        even_p + odd_p,
        even_p - odd_p,
        even_1 + odd_1,
        even_1 - odd_1,
        even_r + odd_r,
        even_r - odd_r,
        d7 - SUM_ABC * d5 + PAIRS_ABC * d3 - d1,
    )


def tile_to_pixels(t0: Any, t1: Any, t2: Any, t3: Any, t4: Any, t5: Any, t6: Any, t7: Any) -> tuple[Any, ...]:
    """d = B times a tile's eight numbers t. The adjoint of `pixels_to_tile`."""
    sum_p, sum_1, sum_r = t1 + t2, t3 + t4, t5 + t6
    difference_p, difference_1, difference_r = P * (t1 - t2), t3 - t4, R * (t5 - t6)
    return (
        t0,
        PRODUCT_BC * difference_p + difference_1 + PRODUCT_AB * difference_r - t7,
        PRODUCT_BC * sum_p + sum_1 + PRODUCT_AB * sum_r - PAIRS_ABC * t0,
        PAIRS_ABC * t7 - SUM_BC * difference_p - SUM_AC * difference_1 - SUM_AB * difference_r,
        SUM_ABC * t0 - SUM_BC * sum_p - SUM_AC * sum_1 - SUM_AB * sum_r,
        difference_p + difference_1 + difference_r - SUM_ABC * t7,
        sum_p + sum_1 + sum_r - t0,
        t7,
    )


def tile_to_outputs(t0: Any, t1: Any, t2: Any, t3: Any, t4: Any, t5: Any, t6: Any, t7: Any) -> tuple[Any, ...]:
    """y = A^T times a tile's eight numbers t: four pixels."""
    sum_p, sum_1, sum_r = t1 + t2, t3 + t4, t5 + t6
    difference_p, difference_1, difference_r = t1 - t2, t3 - t4, t5 - t6
    return (
        t0 + sum_p + sum_1 + sum_r,
        P * difference_p + difference_1 + R * difference_r,
        P2 * sum_p + sum_1 + R2 * sum_r,
        P3 * difference_p + difference_1 + R3 * difference_r + t7,
    )


def outputs_to_tile(a: Any, b: Any, c: Any, d: Any) -> tuple[Any, ...]:
    """t = A times four pixels. The adjoint of `tile_to_outputs`."""
    even_p, odd_p = a + P2 * c, P * b + P3 * d
    even_1, odd_1 = a + c, b + d
    even_r, odd_r = a + R2 * c, R * b + R3 * d
    return a, even_p + odd_p, even_p - odd_p, even_1 + odd_1, even_1 - odd_1, even_r + odd_r, even_r - odd_r, d


def taps_to_tile(a: Any, b: Any, c: Any, d: Any, e: Any) -> tuple[Any, ...]:
    """t = G times five taps."""
    even_p, odd_p = a + P2 * c + P4 * e, P * b + P3 * d
    even_1, odd_1 = a + c + e, b + d
    even_r, odd_r = a + R2 * c + R4 * e, R * b + R3 * d
    return (
        a,
        PART_P * (even_p + odd_p),
        PART_P * (even_p - odd_p),
        PART_1 * (even_1 + odd_1),
        PART_1 * (even_1 - odd_1),
        PART_R * (even_r + odd_r),
        PART_R * (even_r - odd_r),
        e,
    )


def tile_to_taps(t0: Any, t1: Any, t2: Any, t3: Any, t4: Any, t5: Any, t6: Any, t7: Any) -> tuple[Any, ...]:
    """w = G^T times a tile's eight numbers t: five taps. The adjoint of `taps_to_tile`."""
    sum_p, sum_1, sum_r = PART_P * (t1 + t2), PART_1 * (t3 + t4), PART_R * (t5 + t6)
    difference_p, difference_1, difference_r = PART_P * (t1 - t2), PART_1 * (t3 - t4), PART_R * (t5 - t6)
    return (
        t0 + sum_p + sum_1 + sum_r,
        P * difference_p + difference_1 + R * difference_r,
        P2 * sum_p + sum_1 + R2 * sum_r,
        P3 * difference_p + difference_1 + R3 * difference_r,
        P4 * sum_p + sum_1 + R4 * sum_r + t7,
    )
