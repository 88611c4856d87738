"""A symbol graph compiled for one slice of the batch: calls in order, every buffer laid out before the first step."""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from .array import Array, Shape, aligned_empty, aligned_zeros
from .fusion import fuse
from .kernels.registry import Kernel, kernel_for
from .ops.operator import Operator, Step
from .symbol import Entry, Node, Symbol


@dataclass
class Call:
    """One kernel with the arrays that it reads and writes."""

    node: Node
    kernel: Kernel
    inputs: list[Array]
    outputs: list[Array]
    is_alias: bool  # the output is the input's memory: forward has nothing to do
    key: int
    counted: Array | None = None  # the label of a normalising loss, where it is computed and not an argument
    out_grads: list[Array] = field(default_factory=list)
    in_grads: list[Array | None] = field(default_factory=list)
    sums: list[tuple[Array, Array]] = field(default_factory=list)  # (total, addend) after backward
    finished: list[str] = field(default_factory=list)  # arguments whose gradient is then final


class Program:
    """Forward and backward of the whole graph on fixed arrays. Not thread safe: one thread runs one program."""

    def __init__(
        self,
        symbol: Symbol,
        shapes: Mapping[Entry, Shape],
        variables: Mapping[str, Array],
        outputs: Sequence[Array],
        gradients: Mapping[str, Array],
        dtype: np.dtype[np.floating],
    ) -> None:
        """`variables`: arguments and states; `outputs`: where the heads go; `gradients`: where the arguments' go."""
        self.step = Step()
        self.counts: dict[int, float] = {}
        self._shapes, self._dtype = shapes, dtype
        self.heads = list(symbol.heads)
        nodes = symbol.nodes()
        self._groups = fuse(nodes, self.heads, dtype == np.float32)
        self._values: dict[Entry, Array] = {(n, 0): variables[n.name] for n in nodes if n.op is None}
        self._place_heads(outputs)
        self.calls = [self._call(group) for group in self._groups]
        self._lay_out_backward({(n, 0): n.name for n in nodes if n.op is None and n.name in gradients}, gradients)

    def forward(self) -> None:
        """Compute every output from the variables."""
        for call in self.calls:
            if not call.is_alias:
                self._enter(call)
                call.kernel.forward(self.step, call.inputs, call.outputs)
        for index, target in self._copied_heads:
            np.copyto(target, self._values[self.heads[index]])

    def backward(self, head_grads: Sequence[Array | None], finished: Callable[[str], None]) -> None:
        """Compute the gradients; `finished(name)` is called the moment that an argument's is final.

        `head_grads`: one per output, None for ones (which a loss does not even read).
        """
        for buffer, given in zip(self._head_buffers, head_grads, strict=True):
            if buffer is not None:
                buffer[...] = 1 if given is None else given
        for name in self._untouched:
            finished(name)
        for call in reversed(self.calls):
            if call.in_grads:
                self._enter(call)
                call.kernel.backward(self.step, call.out_grads, call.inputs, call.outputs, call.in_grads)
                for total, addend in call.sums:
                    np.add(total, addend, out=total)
            for name in call.finished:
                finished(name)

    def _enter(self, call: Call) -> None:
        self.step.node = call.key
        self.step.count = self.counts.get(call.key, 1.0)
        if call.counted is not None and call.node.op is not None:
            self.step.count = call.node.op.counted(call.counted) or 1.0

    def _place_heads(self, outputs: Sequence[Array]) -> None:
        self._copied_heads: list[tuple[int, Array]] = []
        self._head_arrays: dict[Entry, Array] = {}
        for index, (entry, target) in enumerate(zip(self.heads, outputs, strict=True)):
            if entry in self._values or entry in self._head_arrays or getattr(entry[0].op, "is_view", False):
                self._copied_heads.append((index, target))
            else:
                self._head_arrays[entry] = target

    def _call(self, group: list[Node]) -> Call:
        first, last = group[0], group[-1]
        assert first.op is not None and last.op is not None
        inputs = [self._values[entry] for entry in first.inputs]
        entries: list[Entry] = [(last, index) for index in range(len(last.op.outputs()))]
        is_alias = bool(getattr(last.op, "is_view", False)) and inputs[0].flags.c_contiguous
        outputs = [inputs[0].reshape(self._shapes[entries[0]])] if is_alias else [self._output(e) for e in entries]
        self._values.update(zip(entries, outputs, strict=True))
        chain = [node.op for node in group if node.op is not None]
        kernel = kernel_for(chain, [a.shape for a in inputs], [a.shape for a in outputs], self._dtype)
        computed = counts_labels(first.op) and len(inputs) > 1 and first.inputs[1][0].op is not None
        return Call(last, kernel, inputs, outputs, is_alias, node_key(first), inputs[1] if computed else None)

    def _output(self, entry: Entry) -> Array:
        found = self._head_arrays.get(entry)
        return aligned_empty(self._shapes[entry], self._dtype) if found is None else found

    def _lay_out_backward(self, arguments: Mapping[Entry, str], gradients: Mapping[str, Array]) -> None:
        """Decide which gradients are needed, where each one lives, and after which call an argument's is final."""
        layout = GradientLayout(self._dtype, {entry: gradients[name] for entry, name in arguments.items()})
        needed = _reached(self._groups, arguments)
        self._head_buffers = [layout.target(e, self._shapes[e])[0] if e in needed else None for e in self.heads]
        last_use: dict[str, Call] = {}
        for group, call in zip(reversed(self._groups), reversed(self.calls), strict=True):
            self._lay_out_call(group, call, layout, needed)
            for entry in group[0].inputs:
                if entry in arguments and call.in_grads:
                    last_use[arguments[entry]] = call
        for name, call in last_use.items():
            call.finished.append(name)
        self._untouched = [name for name in arguments.values() if name not in last_use]
        for name in self._untouched:
            gradients[name].fill(0)

    def _lay_out_call(self, group: list[Node], call: Call, layout: GradientLayout, needed: set[Entry]) -> None:
        outs: list[Entry] = [(group[-1], index) for index in range(len(call.outputs))]
        if not any(entry in needed for entry in outs) or not any(e in needed for e in group[0].inputs):
            return
        is_loss = call.node.op is not None and call.node.op.is_loss
        if not is_loss and not any(layout.has(entry) for entry in outs):
            return  # nothing downstream asks for a gradient: a branch without a head behind it
        call.out_grads = [layout.read(entry, array.shape) for entry, array in zip(outs, call.outputs, strict=True)]
        for entry, array in zip(group[0].inputs, call.inputs, strict=True):
            if entry not in needed:
                call.in_grads.append(None)
                continue
            target, total = layout.target(entry, array.shape)
            call.in_grads.append(target)
            if total is not None:
                call.sums.append((total, target))
        for entry in outs:
            layout.release(entry)


def counts_labels(op: Operator) -> bool:
    """Whether `op` is a loss that normalises by something it counts in its labels."""
    return op.counted(np.zeros(1, np.float32)) is not None


def node_key(node: Node) -> int:
    """A number for the node that is the same in every process."""
    return zlib.crc32(node.name.encode())


class GradientLayout:
    """Buffers for gradients while backward is laid out: reused as soon as the operator that needed one has run."""

    def __init__(self, dtype: np.dtype[np.floating], fixed: Mapping[Entry, Array]) -> None:
        self._dtype, self._fixed = dtype, fixed
        self._live: dict[Entry, Array] = {}
        self._free: defaultdict[int, list[Array]] = defaultdict(list)

    def has(self, entry: Entry) -> bool:
        """Whether some consumer already writes a gradient for `entry`."""
        return entry in self._live

    def target(self, entry: Entry, shape: Shape) -> tuple[Array, Array | None]:
        """Where a consumer of `entry` writes its share, and the total to add it to (None for the first consumer)."""
        if entry not in self._live:
            fixed = self._fixed.get(entry)
            self._live[entry] = self._take(shape) if fixed is None else fixed
            return self._live[entry], None
        return aligned_empty(shape, self._dtype), self._live[entry]

    def read(self, entry: Entry, shape: Shape) -> Array:
        """The complete gradient of an output; zeros if nobody reads that output."""
        found = self._live.get(entry)
        return aligned_zeros(shape, self._dtype) if found is None else found

    def release(self, entry: Entry) -> None:
        """The operator that made `entry` has run its backward: its gradient is read no more."""
        array = self._live.pop(entry, None)
        if array is not None and entry not in self._fixed:
            self._free[array.size].append(array)

    def _take(self, shape: Shape) -> Array:
        spare = self._free[int(np.prod(shape, dtype=np.int64))]
        return spare.pop().reshape(shape) if spare else aligned_empty(shape, self._dtype)


def _reached(groups: Sequence[list[Node]], arguments: Mapping[Entry, str]) -> set[Entry]:
    """Entries through which a gradient flows: those computed from an argument that wants one."""
    needed = set(arguments)
    for group in groups:
        op = group[-1].op
        if op is None or getattr(op, "blocks_gradient", False):
            continue
        if any(entry in needed for entry in group[0].inputs):
            needed.update((group[-1], index) for index in range(len(op.outputs())))
    return needed
