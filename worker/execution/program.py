"""A symbol graph compiled for a slice of the batch: calls in order, every buffer laid out before the first step.

Everything that costs time or memory happens when a Program is made; a step then only runs the calls one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ...common.call_table import WorkingMemory
from ..array import Array, Arrays, Gradients, Shape
from ..cpu.arranged import Arranged
from ..cpu.array_module import NUMPY
from ..cpu.registry import kernel_for
from ..cpu.row_kernel import RowKernel
from ..cpu.slice_tree import SliceTree
from ..graphs.node import Entry, Node, computed_label, node_key
from ..graphs.operation_counts import operations
from ..ops.kernel import Kernel
from ..ops.operator import Operator, Step
from .buffers import GradientBuffers, ValueBuffers
from .calls import Call, make_tables
from .memory_format import C_ORDER, Format
from .outline import Common, Outline


class Program:
    """Forward and backward of a slice, or of a group of slices, on fixed arrays. Not thread safe: one thread at a time.

    Calls are numbered like the outline's groups, so that a pass can stop before a node that needs the other slices.
    """

    def __init__(
        self,
        outline: Outline,
        shapes: Mapping[Entry, Shape],
        variables: Mapping[str, Array],
        outputs: Arrays,
        gradients: Mapping[str, Array],
        common: Common | None = None,
        step: Step | None = None,
        tree: SliceTree | None = None,
        arranged: Arranged | None = None,
    ) -> None:
        """`shapes`: of every entry for the rows of this slice, which all arrays have: `variables` (arguments and states
        by name), `outputs` (where the heads go) and `gradients` (where those of the arguments go, by name). `step`:
        what kernels learn of the step. `tree`: of the slices, if these are the rows of several, as `can_join` allows.
        `arranged`: what is made of parameters before each pass.
        """
        self.step = step or Step(NUMPY, learns=bool(outline.arguments))
        self.counts: dict[int, float] = {}  # by what losses divide, by node key
        self._outline, self._shapes, self._common, self._tree = outline, shapes, common or Common(), tree
        self._memory, self._arranged = WorkingMemory(), arranged
        self._formats = outline.backend.formats(outline.groups, outline.heads, shapes, outline.dtype)
        self._values: dict[Entry, Array] = {(n, 0): variables[n.name] for n in outline.variables}
        # The rest of the layout finds these entries placed already, and leaves them where they are.
        self._values.update(self._common.values or {})
        self._place_heads(outputs)
        self.calls = self._lay_out_forward()
        self._lay_out_backward(gradients)

    def lay_out_calls(self, cores: Callable[[], int]) -> None:
        """Make the tables of calls that run one by one, all at once: what they compile is compiled on so many cores."""
        make_tables([call for call in self.calls if call is not None], self.step, cores, self._memory)

    def forward(self, first: int = 0, last: int | None = None) -> None:
        """Run calls `first` to `last` (excluded), by default all; once the last call has run, the outputs are there."""
        for call in self.calls[first:last]:
            if call is not None and not call.is_alias:
                call.run_forward(self.step, self.counts)
        if last is None:
            self.copy_heads()

    @property
    def compiled(self) -> float:
        """The share of kernels that need no Python."""
        calls = [call for call in self.calls if call is not None and not call.is_alias]
        return sum(call.is_compiled for call in calls) / max(1, len(calls))

    def finishing(self) -> list[str]:
        """Arguments whose gradients backward writes, from the first that is final to the last."""
        calls = [call for call in reversed(self.calls) if call is not None and call.in_grads]
        return [*self.untouched, *(name for call in calls for name in call.finished)]

    def copy_heads(self) -> None:
        """Write those outputs to their place that no kernel writes there; to be called once all have their values."""
        for index, target in self._copied_heads:
            target[...] = self._values[self._outline.heads[index]]

    @property
    def copies_heads(self) -> bool:
        """Whether `copy_heads` has anything to do."""
        return bool(self._copied_heads)

    def begin_with_ones(self) -> None:
        """As `begin_backward`, with ones for all gradients; a loss ignores them."""
        self._begin_with([None] * len(self._head_buffers))

    def begin_backward(self, head_grads: Gradients, finished: Callable[[str], None]) -> None:
        """Take the gradients of the outputs, each of its output's shape: None for ones, which a loss ignores.

        Also calls `finished(name)` for arguments whose gradient no call writes.
        """
        self._begin_with(head_grads)
        for name in self.untouched:
            finished(name)

    def backward(self, finished: Callable[[str], None], first: int = 0, last: int | None = None) -> None:
        """Compute the gradients of calls `first` to `last` (excluded), from the last to the first.

        `finished(name)` is called as soon as this slice's gradient of an argument is final.
        """
        for call in reversed(self.calls[first:last]):
            if call is not None and call.in_grads:
                call.run_backward(self.step, self.counts)
                call.add_up(finished)

    def _begin_with(self, head_grads: Gradients) -> None:
        # In the order in which the plan has planned them: the first of two heads that show one entry overwrites.
        for (buffer, total), given in zip(self._head_buffers, head_grads, strict=True):
            if buffer is not None:
                buffer[...] = 1 if given is None else given
                if total is not None:
                    total += buffer

    def _place_heads(self, outputs: Arrays) -> None:
        """Have kernels write heads straight into `outputs` where they can; all other heads are copied after forward.

        Copied are: a variable, an array of the whole batch, and a second head for one entry, since each has its place
        elsewhere; and a view, which lies in its input's memory.
        """
        self._copied_heads: list[tuple[int, Array]] = []
        self._head_arrays: dict[Entry, Array] = {}
        for index, (entry, target) in enumerate(zip(self._outline.heads, outputs, strict=True)):
            if entry in self._values or entry in self._head_arrays or getattr(entry[0].op, "is_view", False):
                self._copied_heads.append((index, target))
            else:
                self._head_arrays[entry] = target

    def _lay_out_forward(self) -> list[Call | None]:
        """Give every value its place."""
        buffers, calls = ValueBuffers(self._outline.dtype, self._outline.backend, self._formats), []
        for group, read_last in zip(self._outline.groups, self._outline.last_uses, strict=True):
            calls.append(None if group[0] in self._common.nodes else self._call(group, buffers))
            # After the call has its outputs: they must not lie in what it reads.
            for entry in read_last:
                buffers.release(entry)
        return calls

    def _call(self, group: list[Node], buffers: ValueBuffers) -> Call:
        first, last = group[0], group[-1]
        assert first.op is not None and last.op is not None
        inputs = [self._values[entry] for entry in first.inputs]
        entries: list[Entry] = [(last, index) for index in range(len(last.op.outputs()))]
        # A view costs nothing if its input has no gaps. An output that the whole batch shares has its own memory, which
        # others will read: then, and for channels-last input, the operator makes a copy.
        is_alias = last.op.is_view and inputs[0].flags.c_contiguous and entries[0] not in self._values
        outputs = (
            [inputs[0].reshape(self._shapes[entries[0]])] if is_alias else [self._output(e, buffers) for e in entries]
        )
        self._values.update(zip(entries, outputs, strict=True))
        chain = [node.op for node in group if node.op is not None]
        in_shapes = [array.shape for array in inputs]
        out_shapes = [array.shape for array in outputs]
        formats = [self._formats.get(entry, C_ORDER) for entry in (first.inputs[0], entries[0])] if first.inputs else []
        kernel = self._kernel(chain, in_shapes, out_shapes, formats)
        # One that is given copies, because arrays have gaps, asks for forms of these.
        if isinstance(kernel, RowKernel) and kernel.takes(inputs) and self._are_parameters(first.inputs[1:]):
            kernel.arranged = self._arranged
        operators = "+".join(op.op_name() for op in chain)
        # The chain's output may be pooled: the product has the size of the first node's own output.
        work = operations(first.op, in_shapes, [self._shapes[first, 0]])
        counted = computed_label(first, inputs)
        key, memory = node_key(first), self._memory
        return Call(last, kernel, inputs, outputs, key, operators, work, is_alias, counted, memory=memory)

    def _are_parameters(self, entries: Sequence[Entry]) -> bool:
        """Whether they are known before a pass, and do not differ from batch to batch."""
        inputs = self._arranged.inputs if self._arranged else ()
        return all(node.op is None and node.name not in inputs for node, _ in entries)

    def _kernel(
        self,
        chain: Sequence[Operator],
        in_shapes: Sequence[Shape],
        out_shapes: Sequence[Shape],
        formats: Sequence[Format],
    ) -> Kernel:
        if self._tree is None:
            return self._outline.backend.kernel_for(chain, in_shapes, out_shapes, self._outline.dtype, formats)
        # The host's kernels, as whose choice each slice would have: on a GPU a batch is never cut.
        made = kernel_for(chain, in_shapes, out_shapes, self._outline.dtype, self._tree.longest)
        join: Callable[[SliceTree], None] | None = getattr(made, "join", None)
        if join is not None:  # what has no parameters need not know of slices
            join(self._tree)
        return made

    def _output(self, entry: Entry, buffers: ValueBuffers) -> Array:
        found = self._values.get(entry, self._head_arrays.get(entry))
        return buffers.array(entry, self._shapes[entry]) if found is None else found

    def _lay_out_backward(self, gradients: Mapping[str, Array]) -> None:
        """Give every gradient its place."""
        plan, arguments = self._outline.plan, self._outline.arguments
        # An argument that only coupling nodes read has no gradient in this slice: the meeting writes it.
        fixed = {entry: gradients[name] for entry, name in arguments.items() if name in gradients}
        places = {**(self._common.gradients or {}), **fixed}
        buffers = GradientBuffers(self._outline.dtype, places, self._outline.backend, self._formats)
        # Heads come first, as in the plan and in every step: their gradients are written before any call runs, so
        # their memory must not be given to anybody before it has been read.
        self._head_buffers = [
            buffers.target(write, self._shapes[entry])
            for write, entry in zip(plan.heads, self._outline.heads, strict=True)
        ]
        self.reads_heads = any(
            buffer is not None and not (entry[0].op is not None and entry[0].op.is_loss)
            for (buffer, _), entry in zip(self._head_buffers, self._outline.heads, strict=True)
        )
        for planned, call in zip(reversed(plan.calls), reversed(self.calls), strict=True):
            if planned is not None and call is not None:
                call.lay_out_backward(planned, buffers)
        self.untouched = [name for name in plan.untouched if name in gradients]
        for name in self.untouched:
            gradients[name].fill(0)  # once is enough, as nobody writes it later unless a head is the argument itself
