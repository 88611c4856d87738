"""3x3 and 5x5 convolution of stride 1 by Winograd's algorithms for float32 on the CPU, with 2x2 max-pooling or without.

Instead of 9 multiplications a pixel, F(4x4, 3x3) takes 2.25, and F(2x2, 3x3) takes 4; the latter is for planes so small
that much of the larger tiles would lie outside them. F(4x4, 5x5) takes 4 instead of 25.

Forward is A^T [(G w G^T) (B^T d B)] A, the products being those of matrices (tiles, channels) x (channels, filters) for
each number of a tile; backward is its adjoint, step by step. A band of tiles stays in the cache between its three
stages. Tiles of the data are made again in backward, as that is cheap beside the products.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ..array import Array, Arrays, Gradients, Shape, aligned_empty, aligned_zeros
from ..ops.operator import Step
from .activation import activate, multiply_by_slope
from .gemm_bands import Band, cut
from .plane_lanes import LANES, padded
from .scratch import scratch
from .sums import sum_pixels
from .winograd_pixels import (
    add_tiles_to_image,
    image_to_tiles,
    plane_to_tiles,
    tiles_to_plane,
    tiles_to_weight,
    weight_to_tiles,
)
from .winograd_pooled import pooled_to_tiles, tiles_to_pooled
from .winograd_tiles import Tiles, multiply_tiles, multiply_transposed, transpose_weight

if TYPE_CHECKING:
    from ..ops.convolution import Convolution

BAND_BYTES = 512 * 1024  # of tiles on both sides of the products
FEWEST_LARGE_TILES = 36  # in a plane, for 3x3: with fewer, making 36 numbers of each weight costs more than it saves
FEWEST_TILES = 64  # in a slice: fewer do not make up for the weight's transform
FEWEST_IN_BAND = 96  # where the weight's tiles are not in the cache, as every band reads them


def pays(op: Any, data: Shape, out: Shape) -> bool:
    """Whether this is a convolution that is faster this way; data (n, C, H, W) and out (n, F, OH, OW) are shapes.

    There must be enough tiles to make up for the transform of the weight, which does not depend on the batch, and
    enough channels and filters for products of matrices.
    """
    if not (
        tuple(op.kernel) in ((3, 3), (5, 5))
        and tuple(op.stride or (1, 1)) == (1, 1)
        and tuple(op.dilate or (1, 1)) == (1, 1)
        and op.num_group == 1
        and min(data[1], out[1]) >= 8
    ):
        return False
    side = 2 if op.kernel[0] == 3 else 4
    return bool(out[0] * -(-out[2] // side) * -(-out[3] // side) >= FEWEST_TILES)


def tiles_for(taps: int, out: Shape) -> Tiles:
    """The tiles of an output (n, F, OH, OW).

    The larger ones for 3x3 pay where a plane has enough of them, and they cover at most a fifth more than the plane.
    """
    down, across = -(-out[2] // 4), -(-out[3] // 4)
    enough = down * across >= FEWEST_LARGE_TILES and 16 * down * across < 1.2 * out[2] * out[3]
    return Tiles(4 if taps == 5 or enough else 2, taps)


class WinogradKernel:
    """Forward and backward of convolution -> max-pooling of 2x2, if `pooled` -> activation, for one slice of the batch.

    data (n, C, H, W), weight (F, C, R, R), bias (F,) -> (n, F, OH, OW), or (n, F, OH // 2, OW // 2). Backward uses the
    weight's tiles of the last forward, or those of a call of `arrange_weight` since.
    """

    def __init__(
        self, op: Convolution, data: Shape, out: Shape, act_type: str | None = None, pooled: bool = False
    ) -> None:
        """`out` is the shape before pooling."""
        self.act_type = act_type
        self.pad: Any = op.windows().pad
        self.channels, self.filters = data[1], out[1]
        self.tiles = tiles_for(op.kernel[0], out)
        self.form = self.tiles.form
        self.down, self.across = -(-out[2] // self.tiles.out), -(-out[3] // self.tiles.out)
        # The weight's tiles, made in forward and read in backward; zeros, as lanes without a plane are never written.
        self.weight = aligned_zeros(self.tiles.weight_shape(self.filters, self.channels))
        tile_bytes = 4 * self.tiles.side**2 * (padded(self.channels) + padded(self.filters))
        fewest = FEWEST_IN_BAND if self.weight.nbytes > BAND_BYTES else FEWEST_IN_BAND // 6
        self.bands = list(cut(out[0], (self.down, self.across), max(fewest, BAND_BYTES // tile_bytes)))
        self.winner: Array | None = None
        if pooled:
            windows = (self.tiles.out // 2) ** 2
            shape = (out[0], self.down * self.across, padded(self.filters) // LANES, windows, LANES)
            self.winner = aligned_empty(shape)

    def arrange_weight(self, weight: Array) -> None:
        """Make the tiles of weight (F, C, R, R), for a backward without a forward before it."""
        weight_to_tiles(self.form, weight, self.weight)

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """Write the activated output."""
        data, out = inputs[0], outputs[0]
        self.arrange_weight(inputs[1])
        for band in self.bands:
            tiles, products = self._data_tiles(data, band), self._tiles("products", self.filters, band)
            multiply_tiles(tiles, self.weight, products)
            self._write(products, out, band)
        if len(inputs) > 2:
            np.add(out, inputs[2][:, None, None], out=out)
        if self.act_type:
            activate(self.act_type, out)

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """Write the gradients of data, weight and bias, those that are asked for."""
        grad = out_grads[0]
        if self.act_type:
            grad = multiply_by_slope(self.act_type, outputs[0], grad, scratch("slope", grad.shape))
        if len(inputs) > 2 and in_grads[2] is not None:
            sum_pixels(grad, in_grads[2])
        # The weight's gradient is added up as tiles over all bands, so that it is transformed back once.
        total = scratch("weight tiles", self.weight.shape)
        transposed = scratch("transposed", self.tiles.weight_shape(self.channels, self.filters))
        if in_grads[0] is not None:
            in_grads[0].fill(0)  # tiles of the data overlap, and are added up
            transpose_weight(self.weight, transposed)
        for number, band in enumerate(self.bands):
            products = self._tiles("products", self.filters, band)
            self._read(grad, products, band)
            if in_grads[1] is not None:
                multiply_transposed(self._data_tiles(inputs[0], band), products, total, number > 0)
            if in_grads[0] is not None:
                # The band's data tiles were in the same scratch; the weight's gradient, made before, has read them.
                tiles = self._tiles("tiles", self.channels, band)
                multiply_tiles(products, transposed, tiles)
                for image, start in self._images(band):
                    target = in_grads[0][image]
                    add_tiles_to_image(self.form, tiles, target, start, (band.top, band.bottom), self.pad)
        if in_grads[1] is not None:
            tiles_to_weight(self.form, total, in_grads[1])

    def _data_tiles(self, data: Array, band: Band) -> Array:
        """The tiles of a band of data (n, C, H, W), in scratch memory."""
        tiles = self._tiles("tiles", self.channels, band)
        for image, start in self._images(band):
            image_to_tiles(self.form, data[image], tiles, start, (band.top, band.bottom), self.pad)
        return tiles

    def _write(self, products: Array, out: Array, band: Band) -> None:
        """The band of `out` from its tiles, pooled or not."""
        rows = (band.top, band.bottom)
        for image, start in self._images(band):
            if self.winner is None:
                tiles_to_plane(self.form, products, out[image], start, rows)
            else:
                tiles_to_pooled(self.form, products, out[image], self.winner[image], start, rows, self.across)

    def _read(self, grad: Array, products: Array, band: Band) -> None:
        """The tiles of the output's gradient, pooled or not."""
        rows = (band.top, band.bottom)
        for image, start in self._images(band):
            if self.winner is None:
                plane_to_tiles(self.form, grad[image], products, start, rows)
            else:
                pooled_to_tiles(self.form, grad[image], self.winner[image], products, start, rows, self.across)

    def _tiles(self, name: str, planes: int, band: Band) -> Array:
        """Scratch for the tiles of a band of so many planes."""
        count = (band.last - band.first) * (band.bottom - band.top) * self.across
        return scratch(name, self.tiles.tiles_shape(planes, count))

    def _images(self, band: Band) -> Iterator[tuple[int, int]]:
        """The images of a band, and the number of their first tile in it."""
        each = (band.bottom - band.top) * self.across
        return ((image, (image - band.first) * each) for image in range(band.first, band.last))
