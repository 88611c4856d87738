"""The transforms of F(2, 3), F(4, 3) and F(4, 5) along lines of floats, so that one code moves the pixels of all.

Which it is follows from `side`, T = 4, 6 or 8: a tile's numbers each way. F(M, R) makes M output pixels of R taps.
`source` and `target` are addresses, `apart` and `out` the floats from one of their lines to the next; `count`, the
length of a line, is a multiple of 16.
"""

from __future__ import annotations

from ...common.jit import kernel
from . import winograd_f2_3 as f23
from . import winograd_f4_3 as f43
from . import winograd_f4_5 as f45
from .vectors import lines

_pixels_to_tile_4, _pixels_to_tile_6, _pixels_to_tile_8 = (
    lines(f23.pixels_to_tile, 4),
    lines(f43.pixels_to_tile, 6),
    lines(f45.pixels_to_tile, 8),
)
_tile_to_pixels_4, _tile_to_pixels_6, _tile_to_pixels_8 = (
    lines(f23.tile_to_pixels, 4),
    lines(f43.tile_to_pixels, 6),
    lines(f45.tile_to_pixels, 8),
)
_tile_to_outputs_4, _tile_to_outputs_6, _tile_to_outputs_8 = (
    lines(f23.tile_to_outputs, 4),
    lines(f43.tile_to_outputs, 6),
    lines(f45.tile_to_outputs, 8),
)
_outputs_to_tile_4, _outputs_to_tile_6, _outputs_to_tile_8 = (
    lines(f23.outputs_to_tile, 2),
    lines(f43.outputs_to_tile, 4),
    lines(f45.outputs_to_tile, 4),
)
_taps_to_tile_4, _taps_to_tile_6, _taps_to_tile_8 = (
    lines(f23.taps_to_tile, 3),
    lines(f43.taps_to_tile, 3),
    lines(f45.taps_to_tile, 5),
)
_tile_to_taps_4, _tile_to_taps_6, _tile_to_taps_8 = (
    lines(f23.tile_to_taps, 4),
    lines(f43.tile_to_taps, 6),
    lines(f45.tile_to_taps, 8),
)


@kernel
def pixels_to_tile(side: int, source: int, apart: int, target: int, out: int, count: int) -> None:
    """t = B^T d: T lines each."""
    if side == 4:
        _pixels_to_tile_4(source, apart, target, out, count)
    elif side == 6:
        _pixels_to_tile_6(source, apart, target, out, count)
    else:
        _pixels_to_tile_8(source, apart, target, out, count)


@kernel
def tile_to_pixels(side: int, source: int, apart: int, target: int, out: int, count: int) -> None:
    """d = B t: T lines each. The adjoint of `pixels_to_tile`."""
    if side == 4:
        _tile_to_pixels_4(source, apart, target, out, count)
    elif side == 6:
        _tile_to_pixels_6(source, apart, target, out, count)
    else:
        _tile_to_pixels_8(source, apart, target, out, count)


@kernel
def tile_to_outputs(side: int, source: int, apart: int, target: int, out: int, count: int) -> None:
    """y = A^T t: T lines -> M."""
    if side == 4:
        _tile_to_outputs_4(source, apart, target, out, count)
    elif side == 6:
        _tile_to_outputs_6(source, apart, target, out, count)
    else:
        _tile_to_outputs_8(source, apart, target, out, count)


@kernel
def outputs_to_tile(side: int, source: int, apart: int, target: int, out: int, count: int) -> None:
    """t = A y: M lines -> T. The adjoint of `tile_to_outputs`."""
    if side == 4:
        _outputs_to_tile_4(source, apart, target, out, count)
    elif side == 6:
        _outputs_to_tile_6(source, apart, target, out, count)
    else:
        _outputs_to_tile_8(source, apart, target, out, count)


@kernel
def taps_to_tile(side: int, source: int, apart: int, target: int, out: int, count: int) -> None:
    """t = G w: R lines -> T."""
    if side == 4:
        _taps_to_tile_4(source, apart, target, out, count)
    elif side == 6:
        _taps_to_tile_6(source, apart, target, out, count)
    else:
        _taps_to_tile_8(source, apart, target, out, count)


@kernel
def tile_to_taps(side: int, source: int, apart: int, target: int, out: int, count: int) -> None:
    """w = G^T t: T lines -> R. The adjoint of `taps_to_tile`."""
    if side == 4:
        _tile_to_taps_4(source, apart, target, out, count)
    elif side == 6:
        _tile_to_taps_6(source, apart, target, out, count)
    else:
        _tile_to_taps_8(source, apart, target, out, count)
