"""Convolution and max-pooling without copies of the convolution's windows, for float32 on the CPU.

Images are laid out with their channels side by side, in a border of zeros. Then windows are runs of numbers, and what
register tiles multiply is read where it lies. Of the three products, forward's rows are windows and its columns are
filters; the weight's gradient has the numbers of a window as rows; the data's gradient is a convolution as well.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from ...common.call_table import Row, Table
from ...common.compiled_calls import address_of, integer
from ...common.jit import kernel
from ..array import Array, Arrays, Gradients, Shape, aligned_empty, aligned_zeros
from ..ops.operator import Step
from .activation import activation_row, slope_function
from .arranged import LEAST_BYTES
from .convolution_geometry import geometry, geometry_at, pooled_plane, span
from .convolution_parts import parts_of_forward
from .direct_data_gradient import data_gradient, frame
from .direct_forward import forward
from .direct_weight_gradient import parameter_gradients
from .direct_weights import pack_weight
from .panels import whole
from .plane_lanes import LANES, padded
from .row_kernel import RowKernel, Stage, rooms

if TYPE_CHECKING:
    from ..ops.convolution import Convolution


class DirectKernel(RowKernel):
    """Forward and backward of convolution -> max-pooling (or none) -> activation (or none), for a slice of the batch.

    data (n, C, H, W), weight (F, C / groups, kh, kw), bias (F,) -> (n, F, OH, OW), or the pooled (n, F, PH, PW).
    Backward uses the weight's panels of the last forward, or those of a call of `arrange_weight` since. Large ones are
    made before the pass where somebody does that.
    """

    joins_slices = True

    def __init__(
        self,
        op: Convolution,
        data: Shape,
        out: Shape,
        act_type: str | None = None,
        pooling: tuple[int, int] | None = None,
    ) -> None:
        """`out` is the shape before pooling, whose windows lie side by side; images that `fits` says are too large
        cannot be pooled.
        """
        self.act_type = act_type
        self.geometry = geometry(op.windows(), data, out, op.num_group, pooling or (1, 1))
        self._part = lambda data, out: DirectKernel(op, data, out, act_type, pooling)
        # The position of each maximum in its window, from forward to backward.
        self.winner = aligned_empty((out[0], pooled_plane(self.geometry), out[1])) if pooling else None

    @cached_property
    def panels(self) -> Array:
        """The weight's, made in forward and read in backward."""
        return self._empty_panels()

    def arrange_weight(self, weight: Array) -> None:
        """Make the panels of weight (F, C / groups, kh, kw), for a backward without a forward before it."""
        Table([self._pack(weight, self.panels)]).run()

    def forward_rows(self, step: Step, inputs: Arrays, outputs: Arrays) -> list[Row]:
        """Write the activated output."""
        is_relu, bias, out = self.act_type == "relu", inputs[2] if len(inputs) > 2 else None, outputs[0]
        room = rooms(self._image_floats(), self._out_floats(), self._pooled_floats(), self._list_floats())
        panels, rows = self._weight_panels(inputs[1])
        rows.append(Row(forward, (inputs[0], panels, bias, out, is_relu, self.winner, *room, *self.geometry)))
        return rows if is_relu or not self.act_type else [*rows, activation_row(self.act_type, out, out)]

    def forward_stages(self, step: Step, inputs: Arrays, outputs: Arrays, threads: int) -> list[Stage]:
        """Parts are convolutions of some images or filters."""
        return [parts_of_forward(self._part, self.arranged, self.geometry, step, inputs, outputs[0], threads)]

    def backward_rows(
        self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients
    ) -> list[Row]:
        """Write the gradients of data, weight and bias, those that are asked for."""
        grad, rows, bias_grad = out_grads[0], [], in_grads[2] if len(inputs) > 2 else None
        slope = (address_of(slope_function(self.act_type)), outputs[0]) if self.act_type else (0, None)
        planes, pooled = self._planes_floats() if self.act_type else 0, self._pooled_floats()
        out, lists = self._out_floats(), self._list_floats()
        if in_grads[1] is not None or bias_grad is not None:
            room = rooms(self._image_floats(), out, pooled, self._panel_floats(), planes, lists)
            given = (inputs[0], grad, in_grads[1], bias_grad, *slope, self.winner, *room, *self.geometry)
            tree = self.tree_over(len(grad)).arguments(in_grads[1], bias_grad)
            rows.append(Row(parameter_gradients, (*given, *tree)))
        if in_grads[0] is not None:
            room = rooms(self._frame_floats(), self._data_floats(), out, pooled, self._turned_floats(), planes, lists)
            panels, _ = self._weight_panels(inputs[1])
            given = (grad, panels, in_grads[0], *slope, self.winner, *room, *self.geometry)
            rows.append(Row(data_gradient, given))
        return rows

    def _weight_panels(self, weight: Array) -> tuple[Array, list[Row]]:
        """The panels of a weight, and what makes them in forward."""
        if self.arranged is None or 4 * self._panel_floats() < LEAST_BYTES:
            return self.panels, [self._pack(weight, self.panels)]

        def make() -> tuple[Array, list[Row]]:
            made = self._empty_panels()
            return made, [self._pack(weight, made)]

        return self.arranged.forward.find(("panels", self.geometry.groups), weight, make), []

    def _pack(self, weight: Array, panels: Array) -> Row:
        return Row(_pack, (weight, panels, *self.geometry))

    def _empty_panels(self) -> Array:
        g = self.geometry
        return aligned_zeros((g.groups, padded(g.filters // g.groups), self._depth()))

    def _panel_floats(self) -> int:
        g = self.geometry
        return g.groups * padded(g.filters // g.groups) * self._depth()

    def _depth(self) -> int:
        g = self.geometry
        return g.channels // g.groups * g.kernel_height * g.kernel_width

    def _image_floats(self) -> int:
        g = self.geometry
        return g.chunk * span(g, g.band) * (g.width + 2 * g.pad_left) * g.channels

    def _out_floats(self) -> int:
        g = self.geometry
        return g.chunk * g.filters * g.out_height * g.out_width

    def _planes_floats(self) -> int:
        return self.geometry.chunk * self.geometry.filters * pooled_plane(self.geometry)

    def _pooled_floats(self) -> int:
        return self._planes_floats() if self.winner is not None else 0

    def _data_floats(self) -> int:
        g = self.geometry
        return g.chunk * g.channels * g.height * g.width

    def _frame_floats(self) -> int:
        _, _, rows, width = frame(self.geometry)
        return self.geometry.chunk * rows * width * self.geometry.filters

    def _turned_floats(self) -> int:
        g = self.geometry
        return padded(g.channels // g.groups) * g.filters * g.kernel_height * g.kernel_width

    def _list_floats(self) -> int:
        """Zeros, the runs of a window, windows of an image or what else there is a list of, two floats each."""
        g = self.geometry
        longest = g.chunk * max(g.out_height * g.out_width, g.height * g.width)
        runs = max(self._depth(), g.filters * g.kernel_height * g.kernel_width)
        return 2 * (longest + runs + 4 * LANES)


def fits(op: Convolution, data: Shape, out: Shape) -> bool:
    """Whether an image of the output stays in the cache, so that it is pooled there."""
    return geometry(op.windows(), data, out, op.num_group).band == out[2]


@kernel
def _pack(at: int) -> int:
    """The row of `pack_weight`."""
    pack_weight(geometry_at(at, whole(2)), integer(at, 0), integer(at, 1))
    return 0
