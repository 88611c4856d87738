"""A kernel together with the arrays that it reads and writes, and what else is done each time it runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from ...common.call_table import Row, Table, WorkingMemory, in_python, tables
from ...common.compiling import expect
from ..array import Array
from ..cpu.row_kernel import RowKernel, Stage
from ..cpu.sum_rows import add_row
from ..graphs.node import Node
from ..ops.kernel import Kernel
from ..ops.operator import Step
from ..profiling.spans import recorder
from .backend import HOST, Backend
from .backward_plan import PlannedCall
from .buffers import GradientBuffers


@dataclass
class Call:
    """One kernel with its arrays; `kernel` computes `node`, or the chain of nodes that ends with it.

    `inputs` and `outputs` have the inferred shapes for the rows that are computed; `out_grads` follows `outputs`, and
    `in_grads` follows `inputs` (None where no gradient is wanted), each with the shape of its counterpart. Both are
    empty until `lay_out_backward`, and stay so for calls that take no part in backward.
    """

    node: Node
    kernel: Kernel
    inputs: list[Array]
    outputs: list[Array]
    key: int  # of the first node: see node_key
    operators: str  # for profiles: "Convolution+Activation"
    work: float = 0.0  # floating-point operations of forward
    is_alias: bool = False  # the output is the input's memory: forward has nothing to do
    counted: Array | None = None  # the label of a normalising loss, where it is computed and not an argument
    out_grads: list[Array] = field(default_factory=list)
    in_grads: list[Array | None] = field(default_factory=list)
    sums: list[tuple[Array, Array]] = field(default_factory=list)  # (total, addend) after backward
    finished: list[str] = field(default_factory=list)  # arguments whose gradient is then final
    backend: Backend = HOST
    memory: WorkingMemory = field(default_factory=WorkingMemory)  # of calls that never run at the same time
    tables: dict[str, Table] = field(default_factory=dict)  # by pass, where it runs apart from a program's table

    def __post_init__(self) -> None:
        """Say whose kernels will have to be compiled."""
        expect(self.kernel)

    def run_forward(self, step: Step, counts: Mapping[int, float], part: Table | None = None) -> None:
        """Compute the outputs. `counts`: by what losses divide, by node key; `part`: a table of one of
        `parts_of_forward`, which is to run instead of all.
        """
        self.enter(step, counts)
        start = recorder.now() if recorder.on else None
        if self.is_compiled:
            (part or self._table("forward", step, self._forward_rows)).run()
        else:
            self.kernel.forward(step, self.inputs, self.outputs)
        if start is not None:
            step.synchronize()  # a GPU has only queued the work so far
            recorder.note(self.node.name, self.operators, "forward", start, self.work)

    def run_backward(self, step: Step, counts: Mapping[int, float], part: Table | None = None) -> None:
        """Compute this call's own gradients, which `add_up` then adds to others; arguments as of `run_forward`, but for
        `part`, a table of one of `parts_of_backward`.
        """
        self.enter(step, counts)
        start = recorder.now() if recorder.on else None
        if self.is_compiled:
            (part or self._table("backward", step, self._backward_rows)).run()
        else:
            self.kernel.backward(step, self.out_grads, self.inputs, self.outputs, self.in_grads)
        if start is not None:
            step.synchronize()
            gradients = sum(grad is not None for grad in self.in_grads[:2])  # of data and weight; a bias costs little
            recorder.note(self.node.name, self.operators, "backward", start, gradients * self.work)

    @property
    def is_compiled(self) -> bool:
        """Whether rows of the passes are compiled functions, which take addresses of arrays."""
        return isinstance(self.kernel, RowKernel) and self.kernel.takes(self.inputs)

    @property
    def writes_over_head(self) -> bool:
        """Whether backward may write the gradient of its first input where that of its first output is."""
        return bool(getattr(self.kernel, "writes_over_head", False))

    def rows_of_forward(self, step: Step, counts: Mapping[int, float]) -> list[Row]:
        """What `run_forward` does, unless the output is an alias, as rows of a table of calls."""
        if self.is_alias:
            return []
        if not self.is_compiled:
            return [in_python(partial(self.run_forward, step, counts))]
        return [self._entering(step, counts, row) for row in self._forward_rows(step)]

    def stages_of_forward(self, step: Step, counts: Mapping[int, float], threads: int) -> list[Stage]:
        """What `rows_of_forward` does, for at most so many threads (see RowKernel.forward_stages)."""
        if self.is_alias:
            return []
        if not self.is_compiled:
            return [[self.rows_of_forward(step, counts)]]
        assert isinstance(self.kernel, RowKernel)
        stages = self.kernel.forward_stages(step, self.inputs, self.outputs, threads)
        return [self._entering_all(step, counts, stage) for stage in stages]

    def parts_of_forward(self, step: Step, counts: Mapping[int, float], threads: int) -> Stage:
        """What `run_forward` does, as parts for at most so many threads (see RowKernel.forward_parts)."""
        if not self.is_compiled:
            return [self.rows_of_forward(step, counts)]
        assert isinstance(self.kernel, RowKernel)
        return self._entering_all(step, counts, self.kernel.forward_parts(step, self.inputs, self.outputs, threads))

    def parts_of_backward(self, step: Step, counts: Mapping[int, float], threads: int) -> Stage:
        """What `run_backward` does, as parts for at most so many threads."""
        if not self.is_compiled:
            return [[in_python(partial(self.run_backward, step, counts))]]
        assert isinstance(self.kernel, RowKernel)
        arrays = self.out_grads, self.inputs, self.outputs, self.in_grads
        return self._entering_all(step, counts, self.kernel.backward_parts(step, *arrays, threads))

    def rows_of_backward(self, step: Step, counts: Mapping[int, float]) -> list[Row]:
        """What `run_backward` and `add_up` do, but for what is said of final gradients."""
        if not self.is_compiled:
            rows = [in_python(partial(self.run_backward, step, counts))]
        else:
            rows = [self._entering(step, counts, row) for row in self._backward_rows(step)]
        return rows + self.rows_of_sums()

    def rows_of_sums(self) -> list[Row]:
        """What adds to gradients that others have written before."""
        return [add_row(total, addend) for total, addend in self.sums]

    def _entering_all(self, step: Step, counts: Mapping[int, float], stage: Stage) -> Stage:
        return [[self._entering(step, counts, row) for row in part] for part in stage]

    def _entering(self, step: Step, counts: Mapping[int, float], row: Row) -> Row:
        """`row`, but Python's part of it begins with `enter`."""
        stopped = row.stopped
        if stopped is None:
            return row

        def enter_first() -> None:
            self.enter(step, counts)
            stopped()

        return replace(row, stopped=enter_first)

    def _forward_rows(self, step: Step) -> Sequence[Row]:
        assert isinstance(self.kernel, RowKernel)
        return self.kernel.forward_rows(step, self.inputs, self.outputs)

    def _backward_rows(self, step: Step) -> Sequence[Row]:
        assert isinstance(self.kernel, RowKernel)
        return self.kernel.backward_rows(step, self.out_grads, self.inputs, self.outputs, self.in_grads)

    def _table(self, which: str, step: Step, rows: Callable[[Step], Sequence[Row]]) -> Table:
        if which not in self.tables:
            self.tables[which] = Table(rows(step), self.memory)
        return self.tables[which]

    def missing_tables(self, step: Step) -> dict[str, Sequence[Row]]:
        """The rows of passes that run apart and have no table yet, by pass."""
        if self.is_alias or not self.is_compiled:
            return {}
        passes = {"forward": self._forward_rows} | ({"backward": self._backward_rows} if self.in_grads else {})
        return {name: rows(step) for name, rows in passes.items() if name not in self.tables}

    def enter(self, step: Step, counts: Mapping[int, float]) -> None:
        """Tell `step` which node is about to run, and by what its loss divides (1 for all other operators)."""
        if self.counted is not None and self.node.op is not None:
            # Only now is the label there. Nothing that counts stands for 1, so that no loss divides by zero.
            count = self.node.op.counted(self.counted) or 1.0
        else:
            count = counts.get(self.key, 1.0)
        # Threads that compute parts of this kernel share `step` and all come here, while the first may compute already:
        # so each figure is written once, and all write the same.
        step.node, step.name, step.count = self.key, self.node.name, count

    def lay_out_backward(self, planned: PlannedCall, buffers: GradientBuffers) -> None:
        """Take the arrays that backward reads and writes from `buffers`; to be called in the order of backward."""
        self.backend = buffers.backend
        self.out_grads = [
            buffers.zeros((self.node, index), array.shape) if entry is None else buffers.array(entry, array.shape)
            for index, (entry, array) in enumerate(zip(planned.reads, self.outputs, strict=True))
        ]
        if self.writes_over_head and planned.reads[0] is not None and planned.writes[0] is not None:
            buffers.hand_over(planned.reads[0], planned.writes[0][0])
        for write, array in zip(planned.writes, self.inputs, strict=True):
            target, total = buffers.target(write, array.shape)
            self.in_grads.append(target)
            if target is not None and total is not None:
                self.sums.append((total, target))
        self.finished = planned.finished
        # Only after the gradients of the inputs have their places: another one could get the memory that is being read.
        for entry in planned.reads:
            if entry is not None:
                buffers.release(entry)

    def add_up(self, finished: Callable[[str], None]) -> None:
        """After `run_backward`: add to gradients that others have written before, then call `finished(name)` for each
        argument whose gradient is now final.
        """
        for total, addend in self.sums:
            self.backend.add(total, addend)
        for name in self.finished:
            finished(name)


def make_tables(
    calls: Sequence[Call], step: Step, cores: Callable[[], int], memory: WorkingMemory | None = None
) -> None:
    """Make the tables of calls that run apart, all at once: what they compile is compiled on so many cores."""
    missing = [(call, *one) for call in calls for one in call.missing_tables(step).items()]
    made = tables([rows for _, _, rows in missing], cores, memory)
    for (call, name, _), table in zip(missing, made, strict=True):
        call.tables[name] = table
