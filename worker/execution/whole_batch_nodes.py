"""Where the slices of a batch meet: nodes that couple rows, such as BatchNorm, computed on the whole batch, together
with what is fused with them.

The arrays that such a node reads and writes hold all rows of the worker's batch; the slices' programs work on views of
their own rows, so nothing is copied. Between two meetings the slices run apart (see stretches.py and, for passes that
have no tables, slice_threads.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ...common.call_table import Table, tables
from ..array import Array, Rows, Shape, aligned_empty
from ..cpu.array_module import NUMPY
from ..cpu.registry import kernel_for
from ..cpu.row_kernel import Stage
from ..graphs.node import Entry, Node, computed_label, node_key
from ..graphs.operation_counts import operations
from ..ops.operator import Step
from .buffers import GradientBuffers
from .calls import Call, make_tables
from .outline import Common, Outline


class Meeting:
    """The calls of all coupling nodes of a graph. `numbers` are their positions among the outline's groups.

    Arrays have the shapes of the whole batch. Threads share the work out: as stages of tables of calls, or by calling
    `forward` and `backward` at the same time, each with its own number. The caller keeps other work on these arrays
    away from them.
    """

    def __init__(
        self,
        outline: Outline,
        couplers: set[Node],
        shapes: Mapping[Entry, Shape],
        variables: Mapping[str, Array],
        gradients: Mapping[str, Array],
    ) -> None:
        """`shapes` and `variables` are those of the whole batch; `gradients`: where those of the arguments go that only
        these nodes read.
        """
        self.step = Step(NUMPY)
        self.counts: dict[int, float] = {}
        self._outline, self._shapes, self._couplers = outline, shapes, couplers
        self.numbers = [i for i, group in enumerate(outline.groups) if group[0] in couplers]
        self.values = self._lay_out_values(variables)
        self._calls = {i: self._call(outline.groups[i]) for i in self.numbers}
        self.gradients = self._lay_out_gradients()
        self._lay_out_backward(gradients)
        self._forward_parts: dict[int, list[Table | None]] = {}
        self._backward_parts: dict[int, list[Table | None]] = {}

    def common(self, rows: Rows, cut: Callable[[Entry], bool]) -> Common:
        """Views of these arrays for the program of `rows`: its rows of entries that follow the batch (those for which
        `cut` is true), and the others, which are variables, whole.
        """
        low, high = rows
        values = {entry: array[low:high] if cut(entry) else array for entry, array in self.values.items()}
        # Gradients are laid out here for computed entries only, and all of these follow the batch.
        gradients = {entry: array[low:high] for entry, array in self.gradients.items()}
        return Common(frozenset(self._couplers), values, gradients)

    @property
    def is_compiled(self) -> bool:
        """Whether all kernels are compiled."""
        return all(call.is_compiled for call in self._calls.values())

    def stages_of_forward(self, number: int, threads: int) -> list[Stage]:
        """What computes the outputs of the node at position `number`."""
        return [self._calls[number].parts_of_forward(self.step, self.counts, threads)]

    def stages_of_backward(self, number: int, threads: int) -> list[Stage]:
        """What computes the gradients of the node's inputs, and adds them to those written before."""
        call = self._calls[number]
        if not call.in_grads:
            return []
        parts, sums = call.parts_of_backward(self.step, self.counts, threads), call.rows_of_sums()
        return [parts, [sums]] if sums else [parts]

    def finished(self, number: int) -> list[str]:
        """The arguments whose gradients are final once the node's are."""
        return self._calls[number].finished

    def lay_out_calls(self, threads: int, cores: Callable[[], int]) -> None:
        """Make the tables of `forward` and `backward` for so many threads; they are compiled on so many cores."""
        for number, call in self._calls.items():
            forward = call.parts_of_forward(self.step, self.counts, threads)
            backward = call.parts_of_backward(self.step, self.counts, threads) if call.in_grads else []
            for parts, stage in ((self._forward_parts, forward), (self._backward_parts, backward)):
                # A call that cannot be split is one part: the first thread computes it, and the others only wait.
                parts[number] = [*tables(stage, cores)] if len(stage) > 1 else [None for _ in stage]
        lone = [n for n in self._calls if None in (*self._forward_parts[n], *self._backward_parts[n])]
        make_tables([self._calls[number] for number in lone], self.step, cores)

    def forward(self, number: int, thread: int) -> None:
        """Compute this thread's part of the outputs of the node at position `number`."""
        parts = self._forward_parts[number]
        # All parts share `self.step`, to which they write the same figures (see Call.enter).
        if thread < len(parts):
            self._calls[number].run_forward(self.step, self.counts, parts[thread])

    def begin_backward(self, finished: Callable[[str], None]) -> None:
        """Call `finished(name)` for the `untouched`. One thread calls this, once in a backward."""
        for name in self.untouched:
            finished(name)

    def backward(self, number: int, thread: int) -> None:
        """Compute this thread's part of the gradients of the node's inputs."""
        parts = self._backward_parts[number]
        if thread < len(parts):
            self._calls[number].run_backward(self.step, self.counts, parts[thread])

    def add_up(self, number: int, finished: Callable[[str], None]) -> None:
        """Once all threads have done their part: add to gradients written before, and call `finished(name)` for each
        argument whose gradient is final. One thread calls this.
        """
        self._calls[number].add_up(finished)

    def adds(self, number: int) -> bool:
        """Whether `add_up` changes gradients that slices read, so that they have to wait for it, too."""
        return bool(self._calls[number].sums)

    def _lay_out_values(self, variables: Mapping[str, Array]) -> dict[Entry, Array]:
        """Whole arrays for all that coupling nodes read and write. They are not used again within a step."""
        values: dict[Entry, Array] = {}
        for i in self.numbers:
            group = self._outline.groups[i]
            for entry in (*group[0].inputs, *_outputs(group)):
                if entry[0].op is None:
                    values[entry] = variables[entry[0].name]  # bound arrays are whole already
                elif entry not in values:
                    values[entry] = aligned_empty(self._shapes[entry], self._outline.dtype)
        return values

    def _lay_out_gradients(self) -> dict[Entry, Array]:
        """Whole gradients for the same entries, given out in the order of backward.

        Memory is used again although slices are not in step: one may already write its rows of the next gradient there
        while another still reads its rows of the last one. That is safe because memory is used again for gradients of
        equal size only, and all are cut at the same rows, so these two slices touch different parts of it.
        """
        buffers = GradientBuffers(self._outline.dtype, {})
        found: dict[Entry, Array] = {}

        def place(entry: Entry) -> None:
            if entry in self.values and entry[0].op is not None and entry not in found:
                found[entry] = buffers.array(entry, self._shapes[entry])

        # Heads come first, as in every program: their gradients are written before any call runs, so their memory must
        # not have belonged to another gradient of the same backward.
        for entry in self._outline.heads:
            place(entry)
        for number, group in reversed(list(enumerate(self._outline.groups))):
            if number in self._calls and self._calls[number].writes_over_head:
                head, first = _outputs(group)[0], group[0].inputs[0]
                place(head)
                if first[0].op is not None and first not in found:
                    buffers.hand_over(head, first)
            for entry in group[0].inputs:
                place(entry)
            for entry in _outputs(group):
                place(entry)  # an output that nobody reads, or else it has its place already
                buffers.release(entry)
        return found

    def _call(self, group: list[Node]) -> Call:
        first, chain = group[0], [node.op for node in group if node.op is not None]
        inputs = [self.values[entry] for entry in first.inputs]
        outputs = [self.values[entry] for entry in _outputs(group)]
        in_shapes, out_shapes = [array.shape for array in inputs], [array.shape for array in outputs]
        # The host's kernels: on a GPU a batch is never cut, and its nodes never meet.
        kernel = kernel_for(chain, in_shapes, out_shapes, self._outline.dtype)
        work = operations(chain[0], in_shapes, [self._shapes[first, 0]])
        name, counted = "+".join(op.op_name() for op in chain), computed_label(first, inputs)
        return Call(group[-1], kernel, inputs, outputs, node_key(first), name, work, counted=counted)

    def _lay_out_backward(self, gradients: Mapping[str, Array]) -> None:
        # Every gradient has its place already; the buffers only provide memory for addends and for zeros.
        arguments = {entry: gradients[name] for entry, name in self._outline.arguments.items() if name in gradients}
        buffers = GradientBuffers(self._outline.dtype, {**self.gradients, **arguments})
        for i in reversed(self.numbers):
            planned = self._outline.plan.calls[i]
            if planned is not None:
                self._calls[i].lay_out_backward(planned, buffers)
        # Arguments that only these nodes read and whose gradient none of them writes: it is zero. The slices' programs
        # do the same for arguments of theirs.
        self.untouched = [name for name in self._outline.plan.untouched if name in gradients]
        for name in self.untouched:
            gradients[name].fill(0)  # once is enough, as nobody writes it later


def _outputs(group: list[Node]) -> list[Entry]:
    """What leaves a group: the outputs of its last node."""
    last = group[-1]
    assert last.op is not None
    return [(last, index) for index in range(len(last.op.outputs()))]
