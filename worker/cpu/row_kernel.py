"""Kernels whose passes are rows of a table of calls, which a compiled loop walks (common/call_table.py)."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from ...common.call_table import Room, Row, Table
from ...common.slices import share
from ..array import Array, Arrays, Gradients
from ..ops.operator import Step
from .arranged import Arranged
from .plane_lanes import LANES, padded
from .slice_tree import SliceTree

# The rows of each of its parts, which may run side by side.
Stage = list[list[Row]]
SMALLEST_RUN = 1024  # numbers of elementwise work that are worth a thread of their own


class RowKernel(ABC):
    """A kernel that lays its passes out as rows, once for the arrays that it is bound to.

    Compiled rows depend on nothing else, except `step.learns`: what changes from step to step is read from arrays, such
    as `step.training`. Only `stopped` may look at more of `step`, which then tells of this node.
    """

    joins_slices = False  # whether it can compute several slices of the batch at once, with the bits of each alone
    tree: SliceTree | None = None  # of these slices, if there are several
    arranged: Arranged | None = None  # what is made of parameters before each pass; None: whoever needs it makes it

    def join(self, tree: SliceTree) -> None:
        """Compute several slices at once from now on: gradients of what all rows share are sums over the tree."""
        self.tree = tree

    def tree_over(self, rows: int) -> SliceTree:
        """The tree for a matrix of so many rows, which may be several for each of the batch."""
        return SliceTree([rows]) if self.tree is None else self.tree.times(rows // self.tree.rows)

    def takes(self, inputs: Arrays) -> bool:
        """Whether rows can read these arrays where they are; otherwise they are given copies without gaps."""
        return all(array.flags.c_contiguous for array in inputs)

    @abstractmethod
    def forward_rows(self, step: Step, inputs: Arrays, outputs: Arrays) -> list[Row]:
        """What computes `outputs` from `inputs`; contiguous arrays as of `Kernel.forward`."""

    def forward_stages(self, step: Step, inputs: Arrays, outputs: Arrays, threads: int) -> list[Stage]:
        """As `forward_rows`, for at most so many threads; one stage begins when all threads have done the last one.

        Each number is made in the same way whatever their count. Backward may not follow: see `forward_parts`.
        """
        return [self.forward_parts(step, inputs, outputs, threads)]

    def forward_parts(self, step: Step, inputs: Arrays, outputs: Arrays, threads: int) -> Stage:
        """As `forward_rows`, as parts for at most so many threads; backward may follow, in parts or not."""
        return [self.forward_rows(step, inputs, outputs)]

    @abstractmethod
    def backward_rows(
        self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients
    ) -> list[Row]:
        """What writes the gradients that are not None; contiguous arrays as of `Kernel.backward`."""

    def backward_parts(
        self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients, threads: int
    ) -> Stage:
        """As `backward_rows`, as parts for at most so many threads."""
        return [self.backward_rows(step, out_grads, inputs, outputs, in_grads)]

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """Compute `outputs`."""
        Table(self.forward_rows(step, _contiguous(inputs), outputs)).run()

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """Write the gradients of inputs."""
        Table(self.backward_rows(step, _contiguous(out_grads), _contiguous(inputs), outputs, in_grads)).run()


class ElementwiseKernel(RowKernel):
    """A kernel whose arrays all have one shape, and each number depends on those at its own place alone."""

    joins_slices = True

    def forward_stages(self, step: Step, inputs: Arrays, outputs: Arrays, threads: int) -> list[Stage]:
        """Parts are runs of numbers."""
        return [[self.forward_rows(step, *parts) for parts in runs(inputs, outputs[0], threads)]]


def rooms(*sizes: int) -> tuple[Room | int, ...]:
    """Working memory for parts of so many floats: its argument, and how many floats behind it the other parts begin.

    Behind each part there is some to spare, as products read whole vectors beyond their last columns.
    """
    begins = [0]
    for size in sizes:
        begins.append(begins[-1] + padded(size) + 2 * LANES)
    return Room(begins[-1]), *begins[1:-1]


def shares(total: int, parts: int, unit: int = 1) -> list[slice]:
    """`total` cut into at most so many parts of about equal size, none empty, in whole units but for the last one."""
    units = -(-total // unit)
    parts = max(1, min(parts, units))
    cuts = (share(units, part, parts) for part in range(parts))
    return [slice(unit * first, min(unit * last, total)) for first, last in cuts]


def runs(inputs: Arrays, output: Array, threads: int) -> list[tuple[list[Array], list[Array]]]:
    """The inputs and the output, all of one shape, as at most so many pairs of (inputs, [output]): runs of numbers."""
    flat = [array.reshape(-1) for array in (*inputs, output)]
    parts = ([array[part] for array in flat] for part in shares(output.size, threads, SMALLEST_RUN))
    return [(part[:-1], part[-1:]) for part in parts]


def _contiguous(arrays: Arrays) -> Arrays:
    return [np.ascontiguousarray(array) for array in arrays]
