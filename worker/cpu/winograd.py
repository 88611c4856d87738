"""3x3 and 5x5 convolution of stride 1 by Winograd's algorithms for float32 on the CPU, with 2x2 max-pooling or without.

Instead of 9 multiplications a pixel, F(4x4, 3x3) takes 2.25, and F(2x2, 3x3) takes 4; the latter is for planes so small
that much of the larger tiles would lie outside them. F(4x4, 5x5) takes 4 instead of 25.

Forward is A^T [(G w G^T) (B^T d B)] A, the products being those of matrices (tiles, channels) x (channels, filters) for
each number of a tile; backward is its adjoint, step by step. A band of tiles stays in the cache between its three
stages. Tiles of the data are made again in backward, as that is cheap beside the products.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ...common.call_table import Row
from ...common.compiled_calls import address_of
from ..array import Array, Arrays, Gradients, Shape, aligned_empty, aligned_zeros
from ..ops.operator import Step
from .activation import activation_row, slope_function
from .arranged import LEAST_BYTES
from .convolution_geometry import geometry, pooled_plane
from .convolution_parts import parts_of_forward
from .plane_lanes import LANES, padded
from .row_kernel import RowKernel, Stage, rooms
from .slice_tree import SliceTree
from .strided_product import ROOM
from .winograd_passes import BACKWARD, FORWARD
from .winograd_tiles import Tiles
from .winograd_weights import lane_floats, planes_of, rows_to_tiles

if TYPE_CHECKING:
    from ..ops.convolution import Convolution
    from .convolution_geometry import Geometry

BAND_BYTES = 512 * 1024  # of tiles on both sides of the products
FEWEST_LARGE_TILES = 36  # in a plane, for 3x3: with fewer, making 36 numbers of each weight costs more than it saves
FEWEST_TILES = {3: 24, 5: 4}  # in a slice, by taps: fewer do not make up for the weight's transform
PANELS_AT_ONCE = 4  # of a weight's tiles, as a thread makes them
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
    return bool(out[0] * -(-out[2] // side) * -(-out[3] // side) >= FEWEST_TILES[op.kernel[0]])


def tiles_for(taps: int, out: Shape) -> Tiles:
    """The tiles of an output (n, F, OH, OW).

    The larger ones for 3x3 pay where a plane has enough of them, and they cover at most a fifth more than the plane.
    """
    down, across = -(-out[2] // 4), -(-out[3] // 4)
    enough = down * across >= FEWEST_LARGE_TILES and 16 * down * across < 1.2 * out[2] * out[3]
    return Tiles(4 if taps == 5 or enough else 2, taps)


class WinogradKernel(RowKernel):
    """Forward and backward of convolution -> max-pooling of 2x2, if `pooled` -> activation, for one slice of the batch.

    data (n, C, H, W), weight (F, C, R, R), bias (F,) -> (n, F, OH, OW), or (n, F, OH // 2, OW // 2).
    """

    joins_slices = True

    def __init__(
        self, op: Convolution, data: Shape, out: Shape, act_type: str | None = None, pooled: bool = False
    ) -> None:
        """`out` is the shape before pooling."""
        self.act_type = act_type
        self.tiles = tiles_for(op.kernel[0], out)
        key = self.tiles.out, self.tiles.taps
        self._part = lambda data, out: WinogradKernel(op, data, out, act_type, pooled)
        whole = geometry(op.windows(), data, out, 1, (2, 2) if pooled else (1, 1))
        chunk, band = self._bands(data[1], out)
        self.geometry = whole._replace(chunk=chunk, band=band)
        self._chunk = chunk  # of backward
        self._forward, self._backward = FORWARD[key], BACKWARD[key]
        self.winner: Array | None = None
        if pooled:
            down, across = -(-out[2] // self.tiles.out), -(-out[3] // self.tiles.out)
            windows = (self.tiles.out // 2) ** 2
            self.winner = aligned_empty((out[0], down * across, padded(out[1]) // LANES, windows, LANES))

    def _bands(self, channels: int, out: Shape) -> tuple[int, int]:
        """How many images are worked off together, and how many rows of their tiles."""
        down, across = -(-out[2] // self.tiles.out), -(-out[3] // self.tiles.out)
        tile_bytes = 4 * self.tiles.side**2 * (padded(channels) + padded(out[1]))
        weight_bytes = 4 * math.prod(self.tiles.weight_shape(out[1], channels))
        fewest = FEWEST_IN_BAND if weight_bytes > BAND_BYTES else FEWEST_IN_BAND // 6
        wanted = max(fewest, BAND_BYTES // tile_bytes)
        if down * across <= wanted:
            return min(out[0], wanted // (down * across)), down
        bands = -(-down // max(1, wanted // across))
        return 1, -(-down // bands)

    def join(self, tree: SliceTree) -> None:
        """Compute several slices at once; backward takes each in even chunks, rather a few that are larger."""
        super().join(tree)
        if self._chunk > 1:
            self._chunk = max(self._chunk, -(-tree.longest // max(1, tree.longest // self._chunk)))

    def forward_rows(self, step: Step, inputs: Arrays, outputs: Arrays) -> list[Row]:
        """Write the activated output."""
        g, bias, out = self.geometry, inputs[2] if len(inputs) > 2 else None, outputs[0]
        weight, rows = self._weight_tiles(inputs[1])
        room = rooms(self._tile_floats(g, g.channels), self._tile_floats(g, g.filters))
        rows.append(Row(self._forward, (inputs[0], weight, bias, out, self.winner, *room, *g)))
        return [*rows, activation_row(self.act_type, out, out)] if self.act_type else rows

    def forward_stages(self, step: Step, inputs: Arrays, outputs: Arrays, threads: int) -> list[Stage]:
        """Parts are convolutions of some images or filters."""
        return [parts_of_forward(self._part, self.arranged, self.geometry, step, inputs, outputs[0], threads)]

    def backward_rows(
        self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients
    ) -> list[Row]:
        """Write the gradients of data, weight and bias, those that are asked for."""
        g, asked = self.geometry._replace(chunk=self._chunk), [*in_grads[:2], in_grads[2] if len(inputs) > 2 else None]
        if all(one is None for one in asked):
            return []
        slope = (address_of(slope_function(self.act_type)), outputs[0]) if self.act_type else (0, None)
        planes = g.chunk * g.filters * pooled_plane(g) if self.act_type else 0
        total = math.prod(self.tiles.weight_shape(g.filters, g.channels))
        tree = self.tree_over(g.images)
        tiles = self._tile_floats(g, g.channels), self._tile_floats(g, g.filters)
        levels = tree.levels if len(tree.leaves) > 1 and asked[1] is not None else 0
        room = rooms(*tiles, total, planes, ROOM, LANES, levels * lane_floats(self.tiles, g.filters, g.channels))
        turned, rows = self._weight_tiles(inputs[1], turned=True) if asked[0] is not None else (None, [])
        given = (inputs[0], out_grads[0], *asked, *slope, self.winner, turned, *room, *g)
        return [*rows, Row(self._backward, (*given, *tree.arguments(asked[2])))]

    def _weight_tiles(self, weight: Array, turned: bool = False) -> tuple[Array, list[Row]]:
        """The tiles of weight (F, C, R, R) for forward, or `turned` for the data's gradient, and what makes them here.

        Large ones are made before the pass where somebody does that.
        """
        planes = planes_of(weight, turned)
        shape = self.tiles.weight_shape(planes.lanes, planes.rows)

        def make() -> tuple[Array, list[Row]]:
            made = aligned_zeros(shape)  # lanes without a plane are never written
            return made, rows_to_tiles(self.tiles, weight, turned, made, PANELS_AT_ONCE)

        if self.arranged is None or 4 * math.prod(shape) < LEAST_BYTES:
            return make()
        forms = self.arranged.backward if turned else self.arranged.forward
        return forms.find(self.tiles, weight, make), []

    def _tile_floats(self, g: Geometry, planes: int) -> int:
        return math.prod(self.tiles.tiles_shape(planes, g.chunk * g.band * -(-g.out_width // self.tiles.out)))
