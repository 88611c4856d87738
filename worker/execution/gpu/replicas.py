"""The GPUs of one worker, in step: each computes its rows of the batch; gradients and states are summed over them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from ....common.errors import DataError, GraphError
from ...array import Array, Shape
from ...cuda.device import Device, held
from ...devices.placement import Placement, rows_by_load
from ...graphs.graph import Graph
from ...ops.batch_position import BatchPosition
from ..bound_arrays import Binding, Places
from .backend import CudaBackend
from .gpu_errors import Need, explained
from .gpu_sums import Collective, collective
from .memory_blocks import Layout
from .replica import Bucket, Pause, Replica

BUCKET = 4 << 20  # bytes of gradients that leave together
WHOLE = 1 << 62  # so many bytes that nothing is cut


class Replicas:
    """One Replica per GPU of `placement`, for batches of `rows` rows.

    Weights, gradients and states of each GPU lie in blocks: `weights`, `gradients`, `states` hold one per GPU, laid out
    by `weight_layout` (of the arguments that the batch does not cut), `gradient_layout` and `state_layout`.
    """

    def __init__(
        self,
        symbol: Graph,
        placement: Placement,
        grad_req: Any,
        shapes: Mapping[str, Shape],
        precision: str,
        rows: int,
        bucket: int = BUCKET,
        stretch: int = WHOLE,
    ) -> None:
        """`bucket`: bytes of gradients that are announced together; `stretch`: bytes of weights that are waited for
        together.
        """
        self.devices = [Device.get(index) for index in placement.gpus]
        self.parts = rows_by_load(rows, placement.gpu_loads()) if rows else [(0, 0)] * len(self.devices)
        probe = Binding.allocate(symbol, grad_req, None, shapes, zeros=_shape_only)
        self.batched = cut_arguments(probe, rows, len(self.devices))
        shared = {n: a.shape for n, a in probe.arguments.items() if n not in self.batched}
        self.weight_layout = Layout(shared)
        self.gradient_layout = self.weight_layout if probe.gradients else Layout({})  # one kernel updates all
        self.state_layout = Layout({n: a.shape for n, a in probe.auxiliaries.items()})
        self.weights, self.gradients, self.states = [], [], []  # type: tuple[list[Array], list[Array], list[Array]]
        sums = len(self.devices) > 1 and bool(probe.gradients)
        with held(self.devices):
            with explained(self.devices):
                self.need = _need(symbol, probe, rows, CudaBackend(self.devices[0], precision))
            with explained(self.devices, self.need):
                self.replicas = [
                    self._replica(symbol, device, grad_req, shapes, part, precision)
                    for device, part in zip(self.devices, self.parts, strict=True)
                ]
            self.collective: Collective | None = collective(self.devices) if sums else None
        self.buckets = self.replicas[0].buckets(bucket)
        self.stretches = self.replicas[0].stretches(stretch)

    @property
    def records(self) -> bool:
        """Whether a step can be captured."""
        return all(replica.records for replica in self.replicas)

    def place(self, is_train: bool, at: BatchPosition) -> bool:
        """Say where the batch stands; whether a captured graph no longer fits on one of the GPUs."""
        self.need.global_rows = at.global_rows
        moved = [replica.place(is_train, at) for replica in self.replicas]
        return any(moved)

    def set_now(self, number: int, batch: int, rate: float, counts: list[float]) -> None:
        """Queue the figures of the next step on every GPU."""
        for device, replica in zip(self.devices, self.replicas, strict=True):
            device.call(replica.step.set_now, number, batch, rate, counts)

    def train(self, index: int) -> Iterator[Pause]:
        """Queue one GPU's part of a training step; yields as Replica.forward_backward does, and on several GPUs an
        empty bucket at the end, when `sum` can make the mean of their states, weighted by rows.
        """
        yield from self.replicas[index].forward_backward(self.buckets, self.stretches)
        if self.collective is not None:
            first, last = self.parts[index]
            self.states[index] *= np.float32((last - first) / self.parts[-1][1])
            yield Bucket(0, ())

    def infer(self, index: int) -> Iterator[Pause]:
        """Queue one GPU's part of a forward."""
        yield from self.replicas[index].forward(self.stretches)

    def sum(self, bucket: Bucket) -> None:
        """Queue the sum over GPUs of what `train` has just yielded."""
        if self.collective is None:
            return
        if bucket.names:
            self.collective.sum(self.gradients, self.gradient_layout.runs(bucket.names))
        elif self.state_layout.size:
            self.collective.sum(self.states, [(0, self.state_layout.size)])

    def unscale(self, bucket: Bucket) -> None:
        """Queue what brings the bucket's gradients, summed, back to their size, if they are scaled at all.

        Each GPU looks at the same sums, so that all go on with the same scale.
        """
        if self.replicas[0].loss_scale is None:
            return
        if self.collective is not None:
            self.collective.join()
        for device, replica in zip(self.devices, self.replicas, strict=True):
            assert replica.loss_scale is not None
            with device.active():
                for name in bucket.names:
                    replica.loss_scale.unscale(replica.binding.gradients[name])
                if bucket.first == 0 and (self.collective is None or not bucket.names):
                    replica.loss_scale.adjust()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Around whatever uses these GPUs, such as one step: no other thread does, and what they complain of is a
        DeviceError.
        """
        with held(self.devices), explained(self.devices, self.need):
            yield

    def look_at_scale(self) -> None:
        """DataError if gradients are NaN or infinite however small their scale is. Waits for the first GPU."""
        scale = self.replicas[0].loss_scale
        with self.devices[0].active():
            step = scale.failed_step() if scale else None
        if step is not None:
            raise DataError(
                f"a gradient of step {step + 1} is NaN or infinite",
                remedy="Lower the learning rate, or look for bad values in the data",
            )

    def look(self) -> None:
        """Raise what kernels have found wrong, if anything. Waits for the devices."""
        for device, replica in zip(self.devices, self.replicas, strict=True):
            if replica.step.complaints:
                with device.active():
                    replica.step.complaints.look()

    def rows_of(self, array: Array, name: str, index: int) -> Array:
        """What GPU `index` sees of a whole array of that argument's."""
        first, last = self.parts[index]
        return array[first:last] if name in self.batched else array

    def _replica(
        self,
        symbol: Graph,
        device: Device,
        grad_req: Any,
        shapes: Mapping[str, Shape],
        part: tuple[int, int],
        precision: str,
    ) -> Replica:
        with device.active():
            self.weights.append(self.weight_layout.zeros(device))
            self.gradients.append(self.gradient_layout.zeros(device))
            self.states.append(self.state_layout.zeros(device))
            places = Places(
                self.weight_layout.views(self.weights[-1]),
                self.gradient_layout.views(self.gradients[-1]),
                self.state_layout.views(self.states[-1]),
            )
            mine = {
                name: (part[1] - part[0], *shape[1:]) if name in self.batched else shape
                for name, shape in shapes.items()
            }
            return Replica.allocate(symbol, device, grad_req, mine, part, places, precision)


def cut_arguments(probe: Binding, rows: int, parts: int) -> set[str]:
    """The arguments that the batch cuts; GraphError if it cannot be cut into `parts`."""
    if parts == 1:
        return {name for name, shape in probe.inputs.items() if shape[:1] == (rows,)} | _labels(probe, rows)
    coupling = [n.name for n in probe.couplers() if n.op is not None and not n.op.is_per_device]
    counting = {node.name for node in probe.symbol.nodes() if node.op is not None and node.op.is_loss}
    if set(coupling) - counting or not probe.separable([(0, rows)]):
        raise GraphError(
            "the rows of this network's batch cannot be computed apart, so several devices cannot share them",
            got=", ".join(coupling) or "a shape that names rows or their number",
            remedy="Train on one device.",
        )
    return probe.batched()


def _labels(probe: Binding, rows: int) -> set[str]:
    names = {n for n, a in probe.arguments.items() if n.endswith("label") and a.shape[:1] == (rows,)}
    return names - probe.gradients.keys()


def _need(symbol: Graph, binding: Binding, rows: int, backend: CudaBackend) -> Need:
    """What a step needs for its values: what one kernel hands on to itself takes nothing, nor do views."""
    groups = backend.fuse(symbol.nodes(), symbol.heads, binding.dtype)
    with backend.device.active():
        formats = backend.formats(groups, symbol.heads, binding.shapes, binding.dtype)
    within = {node for group in groups for node in group[:-1]}
    views = {node for group in groups for node in group if node.op is not None and node.op.is_view}
    shapes = {entry: shape for entry, shape in binding.shapes.items() if entry[0] not in within | views}
    return Need(shapes, rows, bool(binding.gradients), formats)


def _shape_only(shape: Shape, dtype: Any) -> Array:
    """An array without memory of its own, to ask a binding about its shapes: one zero, seen everywhere."""
    return np.broadcast_to(np.zeros((), dtype), shape)
