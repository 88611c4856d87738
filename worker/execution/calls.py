"""A kernel with the arrays that it reads and writes, and the memory of gradients, which is used again and again."""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..array import Array, Shape
from ..cpu.registry import Kernel
from ..graphs.node import Entry, Node
from ..ops.operator import Operator, Step
from ..profiling.spans import recorder
from .backend import HOST, Backend
from .backward_plan import PlannedCall, Write
from .memory_format import C_ORDER, Formats


@dataclass
class Call:
    """One kernel with its arrays; `kernel` computes the node, or the chain of nodes that ends in it."""

    node: Node
    kernel: Kernel
    inputs: list[Array]
    outputs: list[Array]
    key: int
    operators: str  # for profiles: "Convolution+Activation"
    work: float = 0.0  # floating-point operations of forward
    is_alias: bool = False  # the output is the input's memory: forward has nothing to do
    counted: Array | None = None  # the label of a normalising loss, where it is computed and not an argument
    out_grads: list[Array] = field(default_factory=list)
    in_grads: list[Array | None] = field(default_factory=list)
    sums: list[tuple[Array, Array]] = field(default_factory=list)  # (total, addend) after backward
    finished: list[str] = field(default_factory=list)  # arguments whose gradient is then final
    backend: Backend = HOST

    def run_forward(self, step: Step, counts: Mapping[int, float], kernel: Kernel | None = None) -> None:
        """Compute the outputs; `kernel`: only what that part of the kernel computes."""
        self.enter(step, counts)
        start = recorder.now() if recorder.on else None
        (kernel or self.kernel).forward(step, self.inputs, self.outputs)
        if start is not None:
            step.synchronize()
            recorder.note(self.node.name, self.operators, "forward", start, self.work)

    def run_backward(self, step: Step, counts: Mapping[int, float], kernel: Kernel | None = None) -> None:
        """Compute the gradients, before they are added to others."""
        self.enter(step, counts)
        start = recorder.now() if recorder.on else None
        (kernel or self.kernel).backward(step, self.out_grads, self.inputs, self.outputs, self.in_grads)
        if start is not None:
            step.synchronize()
            gradients = sum(grad is not None for grad in self.in_grads[:2])  # of data and weight; a bias costs little
            recorder.note(self.node.name, self.operators, "backward", start, gradients * self.work)

    def enter(self, step: Step, counts: Mapping[int, float]) -> None:
        """Tell `step` which node is at work, and over how much it normalises."""
        step.node, step.name = self.key, self.node.name
        step.count = counts.get(self.key, 1.0)
        if self.counted is not None and self.node.op is not None:
            step.count = self.node.op.counted(self.counted) or 1.0

    def lay_out_backward(self, planned: PlannedCall, buffers: GradientBuffers) -> None:
        """Take the arrays that backward reads and writes."""
        self.backend = buffers.backend
        self.out_grads = [
            buffers.zeros((self.node, index), array.shape) if entry is None else buffers.array(entry, array.shape)
            for index, (entry, array) in enumerate(zip(planned.reads, self.outputs, strict=True))
        ]
        for write, array in zip(planned.writes, self.inputs, strict=True):
            target, total = buffers.target(write, array.shape)
            self.in_grads.append(target)
            if target is not None and total is not None:
                self.sums.append((total, target))
        self.finished = planned.finished
        for entry in planned.reads:
            if entry is not None:
                buffers.release(entry)

    def add_up(self, finished: Callable[[str], None]) -> None:
        """After backward: add what comes on top of other gradients, and tell which arguments' are final."""
        for total, addend in self.sums:
            self.backend.add(total, addend)
        for name in self.finished:
            finished(name)


def counts_labels(op: Operator) -> bool:
    """Whether `op` is a loss that normalises by something it counts in its labels."""
    return op.counted(np.zeros(1, np.float32)) is not None


def computed_label(node: Node, inputs: Sequence[Array]) -> Array | None:
    """The label of a normalising loss if the graph computes it, so that it can only be counted when it is there."""
    assert node.op is not None
    is_computed = counts_labels(node.op) and len(node.inputs) > 1 and node.inputs[1][0].op is not None
    return inputs[1] if is_computed else None


def node_key(node: Node) -> int:
    """A number for the node that is the same in every process."""
    return zlib.crc32(node.name.encode())


class GradientBuffers:
    """Arrays for gradients, given out in the order of backward: used again as soon as their reader has run."""

    def __init__(
        self,
        dtype: np.dtype[np.floating],
        fixed: Mapping[Entry, Array],
        backend: Backend = HOST,
        formats: Formats | None = None,
    ) -> None:
        """`fixed`: gradients that have a place already."""
        self._dtype, self._fixed, self.backend, self._formats = dtype, fixed, backend, formats or {}
        self._live: dict[Entry, Array] = {}  # the memory that they lie in, with one axis
        self._free: defaultdict[int, list[Array]] = defaultdict(list)

    def array(self, entry: Entry, shape: Shape) -> Array:
        """The place of an entry's gradient."""
        fixed = self._fixed.get(entry)
        if fixed is not None:
            return fixed
        form = self._formats.get(entry, C_ORDER)
        if entry not in self._live:
            spare = self._free[form.size(shape)]
            self._live[entry] = spare.pop() if spare else self.backend.empty((form.size(shape),), self._dtype)
        return form.view(self._live[entry], shape)

    def zeros(self, entry: Entry, shape: Shape) -> Array:
        """The gradient of an entry that nobody writes one for."""
        form = self._formats.get(entry, C_ORDER)
        return form.view(self.backend.zeros((form.size(shape),), self._dtype), shape)

    def target(self, write: Write | None, shape: Shape) -> tuple[Array | None, Array | None]:
        """Where a gradient is written, and the total to which it is then added (None: it is the total)."""
        if write is None:
            return None, None
        entry, adds = write
        array = self.array(entry, shape)
        if not adds:
            return array, None
        form = self._formats.get(entry, C_ORDER)
        return form.view(self.backend.empty((form.size(shape),), self._dtype), shape), array

    def release(self, entry: Entry) -> None:
        """The gradient has been read by the one that made the entry, and is read no more."""
        memory = self._live.pop(entry, None)
        if memory is not None:
            self._free[memory.size].append(memory)
