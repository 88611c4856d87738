"""Numbers limited to the range between two bounds, for float32: as an operator, and behind a convolution."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...common.call_table import Row
from ...common.compiled_calls import integer, real
from ...common.jit import kernel
from ..array import Array, Arrays, Gradients
from ..ops.clip import Clip
from ..ops.operator import Step
from .row_kernel import ElementwiseKernel, RowKernel, Stage, runs
from .values import Value
from .vector_loops import mapped

Bounds = tuple[float, float]


class ClipKernel(ElementwiseKernel):
    """clip of data of any shape -> the same shape."""

    def __init__(self, op: Clip) -> None:
        self.bounds: Bounds = (op.a_min, op.a_max)

    def forward_rows(self, step: Step, inputs: Arrays, outputs: Arrays) -> list[Row]:
        """Write min(max(x, a_min), a_max)."""
        return [clip_row(inputs[0], outputs[0], self.bounds)]

    def backward_rows(
        self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients
    ) -> list[Row]:
        """Write dy where no bound took effect, else 0."""
        if in_grads[0] is None:
            return []
        return [Row(_clip_gradient, (inputs[0], outputs[0], out_grads[0], in_grads[0], in_grads[0].size))]


class ClippedKernel(RowKernel):
    """A kernel with a clip behind it, for networks that only predict."""

    def __init__(self, inner: RowKernel, bounds: Bounds) -> None:
        self.inner, self.bounds, self.joins_slices = inner, bounds, inner.joins_slices

    def forward_rows(self, step: Step, inputs: Arrays, outputs: Arrays) -> list[Row]:
        """Write the output within its bounds."""
        return [*self.inner.forward_rows(step, inputs, outputs), clip_row(outputs[0], outputs[0], self.bounds)]

    def forward_stages(self, step: Step, inputs: Arrays, outputs: Arrays, threads: int) -> list[Stage]:
        """Parts are those of the kernel, then runs of numbers."""
        clips = [[clip_row(given[0], made[0], self.bounds)] for given, made in runs(outputs, outputs[0], threads)]
        return [*self.inner.forward_stages(step, inputs, outputs, threads), clips]

    def backward_rows(
        self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients
    ) -> list[Row]:
        """Raise NotImplementedError: whether a bound took effect cannot be seen from the output."""
        raise NotImplementedError("a kernel that was made for predictions has no gradient")


def clip_row(data: Array, out: Array, bounds: Bounds) -> Row:
    """`out` = `data` within its bounds, as a row of a table of calls; both in C order, and perhaps the same."""
    return Row(_clip, (data, out, out.size, *(float(np.float32(bound)) for bound in bounds)))


def _within(x: Value, least: Value, most: Value) -> Value:
    return x.at_least(least).at_most(most)


def _where_same(x: Value, y: Value, grad: Value) -> Value:
    """As a product with 0 or 1, so that a gradient that is not finite is seen."""
    return x.equals(y).choose(x.like(1.0), x.like(0.0)) * grad


_map_clip, _map_gradient = mapped(_within), mapped(_where_same)


@kernel
def _clip(at: int) -> int:
    bounds: Any = (np.float32(real(at, 3)), np.float32(real(at, 4)))
    _map_clip((integer(at, 0),), bounds, integer(at, 1), integer(at, 2))
    return 0


@kernel
def _clip_gradient(at: int) -> int:
    _map_gradient((integer(at, 0), integer(at, 1), integer(at, 2)), (), integer(at, 3), integer(at, 4))
    return 0
