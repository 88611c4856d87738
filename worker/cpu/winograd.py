"""3x3 convolution of stride 1 by Winograd's algorithms for float32 on the CPU.

Instead of 9 multiplications a pixel, F(4x4, 3x3) takes 2.25, and F(2x2, 3x3) takes 4; the latter is for planes so small
that much of the larger tiles would lie outside them.

Forward is A^T [(G w G^T) (B^T d B)] A, the products being a GEMM of (filters, channels) x (channels, tiles) for each
number of a tile; backward is its adjoint, step by step. A band of tiles stays in the cache between its three stages.
Tiles of the data are made again in backward, as that is cheap beside the GEMMs.

The modules winograd_2x2 and winograd_4x4 have the same functions, which go from planes to tiles and back, and multiply.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ..array import Array, Arrays, Gradients, Shape, aligned_zeros
from ..ops.operator import Step
from . import winograd_2x2, winograd_4x4
from .elementwise import activate, multiply_by_slope
from .gemm_bands import Band, cut
from .scratch import scratch

if TYPE_CHECKING:
    from ..ops.convolution import Convolution

BAND_BYTES = 3 << 19  # of tiles on both sides of the GEMMs: 1.5 MiB
FEWEST_LARGE_TILES = 36  # in a plane: with fewer, making 36 numbers of each weight costs more than it saves
FEWEST_TILES = 96  # with fewer columns a GEMM loses speed


def pays(op: Any, data: Shape, out: Shape) -> bool:
    """Whether this is a 3x3 convolution that is faster this way; data (n, C, H, W) and out (n, F, OH, OW) are shapes.

    There must be enough tiles of 2x2 to make up for the transform of the weight, which does not depend on the batch,
    and enough channels and filters for GEMMs.
    """
    return bool(
        tuple(op.kernel) == (3, 3)
        and tuple(op.stride or (1, 1)) == (1, 1)
        and tuple(op.dilate or (1, 1)) == (1, 1)
        and op.num_group == 1
        and min(data[1], out[1]) >= 8
        and out[0] * -(-out[2] // 2) * -(-out[3] // 2) >= FEWEST_TILES
    )


def form_for(out: Shape) -> Any:
    """The module that makes the tiles of an output (n, F, OH, OW).

    The larger ones pay where a plane has enough of them, and they cover at most a fifth more than the plane.
    """
    down, across = -(-out[2] // winograd_4x4.SIDE), -(-out[3] // winograd_4x4.SIDE)
    covered = 16 * down * across
    enough = down * across >= FEWEST_LARGE_TILES and covered < 1.2 * out[2] * out[3]
    return winograd_4x4 if enough else winograd_2x2


class WinogradKernel:
    """Forward and backward of convolution -> activation, for one slice of the batch.

    data (n, C, H, W), weight (F, C, 3, 3), bias (F,) -> (n, F, OH, OW). Backward uses the weight's tiles of the last
    forward, or those of a call of `arrange_weight` since.
    """

    def __init__(self, op: Convolution, data: Shape, out: Shape, act_type: str | None = None) -> None:
        self.act_type = act_type
        self.pad: Any = op.windows().pad
        self.channels, self.filters = data[1], out[1]
        self.form = form_for(out)
        self.down, self.across = -(-out[2] // self.form.SIDE), -(-out[3] // self.form.SIDE)
        # The weight's tiles, made in forward and read in backward; zeros, as lanes without a plane are never written.
        self.weight = aligned_zeros(self.form.weight_shape(self.filters, self.channels))
        tile_bytes = 4 * self.form.NUMBERS * (self.channels + self.filters)
        # Many channels: FEWEST_TILES all the same, even if the band then takes more than BAND_BYTES.
        wanted = max(FEWEST_TILES, BAND_BYTES // tile_bytes)
        self.bands = list(cut(out[0], (self.down, self.across), wanted))

    def arrange_weight(self, weight: Array) -> None:
        """Make the tiles of weight (F, C, 3, 3), for a backward without a forward before it."""
        self.form.weight_to_tiles(weight, self.weight)

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """Write the activated output."""
        data, out = inputs[0], outputs[0]
        self.arrange_weight(inputs[1])
        for band in self.bands:
            tiles = self._data_tiles(data, band)
            products = self._tiles("products", self.filters, band)
            self.form.multiply(self.weight, tiles, products)
            for image, start in self._images(band):
                self.form.tiles_to_plane(products, out[image], start, (band.top, band.bottom))
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
            np.add.reduce(grad, axis=(0, 2, 3), out=in_grads[2])
        if in_grads[0] is not None:
            in_grads[0].fill(0)  # tiles of the data overlap by two pixels, and are added up
        # The weight's gradient is added up as tiles over all bands, so that it is transformed back once.
        total = scratch("weight tiles", self.weight.shape)
        for number, band in enumerate(self.bands):
            products = self._tiles("products", self.filters, band)
            for image, start in self._images(band):
                self.form.plane_to_tiles(grad[image], products, start, (band.top, band.bottom))
            if in_grads[1] is not None:
                self._add_weight_gradient(products, self._data_tiles(inputs[0], band), total, is_first=number == 0)
            if in_grads[0] is not None:
                self._add_data_gradient(products, in_grads[0], band)
        if in_grads[1] is not None:
            self.form.tiles_to_weight(total, in_grads[1])

    def _data_tiles(self, data: Array, band: Band) -> Array:
        """The tiles of a band of data (n, C, H, W), in scratch memory."""
        tiles = self._tiles("tiles", self.channels, band)
        for image, start in self._images(band):
            self.form.image_to_tiles(data[image], tiles, start, (band.top, band.bottom), self.pad)
        return tiles

    def _add_weight_gradient(self, products: Array, tiles: Array, total: Array, is_first: bool) -> None:
        """total (the weight's tiles) += those of this band; the first band writes."""
        if is_first:
            self.form.multiply_for_weight(products, tiles, total)
            return
        partial = scratch("partial", total.shape)
        self.form.multiply_for_weight(products, tiles, partial)
        np.add(total, partial, out=total)

    def _add_data_gradient(self, products: Array, target: Array, band: Band) -> None:
        """target (n, C, H, W) += the gradient from the tiles of this band's output."""
        # The band's data tiles were in the same scratch; the weight's gradient, made before, has read them.
        tiles = self._tiles("tiles", self.channels, band)
        self.form.multiply_for_data(self.weight, products, tiles)
        for image, start in self._images(band):
            self.form.add_tiles_to_image(tiles, target[image], start, (band.top, band.bottom), self.pad)

    def _tiles(self, name: str, planes: int, band: Band) -> Array:
        """Scratch for the tiles of a band of so many planes."""
        count = (band.last - band.first) * (band.bottom - band.top) * self.across
        return scratch(name, self.form.tiles_shape(planes, count))

    def _images(self, band: Band) -> Iterator[tuple[int, int]]:
        """The images of a band, and the number of their first tile in it."""
        each = (band.bottom - band.top) * self.across
        return ((image, (image - band.first) * each) for image in range(band.first, band.last))
