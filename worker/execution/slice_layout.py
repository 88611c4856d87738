"""How the slices of a batch are laid out: which program computes which, on how many threads, and where they meet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from ..array import Arrays, Rows, Shape
from ..compute_threads import thread_count
from ..graphs.graph import Graph
from ..graphs.operation_counts import graph_work
from .arranged_parameters import ArrangedParameters
from .bound_arrays import Binding
from .outline import Outline
from .program import Program
from .slice_groups import SliceGroup, can_join, deal_out, group_slices
from .slice_sums import SliceSums
from .whole_batch_nodes import Meeting

T = TypeVar("T")

# Operations of forward below which one thread computes all slices. With less work between Python's own instructions,
# threads wait for each other's hold of the interpreter lock so often that together they are slower than one alone.
WORK_OF_ONE = 3e7
# The same where threads never need Python: what it takes to wake another.
WORK_OF_ONE_COMPILED = 3e6


def gains_by_threads(symbol: Graph, shapes: Mapping[str, Shape]) -> bool:
    """Whether several threads compute the outputs, for inputs of these shapes, sooner than one."""
    return graph_work(symbol.nodes(), symbol.infer_all(**shapes)) >= WORK_OF_ONE_COMPILED


class SliceLayout:
    """The programs of an executor, in the order of their slices, and what connects them.

    `rows` are those of each program, `walks` is whether compiled tables of calls may run them.
    """

    def __init__(
        self, symbol: Graph, binding: Binding, outputs: Arrays, slices: Sequence[Rows], threads: int | None
    ) -> None:
        """`outputs` are those of the whole batch; `slices` and `threads` as of Executor."""
        self._symbol, self._binding, self._outputs = symbol, binding, outputs
        self.slices = self._usable(list(slices)) if len(slices) > 1 else list(slices)
        self.outline = Outline(symbol, binding.gradients, binding.dtype)
        # A lone slice writes every gradient to its place, so nothing is cut or computed apart; nor is it without
        # gradients, where all others are empty.
        self._live = sum(first < last for first, last in self.slices)  # a short batch may leave slices empty
        cut = (len(self.slices) if binding.gradients else self._live) > 1
        self._groups = self._group(cut, threads)
        # The order from here on matters: the meeting writes some of the sums' arrays, and the programs take both their
        # gradients from the sums and their rows of the whole-batch arrays from the meeting.
        self.sums = self._sum_up(cut, self._groups)
        self.rows = [group.rows for group in self._groups if not group.is_empty]
        self.meeting = self._arrange_meeting() if cut else None
        self.parameters = ArrangedParameters(set(binding.inputs), threads)
        self.programs = [self._compile(i, group) for i, group in enumerate(self._groups) if not group.is_empty]
        shares = [program.compiled for program in self.programs]
        self.walks = any(shares)
        compiled = self.walks and min(shares) == 1 and (self.meeting is None or self.meeting.is_compiled)
        self.threads = self._fitting_threads(threads, compiled)

    def dealt(self, items: Sequence[T]) -> list[list[T]]:
        """Of `items`, one for each program, those of each thread."""
        return deal_out(self._groups, items, self.threads)

    def _fitting_threads(self, wanted: int | None, compiled: bool = False) -> int:
        """How many threads the network is worth, at most one per slice; results depend on slices alone."""
        work = graph_work(self._symbol.nodes(), self._binding.shapes)
        least = WORK_OF_ONE_COMPILED if compiled else WORK_OF_ONE
        return min(self._live, wanted or (1 if work < least else thread_count()))

    def _usable(self, slices: list[Rows]) -> list[Rows]:
        """`slices`, or the whole batch as one where rows cannot be computed apart."""
        return slices if self._binding.cuts.separable(slices) else [(0, self._binding.rows())]

    def _group(self, cut: bool, threads: int | None) -> list[SliceGroup]:
        """The slices, those of a thread together where kernels can compute several at once."""
        joins = cut and can_join(self.outline, self._binding.cuts, self.slices)
        return group_slices(self.slices, self._fitting_threads(threads, True) if joins else len(self.slices))

    def _sum_up(self, cut: bool, groups: Sequence[SliceGroup]) -> SliceSums:
        """The sums of what groups of slices write; unless the batch is `cut`, they are final as they are."""
        binding = self._binding
        adding = {name for name in binding.gradients if binding.adds(name)}
        batched, whole = (binding.cuts.batched(), binding.cuts.learned_whole()) if cut else (set[str](), set[str]())
        return SliceSums(binding.gradients, adding, batched, whole, groups)

    def _arrange_meeting(self) -> Meeting | None:
        couplers = self._binding.cuts.couplers
        if not couplers:
            return None
        variables = self._binding.variables(None)
        return Meeting(self.outline, couplers, self._binding.shapes, variables, self.sums.whole)

    def _compile(self, index: int, group: SliceGroup) -> Program:
        rows = group.rows
        whole = rows == (
            0,
            self._binding.rows(),
        )  # a lone slice: then nothing is cut, in whichever axes its batch may lie
        shapes = self._binding.shapes if whole else self._binding.cuts.slice_shapes(rows)
        variables = self._binding.variables(None if whole else rows)
        outputs = self._outputs if whole else [array[rows[0] : rows[1]] for array in self._outputs]
        # Outputs and variables of a slice are views, so that its results need not be copied together.
        common = self.meeting.common(rows, self._binding.cuts.follows_batch) if self.meeting else None
        return Program(
            self.outline,
            shapes,
            variables,
            outputs,
            self.sums.parts[index],
            common,
            tree=group.tree,
            arranged=self.parameters.arranged,
        )
