"""A kernel with the arrays that it reads and writes, and the memory of gradients, which is used again and again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ..array import Array
from ..graphs.node import Node
from ..ops.kernel import Kernel
from ..ops.operator import Step
from ..profiling.spans import recorder
from .backend import HOST, Backend
from .backward_plan import PlannedCall
from .buffers import GradientBuffers


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
