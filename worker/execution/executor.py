"""A symbol graph bound to arrays of the host: forward, backward, and each gradient announced the moment it is final.

An Executor has a Program for each slice of the batch, or for those of a thread: see slice_layout.py. StepTables run
them on compute threads, and SliceThreads does where they have no tables, as in a profile. SliceSums adds their
gradients up, and a Meeting computes the nodes that need all slices at once, if there are any in the graph.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from typing import Any

from ...common.slices import share
from ..array import Array, Rows, Shape, aligned_zeros
from ..graphs.graph import Graph
from ..graphs.operation_counts import graph_work
from ..ops.batch_position import BatchPosition
from ..profiling.spans import recorder
from .bound_arrays import Binding, Places
from .executor_base import Announce, BaseExecutor, FinalRows
from .gathered_inputs import GatheredInputs
from .program import Program
from .reshaped_arrays import reshaped
from .shared_forward import shared_forward
from .slice_layout import SliceLayout
from .slice_threads import SliceThreads
from .step_tables import StepTables
from .table_walk import TableWalk
from .whole_batch_nodes import Meeting


class Executor(BaseExecutor):
    """Arrays for every argument, gradient, auxiliary state and output of a symbol, and the program that connects them.

    The batch (axis 0 of the inputs) is cut into slices that run on compute threads; a gradient is the balanced
    binary-tree sum over slices, so that its bits depend on the slices alone and not on threads. Arrays that methods
    take and give have the shape of the argument, state or output they belong to. Not thread safe.
    """

    def __init__(
        self,
        symbol: Graph,
        binding: Binding,
        slices: Sequence[Rows] | None = None,
        threads: int | None = None,
    ) -> None:
        """`slices`: consecutive row ranges that cover the batch; None for one slice. `threads`: at most so many; by
        default as many as the work is worth. Raises GraphError or ShapeError if the graph cannot be laid out.
        """
        super().__init__(symbol, binding, [aligned_zeros(shape, binding.dtype) for shape in binding.output_shapes()])
        self._binding, self._wanted = binding, threads
        layout = SliceLayout(
            symbol, binding, self.outputs, slices if slices and len(slices) > 1 else self.slices, threads
        )
        self.slices, self.threads, self._walks = layout.slices, layout.threads, layout.walks
        self._programs, self._rows, self._meeting = layout.programs, layout.rows, layout.meeting
        self._sums, self._parameters, self._outline = layout.sums, layout.parameters, layout.outline
        self._gathered = GatheredInputs(self.arg_dict, self._gathered_by_rows())
        programs = layout.dealt(self._programs)
        self._slice_threads = SliceThreads(programs, self._meeting)
        self._tables = StepTables(programs, layout.dealt(self._rows), self._meeting, self._gathered, self._sums)

    @classmethod
    def simple_bind(
        cls,
        symbol: Graph,
        grad_req: Any = "write",
        type_dict: Mapping[str, Any] | None = None,
        slices: int | None = None,
        **shapes: Shape,
    ) -> Executor:
        """Bind to new arrays, all zeros; `shapes` gives those of the inputs, the others are inferred.

        `slices` cuts the inputs' axis 0 into that many parts. Raises GraphError if the shapes do not determine the
        rest, ShapeError if they contradict each other, and ParameterError for a bad `grad_req`.
        """
        binding = Binding.allocate(symbol, grad_req, type_dict, shapes)
        parts = [share(binding.rows(), i, slices) for i in range(slices)] if slices else None
        return cls(symbol, binding, parts)

    @classmethod
    def for_share(
        cls,
        symbol: Graph,
        grad_req: Any,
        slices: Sequence[Rows],
        shapes: Mapping[str, Shape],
        places: Places | None = None,
    ) -> Executor:
        """As `simple_bind`, for a worker's share of a global batch: `slices` are row ranges that cover the share, and
        arrays in `places` are used instead of new ones.
        """
        return cls(symbol, Binding.allocate(symbol, grad_req, None, shapes, places), slices)

    @classmethod
    def bind(
        cls,
        symbol: Graph,
        args: Mapping[str, Any] | Sequence[Any],
        args_grad: Mapping[str, Any] | Sequence[Any] | None = None,
        grad_req: Any = "write",
        aux_states: Mapping[str, Any] | Sequence[Any] | None = None,
    ) -> Executor:
        """Bind to the caller's arrays (anything with DLPack), by name or in the order of list_arguments().

        The whole batch is one slice. Raises GraphError for missing or unknown names, ParameterError for a bad
        `grad_req`, and ShapeError for shapes that contradict the graph or arrays that cannot be written.
        """
        return cls(symbol, Binding.adopt(symbol, args, args_grad, grad_req, aux_states))

    def reshape(self, partial_shaping: bool = False, allow_up_sizing: bool = False, **shapes: Shape) -> Executor:
        """An executor for other `shapes` of inputs, in as many slices, that shares the arrays whose shape stays."""
        binding, count = reshaped(self._binding, shapes, partial_shaping), len(self.slices)
        parts = [share(binding.rows(), i, count) for i in range(count)] if count > 1 else None
        return Executor(self.symbol, binding, parts)

    def compute(self, is_train: bool, at: BatchPosition) -> None:
        """Compute the outputs from what the arguments hold, all slices side by side; wait until they are there."""
        self._prepare(is_train, at)
        self._gathered.copy()
        run = self._laid_out_forward()
        self._parameters.make(self._parameters.arranged.forward)
        run()

    def _laid_out_forward(self) -> Callable[[], None]:
        if not recorder.on and self._shared is not None:  # a profile wants the time of whole calls
            return self._shared.run
        if self._walks_tables():
            return self._tables.forward.run
        self._slice_threads.lay_out_calls()
        return self._slice_threads.forward

    def parameters_stay(self) -> AbstractContextManager[None]:
        """What kernels make of parameters is made once within the block."""
        return self._parameters.staying()

    @cached_property
    def _shared(self) -> TableWalk | None:
        """Forward on threads that share out the work of calls, where there is a single slice; None if one thread does.

        It is made for the first forward: nobody else waits for what has to be compiled.
        """
        # Backward would want what forward's kernels keep for it.
        if len(self._programs) != 1 or self._meeting is not None or self._binding.gradients:
            return None
        work = graph_work(self.symbol.nodes(), self._binding.shapes)
        return shared_forward(self._programs[0], work, self._wanted)

    def backward(self, out_grads: Any = None, announce: Announce | None = None) -> None:
        """Compute the gradients of the last forward(is_train=True).

        `out_grads`: one array per output, of its shape, or one array; ones if left out, which losses ignore. As soon as
        a gradient is final, `announce(name, gradient)` is called on a compute thread. Raises GraphError for another
        number of arrays and ShapeError for another shape.
        """
        self._sums.begin(announce)
        self._slice_threads.lay_out_calls()
        self._parameters.make(self._parameters.arranged.backward)
        self._slice_threads.backward(self._cut_heads(self._head_grads(out_grads)), self._sums.deliver)

    def forward_backward(self, announce: Announce | None = None, at: BatchPosition | None = None) -> None:
        """One training step: a slice goes on to backward without waiting for the others, unless nodes couple rows.

        `announce(name, gradient)` is called on compute threads, by several of them at the same time.
        """
        self._prepare(True, self._position(at))
        by_rows = not recorder.on
        self._sums.begin(announce, by_rows, later=self._tables.parts_at_end if by_rows else ())
        arranged = self._parameters.arranged
        if self._walks_tables():
            step = self._tables.step
            self._parameters.make(arranged.forward, arranged.backward)
            self._gathered.begin()
            try:
                step.run()
            except BaseException:
                self._gathered.give_up()
                raise
            finally:
                self._gathered.forget()
            return
        self._gathered.copy()
        self._slice_threads.lay_out_calls()
        self._parameters.make(arranged.forward, arranged.backward)
        self._slice_threads.forward_backward(self._cut_heads([None] * len(self.outputs)), self._sums.deliver)
        if by_rows and self._tables.end is not None:
            self._tables.end.run()

    def gather(self, name: str, source: Array, numbers: Array) -> None:
        """In a step, each thread copies the rows of its slices."""
        if self._walks_tables():
            self._tables.lay_out()
        self._gathered.want(name, source, numbers)

    def _gathered_by_rows(self) -> set[str]:
        """The inputs that steps gather, if they are wanted: where the batch is cut, those that are cut with it."""
        if not self._walks or len(self.slices) == 1:
            return set()
        return self._binding.cuts.batched() - {label for _, _, label in self._binding.counting}  # which are read before

    def finish_by(self, rows: FinalRows) -> None:
        """Let tables of calls run these when a gradient is final; before the first step."""
        self._sums.final = rows

    def _walks_tables(self) -> bool:
        """Whether passes go through compiled tables of calls; a profile wants every call's time instead."""
        return self._walks and not recorder.on

    def count_over(self, whole: Mapping[str, Array]) -> None:
        """For losses that normalise over the global batch: count in `whole`, its labels by argument name.

        A label's shape is the argument's, but with all rows of the global batch.
        """
        for key, op, label in self._binding.counting:
            count = float(op.counted(whole[label]) or 1.0)
            for part in self._parts():
                part.counts[key] = count

    def _parts(self) -> list[Program | Meeting]:
        return [*self._programs, self._meeting] if self._meeting else [*self._programs]

    def _prepare(self, is_train: bool, at: BatchPosition) -> None:
        for (first, _), program in zip(self._rows, self._programs, strict=True):
            program.step.move_to(at.behind(first), is_train)
        if self._meeting is not None:  # begins at the worker's first row
            self._meeting.step.move_to(at, is_train)
        # With a part of the global batch only, the caller has to call `count_over` with the labels of all of it.
        if self._binding.counting and at.global_rows == self.rows:
            self.count_over(self.arg_dict)

    def _cut_heads(self, head_grads: list[Array | None]) -> list[list[Array | None]]:
        """The gradients of the outputs for each slice; a lone slice takes them whole, whatever their axis 0 is."""
        if len(self._rows) == 1:
            return [head_grads]
        return [[_cut(grad, rows) for grad in head_grads] for rows in self._rows]


def _cut(array: Array | None, rows: Rows) -> Array | None:
    return None if array is None else array[rows[0] : rows[1]]
