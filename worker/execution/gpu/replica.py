"""One GPU's part of a step: the graph laid out for its rows, with arrays of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

import numpy as np

from ....common.errors import DeviceError
from ...array import Array, Gradients, Rows, Shape
from ...cuda.device import Device
from ...cuda.loss_scale import LossScale
from ...cuda.step import COUNTS, CudaStep
from ...graphs.graph import Graph
from ...ops.batch_position import BatchPosition
from ..bound_arrays import Binding, Places
from ..outline import Outline
from ..program import Program
from .backend import CudaBackend


@dataclass(frozen=True)
class Bucket:
    """Gradients that become final together: those of `names`, once backward has run down to call `first`."""

    first: int
    names: tuple[str, ...]


@dataclass(frozen=True)
class Stretch:
    """The part of forward that begins with call `first`, and the arguments and states that it is the first to read."""

    first: int
    names: tuple[str, ...]


Pause = Bucket | Stretch  # where the host has something to do: a stretch is about to begin, a bucket is final


class Replica:
    """A Program on one GPU, for some rows of a batch. All methods are to be called while the device is active.

    Arrays are cupy's: `outputs` has those of the heads, and the binding's have the shapes for these rows.
    """

    def __init__(self, symbol: Graph, binding: Binding, device: Device, backend: CudaBackend, rows: Rows) -> None:
        """`rows`: which rows of the executor's batch are computed here. DeviceError if more losses normalise than a
        step has room for.
        """
        self.device, self.binding, self.rows = device, binding, rows
        self.outline = Outline(symbol, binding.gradients, binding.dtype, backend)
        self.step, self._at = CudaStep.on(device), BatchPosition()
        self.loss_scale = LossScale(device, self.step) if backend.precision == "float16" and binding.gradients else None
        self.outputs = [device.zeros(shape, binding.dtype) for shape in binding.output_shapes()]
        # A gradient with the request "add" is computed in an array of its own and added afterwards (see _add).
        adding = [name for name in binding.gradients if binding.adds(name)]
        self._added = {name: device.zeros(binding.gradients[name].shape, binding.dtype) for name in adding}
        self._slots()
        written = {**binding.gradients, **self._added}
        variables = binding.variables(None)
        self.program = Program(self.outline, binding.shapes, variables, self.outputs, written, step=self.step)

    @classmethod
    def allocate(
        cls,
        symbol: Graph,
        device: Device,
        grad_req: Any,
        shapes: Mapping[str, Shape],
        rows: Rows,
        places: Places | None = None,
        precision: str = "float32",
        type_dict: Mapping[str, Any] | None = None,
    ) -> Replica:
        """A replica with new arrays, except for those in `places`; `shapes` are those of the inputs for these rows.

        Raises what Binding.allocate raises, and DeviceError as above.
        """
        backend = CudaBackend(device, precision)
        binding = Binding.allocate(symbol, grad_req, type_dict, shapes, places, backend.zeros)
        return cls(symbol, binding, device, backend, rows)

    @property
    def records(self) -> bool:
        """Whether its work can be captured as a CUDA graph: it is float32, and nothing looks at values on the host."""
        # A label that the network computes is counted on the host in the middle of a step.
        asks_host = any(node.op is not None and node.op.asks_host for group in self.outline.groups for node in group)
        computed_counts = any(call is not None and call.counted is not None for call in self.program.calls)
        return not asks_host and not computed_counts and self.binding.dtype == np.float32

    @property
    def added(self) -> Set[str]:
        """The arguments whose gradients have the request "add"."""
        return self._added.keys()

    def buckets(self, least: int) -> list[Bucket]:
        """The gradients in the order in which backward finishes them, cut where `least` bytes or more are together.

        The last bucket ends backward, so its `first` is 0; it may be smaller, and also has what no call writes.
        """
        found: list[Bucket] = []
        names: list[str] = []
        calls = self.outline.plan.calls
        for first in reversed(range(len(calls))):  # as backward goes: from the last call to the first
            planned = calls[first]
            names += planned.finished if planned else []
            if sum(self.binding.gradients[name].nbytes for name in names) >= least:
                found.append(Bucket(first, tuple(names)))
                names = []
        if names or not found:
            found.append(Bucket(0, tuple(names)))
        return [*found[:-1], Bucket(0, (*found[-1].names, *self.outline.plan.untouched))]

    def stretches(self, least: int) -> list[Stretch]:
        """Forward, cut behind each call with which `least` bytes or more of variables are read for the first time."""
        found: list[Stretch] = []
        first, names, size = 0, [], 0  # type: int, list[str], int
        sizes = {name: array.nbytes for name, array in self.binding.variables(None).items()}
        for number, group in enumerate(self.outline.groups):
            # Only a group's first node counts: the nodes fused behind it have no variables.
            fresh = [node.name for node, _ in group[0].inputs if node.op is None and node.name in sizes]
            size += sum(sizes.pop(name) for name in dict.fromkeys(fresh))  # popped: it counts for its first reader only
            names += dict.fromkeys(fresh)
            if size >= least:
                found.append(Stretch(first, tuple(names)))
                first, names, size = number + 1, [], 0
        rest = (*names, *sizes)  # a variable that no call reads may itself be a head, which is copied at the end
        return [*found, Stretch(first, rest)]

    def forward_backward(self, buckets: Sequence[Bucket], stretches: Sequence[Stretch] = ()) -> Iterator[Pause]:
        """Queue a training step; yields each of `stretches` but the first before it begins, and each bucket when its
        gradients are final.
        """
        yield from self.forward(stretches)
        last: int | None = None
        # Outputs that are no losses begin with ones, which have to be scaled like the gradients of losses.
        head = self.step.scale() if self.loss_scale else None
        self.program.begin_backward([head] * len(self.outputs), _nobody)
        for bucket in buckets:
            self.program.backward(_nobody, bucket.first, last)
            self._add(bucket.names)
            last = bucket.first
            yield bucket

    def forward(self, stretches: Sequence[Stretch] = ()) -> Iterator[Pause]:
        """Queue the outputs; yields each of `stretches` but the first before it begins."""
        ends = [stretch.first for stretch in stretches[1:]]
        for number, (first, end) in enumerate(zip([0, *ends], [*ends, None], strict=True)):
            if number:
                yield stretches[number]
            self.program.forward(first, end)

    def backward(self, head_grads: Gradients) -> None:
        """Queue the gradients of the last forward; `head_grads`: one per output, of its shape, or None for ones."""
        self.program.begin_backward(head_grads, _nobody)
        self.program.backward(_nobody)
        self._add(tuple(self._added))

    def counts(self, labels: Mapping[str, Array]) -> list[float]:
        """What this network's losses count in `labels`, host arrays by argument name with all rows of the global batch.

        In the order of the losses' slots; 1 for a loss that counts nothing, so that it does not divide by zero.
        """
        return [float(op.counted(labels[label]) or 1.0) for _, op, label in self.binding.counting]

    def place(self, is_train: bool, at: BatchPosition) -> bool:
        """Take note of where the batch stands; True if that has changed, so that graphs must be captured again.

        A new number of the step is no such change: kernels read it from device memory.
        """
        mine = at.behind(self.rows[0])._replace(number=0)  # with equal numbers, only other figures make a difference
        moved, self._at = mine != self._at, mine
        self.step.move_to(mine._replace(number=self.step.number), is_train)  # set_now brings the new number
        return moved

    def _add(self, names: Sequence[str]) -> None:
        for name in names:
            if name in self._added:
                self.binding.gradients[name] += self._added[name]

    def _slots(self) -> None:
        """Give each loss that normalises its place among the counts that kernels read."""
        counting = self.binding.counting
        if len(counting) > COUNTS:
            what = f"on a GPU at most {COUNTS} losses can divide by a count of labels"
            raise DeviceError(what, got=len(counting), remedy="Use mx.cpu()")
        self.step.count_slot = {key: slot for slot, (key, _, _) in enumerate(counting)}


def _nobody(name: str) -> None:
    """Ignore that an argument's gradient is queued: whoever waits for gradients waits for their bucket."""
