"""Where the slices of a batch meet: nodes that couple rows, such as BatchNorm, computed on the whole batch.

The arrays that such a node reads and writes are whole; the slices' programs work on their rows of them. Between two
meetings the slices run apart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ..array import Array, Rows, Shape, aligned_empty
from ..cpu.registry import kernel_for
from ..graphs.node import Entry, Node, computed_label, node_key
from ..graphs.operation_counts import operations
from ..ops.kernel import Kernel
from ..ops.operator import Step
from .buffers import GradientBuffers
from .calls import Call
from .program import Common, Outline


class Meeting:
    """The calls of all coupling nodes of a graph. `numbers` says where they stand among the outline's groups."""

    def __init__(
        self,
        outline: Outline,
        couplers: set[Node],
        shapes: Mapping[Entry, Shape],
        variables: Mapping[str, Array],
        gradients: Mapping[str, Array],
        threads: int,
    ) -> None:
        """`shapes` and `variables` are those of the whole batch; `gradients`: where the arguments' go; `threads`: over
        how many a kernel that can be split is spread.
        """
        self.step = Step()
        self.counts: dict[int, float] = {}
        self._outline, self._shapes, self._couplers = outline, shapes, couplers
        self.numbers = [i for i, group in enumerate(outline.groups) if group[0] in couplers]
        self.values = self._lay_out_values(variables)
        self.gradients = self._lay_out_gradients()
        self._calls = {i: self._call(outline.groups[i][0]) for i in self.numbers}
        self._lay_out_backward(gradients)
        self._parts = {i: _split(call.kernel, threads) for i, call in self._calls.items()}

    def common(self, rows: Rows, cut: Callable[[Entry], bool]) -> Common:
        """What the program of those rows sees of the whole arrays; `cut` tells which entries follow the batch."""
        low, high = rows
        values = {entry: array[low:high] if cut(entry) else array for entry, array in self.values.items()}
        gradients = {entry: array[low:high] for entry, array in self.gradients.items()}
        return Common(frozenset(self._couplers), values, gradients)

    def forward(self, number: int, thread: int) -> None:
        """This thread's part of the node's outputs."""
        call, parts = self._calls[number], self._parts[number]
        if thread < len(parts):
            call.run_forward(self.step, self.counts, parts[thread])

    def backward(self, number: int, thread: int) -> None:
        """This thread's part of the node's gradients."""
        call, parts = self._calls[number], self._parts[number]
        if thread < len(parts) and call.in_grads:
            call.run_backward(self.step, self.counts, parts[thread])

    def add_up(self, number: int, finished: Callable[[str], None]) -> None:
        """After every thread's part: add to other gradients, and announce the arguments'."""
        self._calls[number].add_up(finished)

    def adds(self, number: int) -> bool:
        """Whether the slices must wait for `add_up` too."""
        return bool(self._calls[number].sums)

    def _lay_out_values(self, variables: Mapping[str, Array]) -> dict[Entry, Array]:
        """Whole arrays for all that coupling nodes read and write."""
        values: dict[Entry, Array] = {}
        for i in self.numbers:
            (node,) = self._outline.groups[i]
            assert node.op is not None
            for entry in (*node.inputs, *((node, k) for k in range(len(node.op.outputs())))):
                if entry[0].op is None:
                    values[entry] = variables[entry[0].name]
                elif entry not in values:
                    values[entry] = aligned_empty(self._shapes[entry], self._outline.dtype)
        return values

    def _lay_out_gradients(self) -> dict[Entry, Array]:
        """Whole gradients for the same entries, given out in the order of backward.

        A slice may write the next user's rows while another still reads the last user's: all arrays are cut by the
        same rows, and one memory is used again for equal sizes only, so these are other rows.
        """
        buffers = GradientBuffers(self._outline.dtype, {})
        found: dict[Entry, Array] = {}
        for group in reversed(self._outline.groups):
            for entry in group[0].inputs:
                if entry in self.values and entry[0].op is not None and entry not in found:
                    found[entry] = buffers.array(entry, self._shapes[entry])
            last = group[-1]
            assert last.op is not None
            for index in range(len(last.op.outputs())):
                entry = (last, index)
                if entry in self.values and entry not in found:  # a head, or an output that nobody reads
                    found[entry] = aligned_empty(self._shapes[entry], self._outline.dtype)
                buffers.release(entry)
        return found

    def _call(self, node: Node) -> Call:
        assert node.op is not None
        inputs = [self.values[entry] for entry in node.inputs]
        outputs = [self.values[node, index] for index in range(len(node.op.outputs()))]
        in_shapes, out_shapes = [array.shape for array in inputs], [array.shape for array in outputs]
        kernel = kernel_for([node.op], in_shapes, out_shapes, self._outline.dtype)
        work = operations(node.op, in_shapes, out_shapes)
        name, counted = node.op.op_name(), computed_label(node, inputs)
        return Call(node, kernel, inputs, outputs, node_key(node), name, work, counted=counted)

    def _lay_out_backward(self, gradients: Mapping[str, Array]) -> None:
        arguments = {entry: gradients[name] for entry, name in self._outline.arguments.items() if name in gradients}
        buffers = GradientBuffers(self._outline.dtype, {**self.gradients, **arguments})
        for i in reversed(self.numbers):
            planned = self._outline.plan.calls[i]
            if planned is not None:
                self._calls[i].lay_out_backward(planned, buffers)


def _split(kernel: Kernel, threads: int) -> Sequence[Kernel]:
    """The kernel's parts for `threads` threads, or itself where it cannot be split."""
    split: Callable[[int], Sequence[Kernel]] | None = getattr(kernel, "split", None)
    return split(threads) if split is not None and threads > 1 else [kernel]
