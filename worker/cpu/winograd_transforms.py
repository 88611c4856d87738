"""The transforms of F(2, 3), F(4, 3) and F(4, 5) along lines of floats, so that one code moves the pixels of all.

They are called with (form, source, apart, target, out, count): `form` is that of winograd_tiles.py, whose length is T,
the numbers of a tile each way; the others are those of vectors.lines, and `count` is a multiple of 16.
"""

from __future__ import annotations

from . import winograd_f2_3 as f23
from . import winograd_f4_3 as f43
from . import winograd_f4_5 as f45
from .vectors import lines_by_length

# t = B^T d: T lines each.
pixels_to_tile = lines_by_length({4: f23.pixels_to_tile, 6: f43.pixels_to_tile, 8: f45.pixels_to_tile})
# d = B t: T lines each. The adjoint of `pixels_to_tile`.
tile_to_pixels = lines_by_length({4: f23.tile_to_pixels, 6: f43.tile_to_pixels, 8: f45.tile_to_pixels})
# y = A^T t: T lines -> M.
tile_to_outputs = lines_by_length({4: f23.tile_to_outputs, 6: f43.tile_to_outputs, 8: f45.tile_to_outputs})
# t = A y: M lines -> T. The adjoint of `tile_to_outputs`.
outputs_to_tile = lines_by_length({4: f23.outputs_to_tile, 6: f43.outputs_to_tile, 8: f45.outputs_to_tile})
# t = G w: R lines -> T.
taps_to_tile = lines_by_length({4: f23.taps_to_tile, 6: f43.taps_to_tile, 8: f45.taps_to_tile})
# w = G^T t: T lines -> R. The adjoint of `taps_to_tile`.
tile_to_taps = lines_by_length({4: f23.tile_to_taps, 6: f43.tile_to_taps, 8: f45.tile_to_taps})
