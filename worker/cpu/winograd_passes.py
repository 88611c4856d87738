"""Forward and backward of Winograd's convolution, band by band, as functions for tables of calls.

There is one of each for each form of tiles: a form's length is a type, for which kernels are compiled.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...common.compiled_calls import integer, line
from ...common.jit import kernel
from ..array import Array
from .convolution_geometry import Geometry, even_chunk, geometry_at, pooled_plane
from .output_gradient import add_sums, sloped, write_sums
from .panels import clear, whole
from .plane_lanes import LANES
from .tree_sums import leaf_at, level_place, merge
from .winograd_pixels import (
    add_tiles_to_image,
    image_to_tiles,
    plane_to_tiles,
    tiles_to_plane,
)
from .winograd_pooled import pooled_to_tiles, tiles_to_pooled
from .winograd_tiles import (
    FORMS,
    Form,
    block,
    matrix_rows,
    multiply_tiles,
    multiply_transposed,
    panels_of,
    weight_matrices,
)
from .winograd_weights import tiles_to_weight


def _forward(form: Form) -> Any:
    @kernel
    def forward(at: int) -> int:
        """Write out (n, F, OH, OW), or as many pooled pixels.

        The arguments are data, the weight's tiles, bias, out, where winners are kept, and room for data's tiles and for
        products; then the geometry, whose bands are rows of tiles.
        """
        data, bias, out, winner = integer(at, 0), integer(at, 2), integer(at, 3), integer(at, 4)
        tiles, products, g = integer(at, 5), integer(at, 5) + 4 * integer(at, 6), geometry_at(at, whole(7))
        weight = weight_matrices(form, g.filters, g.channels, integer(at, 1))
        image, plane = 4 * g.channels * g.height * g.width, pooled_plane(g)
        for first in range(0, g.images, g.chunk):
            count = min(g.chunk, g.images - first)
            for top in range(0, _down(form, g), g.band):
                rows = (top, min(top + g.band, _down(form, g)))
                given = _read_data(form, g, data + first * image, count, rows, tiles)
                size = count * (rows[1] - rows[0]) * _across(form, g)
                made = _tiles(form, g.filters, size, products)
                multiply_tiles(given, weight, made, size)
                for i in range(count):
                    _write(form, g, made, first + i, i, rows, winner, out)
            if bias:
                for i in range(first * g.filters, (first + count) * g.filters):
                    added = line(bias, g.filters)[i % g.filters]
                    number = line(out + 4 * i * plane, plane)
                    for k in range(plane):
                        number[k] += added
        return 0

    return forward


def _backward(form: Form) -> Any:
    @kernel
    def backward(at: int) -> int:
        """Write the gradients of data, weight and bias, those whose address is not 0.

        The arguments are data, the output's gradient, those three, the slope's function and the output, where winners
        are kept, the weight's tiles with channels side by side, and room for tiles of data, for those of the output,
        for the weight's gradient as tiles, for images of gradients, for products, for lists, and for sums of slices;
        then the geometry and the slices.
        """
        data, grad, data_grad = integer(at, 0), integer(at, 1), integer(at, 2)
        weight_grad, bias_grad = integer(at, 3), integer(at, 4)
        winner, room, g = integer(at, 7), integer(at, 9), geometry_at(at, whole(16))
        products, planes, product_room = (
            room + 4 * integer(at, 10),
            room + 4 * integer(at, 12),
            room + 4 * integer(at, 13),
        )
        turned = weight_matrices(form, g.channels, g.filters, integer(at, 8))
        total = weight_matrices(form, g.filters, g.channels, room + 4 * integer(at, 11))
        image, sums = 4 * g.channels * g.height * g.width, np.zeros(g.filters, np.float64)
        if data_grad:
            clear(data_grad, g.images * g.channels * g.height * g.width)  # tiles of the data overlap, and are added up
        for number in range(integer(at, 37)):
            begin, end, level, merges = leaf_at(integer(at, 36), number)
            chunk = even_chunk(end - begin, g.chunk)
            sums[:] = 0
            for first in range(begin, end, chunk):
                count, place = min(chunk, end - first), 4 * first * g.filters * pooled_plane(g)
                lists = room + 4 * integer(at, 14)
                given = sloped(g, integer(at, 5), integer(at, 6) + place, grad + place, count, lists, planes)
                if bias_grad:
                    add_sums(g, given, count, sums)
                for top in range(0, _down(form, g), g.band):
                    rows = (top, min(top + g.band, _down(form, g)))
                    size = count * (rows[1] - rows[0]) * _across(form, g)
                    made = _tiles(form, g.filters, size, products)
                    for i in range(count):
                        _read(form, g, made, first + i, i, rows, winner, given)
                    if weight_grad:
                        # The weight's gradient is added up as tiles over all bands of a slice, so that it is
                        # transformed back once.
                        taken = _read_data(form, g, data + first * image, count, rows, room)
                        multiply_transposed(taken, made, size, total, first > begin or top > 0, product_room)
                    if data_grad:
                        # The data's tiles were in the same room; the weight's gradient, made before, has read them.
                        back = _tiles(form, g.channels, size, room)
                        multiply_tiles(made, turned, back, size)
                        for i in range(count):
                            _add(form, g, back, i, rows, data_grad + (first + i) * image)
            if weight_grad:
                weight = block(weight_grad, (g.filters, g.channels, form[1], form[1]))
                is_last = number == integer(at, 37) - 1
                tiles_to_weight(form, total, weight, (room + 4 * integer(at, 15), level, merges, is_last))
            if bias_grad:
                write_sums(sums, level_place(bias_grad, integer(at, 38), g.filters, level))
                merge(bias_grad, integer(at, 38), g.filters, level, merges)
        return 0

    return backward


@kernel
def _tiles(form: Form, planes: int, count: int, address: int) -> Array:
    """The matrices of `count` tiles of so many planes, as winograd_tiles.py has them."""
    return block(address, (len(form) ** 2, matrix_rows(count), panels_of(planes) * LANES))


@kernel
def _down(form: Form, g: Geometry) -> int:
    """Rows of tiles."""
    return (g.out_height + form[0] - 1) // form[0]


@kernel
def _across(form: Form, g: Geometry) -> int:
    """Tiles of a row."""
    return (g.out_width + form[0] - 1) // form[0]


@kernel
def _read_data(form: Form, g: Geometry, data: int, count: int, rows: tuple[int, int], room: int) -> Array:
    """The tiles of so many images (C, H, W)."""
    each = (rows[1] - rows[0]) * _across(form, g)
    tiles, pad = _tiles(form, g.channels, count * each, room), (g.pad_top, g.pad_left)
    for i in range(count):
        image = block(data + 4 * i * g.channels * g.height * g.width, (g.channels, g.height, g.width))
        image_to_tiles(form, image, tiles, i * each, rows, pad)
    return tiles


@kernel
def _add(form: Form, g: Geometry, tiles: Array, number: int, rows: tuple[int, int], data_grad: int) -> None:
    """The data's gradient from its tiles, those of image `number` among them."""
    start = number * (rows[1] - rows[0]) * _across(form, g)
    image = block(data_grad, (g.channels, g.height, g.width))
    add_tiles_to_image(form, tiles, image, start, rows, (g.pad_top, g.pad_left))


@kernel
def _write(
    form: Form, g: Geometry, tiles: Array, image: int, number: int, rows: tuple[int, int], winner: int, out: int
) -> None:
    """Some rows of an image of the output from its tiles, pooled or not."""
    start, place = number * (rows[1] - rows[0]) * _across(form, g), out + 4 * image * g.filters * pooled_plane(g)
    if winner:
        pooled = block(place, (g.filters, g.out_height // 2, g.out_width // 2))
        tiles_to_pooled(form, tiles, pooled, _winners(form, g, winner, image), start, rows, _across(form, g))
    else:
        tiles_to_plane(form, tiles, block(place, (g.filters, g.out_height, g.out_width)), start, rows)


@kernel
def _read(
    form: Form, g: Geometry, tiles: Array, image: int, number: int, rows: tuple[int, int], winner: int, grad: int
) -> None:
    """The tiles of the output's gradient; `grad` is where the chunk's images are."""
    start, place = number * (rows[1] - rows[0]) * _across(form, g), grad + 4 * number * g.filters * pooled_plane(g)
    if winner:
        pooled = block(place, (g.filters, g.out_height // 2, g.out_width // 2))
        pooled_to_tiles(form, pooled, _winners(form, g, winner, image), tiles, start, rows, _across(form, g))
    else:
        plane_to_tiles(form, block(place, (g.filters, g.out_height, g.out_width)), tiles, start, rows)


@kernel
def _winners(form: Form, g: Geometry, winner: int, image: int) -> Array:
    """Where each maximum of an image was, as winograd_pooled.py has it."""
    windows = form[0] // 2 * (form[0] // 2)
    shape = (_down(form, g) * _across(form, g), panels_of(g.filters), windows, LANES)
    return block(winner + 4 * image * shape[0] * shape[1] * windows * LANES, shape)


# By the pixels of a tile of the output, and the taps.
FORWARD = {key: _forward(form) for key, form in FORMS.items()}
BACKWARD = {key: _backward(form) for key, form in FORMS.items()}
