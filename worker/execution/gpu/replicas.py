"""The GPUs of one worker, in step: each computes its rows of the batch; gradients and states are summed over them.

Who trains with Replicas copies data in and out and runs `train` as the body of a RecordedStep, with `sum` in between.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from ....common.errors import DataError, GraphError
from ...array import Array, Shape
from ...cuda.device import Device, held
from ...cuda.step import Update
from ...devices.placement import Placement, rows_by_load
from ...graphs.graph import Graph
from ...ops.batch_position import BatchPosition
from ..bound_arrays import Binding, Places
from .backend import CudaBackend
from .gpu_errors import Need, explained
from .gpu_sums import Collective, collective
from .memory_blocks import Layout
from .replica import Bucket, Pause, Replica

BUCKET = 4 << 20  # bytes of gradients, at least, that leave together
WHOLE = 1 << 62  # more bytes than there can be, so that nothing is cut


class Replicas:
    """One Replica per GPU of `placement`, for batches of `rows` rows.

    Weights, gradients and states of each GPU lie in blocks: `weights`, `gradients`, `states` hold one per GPU, a flat
    float32 array, laid out by `weight_layout` (for the arguments that the batch does not cut), `gradient_layout` and
    `state_layout`. Methods only queue work, unless they say that they wait.
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
        together. Raises GraphError if the rows cannot be computed apart, ParameterError if a GPU would get no row,
        DeviceError if a GPU fails or has too little memory, and what binding a graph raises.
        """
        self.shows_overflow = False  # whether gradients in float16 that overflow are left so by `unscale`
        self.devices = [Device.get(index) for index in placement.gpus]
        self.parts = rows_by_load(rows, placement.gpu_loads()) if rows else [(0, 0)] * len(self.devices)
        probe = Binding.allocate(symbol, grad_req, None, shapes, zeros=_shape_only)  # all rows, but no memory
        self.batched = cut_arguments(probe, rows, len(self.devices))
        self._lay_blocks_out(probe)
        # `need` is only an estimate for error messages; errors from here on can name a batch size that fits.
        with held(self.devices):
            with explained(self.devices):
                self.need = _need(symbol, probe, rows, CudaBackend(self.devices[0], precision))
            with explained(self.devices, self.need):
                self.replicas = [
                    self._replica(symbol, device, grad_req, shapes, part, precision)
                    for device, part in zip(self.devices, self.parts, strict=True)
                ]
            sums = len(self.devices) > 1 and bool(probe.gradients)
            self.collective: Collective | None = collective(self.devices) if sums else None
        self.buckets = self.replicas[0].buckets(bucket)
        self.stretches = self.replicas[0].stretches(stretch)

    @property
    def records(self) -> bool:
        """Whether a step can be captured as CUDA graphs on all GPUs."""
        return all(replica.records for replica in self.replicas)

    def place(self, is_train: bool, at: BatchPosition) -> bool:
        """Take note of where the batch stands; True if the captured graphs of some GPU do not fit any longer."""
        self.need.global_rows = at.global_rows
        # All have to be told, so the list is made before `any`, which stops at the first that has moved.
        moved = [replica.place(is_train, at) for replica in self.replicas]
        return any(moved)

    def set_now(self, number: int, batch: int, update: Update, counts: list[float]) -> None:
        """Queue the next step's figures on every GPU: numbers of step and batch, the update's, counts of losses."""
        for device, replica in zip(self.devices, self.replicas, strict=True):
            device.call(replica.step.set_now, number, batch, update, counts)

    def train(self, index: int) -> Iterator[Pause]:
        """Queue one GPU's part of a training step; yields as Replica.forward_backward does, and on several GPUs an
        empty bucket at the end: the states are then ready for `sum`, which leaves their mean, weighted by rows.
        """
        replica = self.replicas[index]
        if index:
            # With the request "add", every GPU has the sum of earlier steps; it must go into the next sum only once.
            for name in self.gradient_layout.ranges.keys() & replica.added:
                replica.binding.gradients[name].fill(0)
        yield from replica.forward_backward(self.buckets, self.stretches)
        if self.collective is not None:
            # Each GPU multiplies its states by its part of the rows, so that the sum of all is the weighted mean.
            first, last = self.parts[index]
            self.states[index] *= np.float32((last - first) / self.parts[-1][1])
            yield Bucket(0, ())

    def infer(self, index: int) -> Iterator[Pause]:
        """Queue one GPU's part of forward; yields as Replica.forward does."""
        yield from self.replicas[index].forward(self.stretches)

    def sum(self, bucket: Bucket) -> None:
        """Queue the sum over GPUs of the bucket that `train` has just yielded; the empty one stands for the states."""
        if self.collective is None:
            return
        if bucket.names:
            self.collective.sum(self.gradients, self.gradient_layout.runs(bucket.names))
        elif self.state_layout.size:
            self.collective.sum(self.states, [(0, self.state_layout.size)])

    def unscale(self, bucket: Bucket) -> None:
        """Queue the division of the bucket's summed gradients by their scale, if they are scaled at all.

        After the last bucket of a step, the scale is adjusted. Every GPU sees the same sums, so all keep the same
        scale without asking each other.
        """
        if self.replicas[0].loss_scale is None:
            return
        if self.collective is not None:
            self.collective.join()
        for device, replica in zip(self.devices, self.replicas, strict=True):
            assert replica.loss_scale is not None
            with device.active():
                for name in bucket.names:
                    replica.loss_scale.unscale(replica.binding.gradients[name], self.shows_overflow)
                # Once per step, after its last bucket: on several GPUs that is the empty one.
                if bucket.first == 0 and (self.collective is None or not bucket.names):
                    replica.loss_scale.adjust()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """To be held around whatever uses these GPUs, such as one step: no other thread does meanwhile, and errors of
        cupy's become DeviceError.
        """
        with held(self.devices), explained(self.devices, self.need):
            yield

    def look_at_scale(self) -> None:
        """Raise DataError if gradients are NaN or infinite even at the smallest scale. Waits for the first GPU.

        Not if overflow is shown: then others see it as well.
        """
        if self.shows_overflow:
            self._forget_overflow()
            return
        scale = self.replicas[0].loss_scale
        with self.devices[0].active():
            step = scale.failed_step() if scale else None
        if step is not None:
            raise DataError(
                f"a gradient of step {step + 1} is NaN or infinite",
                remedy="Lower the learning rate, or look for bad values in the data",
            )

    def _forget_overflow(self) -> None:
        for device, replica in zip(self.devices, self.replicas, strict=True):
            if replica.loss_scale:
                with device.active():
                    replica.loss_scale.forget()

    def look(self) -> None:
        """Raise DataError for the first wrong value that kernels have found. Waits for GPUs that look for any."""
        for device, replica in zip(self.devices, self.replicas, strict=True):
            if replica.step.complaints:
                with device.active():
                    replica.step.complaints.look()

    def rows_of(self, array: Array, name: str, index: int) -> Array:
        """GPU `index`'s part of `array`, an argument's with all rows: its rows if the batch cuts it, else all of it."""
        first, last = self.parts[index]
        return array[first:last] if name in self.batched else array

    def _lay_blocks_out(self, probe: Binding) -> None:
        """What the blocks of every GPU have where; the blocks themselves come with each replica."""
        self.weight_layout = Layout({n: a.shape for n, a in probe.arguments.items() if n not in self.batched})
        # The same layout as the weights, even for weights without a gradient, so that one kernel can update all.
        self.gradient_layout = self.weight_layout if probe.gradients else Layout({})
        self.state_layout = Layout({n: a.shape for n, a in probe.auxiliaries.items()})
        self.weights: list[Array] = []
        self.gradients: list[Array] = []
        self.states: list[Array] = []

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
    """The arguments that the batch cuts. Raises GraphError if its rows cannot be computed in `parts` parts.

    `probe`: a binding for all `rows` rows, of which only shapes matter.
    """
    if parts == 1:  # nothing has to be cut: this only tells what changes with every batch from what stays
        return {name for name, shape in probe.inputs.items() if shape[:1] == (rows,)} | _labels(probe, rows)
    # A BatchNorm may normalise over each GPU's rows, and a loss gets its count from the labels of the whole batch; any
    # other node that couples rows would need them all on one device. What is copied to devices is cut along axis 0.
    meeting = probe.cuts.couplers | probe.cuts.moving
    coupling = [n.name for n in meeting if n.op is not None and not n.op.is_per_device]
    counting = {node.name for node in probe.symbol.nodes() if node.op is not None and node.op.is_loss}
    if set(coupling) - counting or not probe.cuts.separable([(0, rows)]):
        raise GraphError(
            "the rows of this network's batch cannot be computed apart, so several devices cannot share them",
            got=", ".join(coupling) or "a shape that names rows or their number",
            remedy="Train on one device.",
        )
    return probe.cuts.batched()


def _labels(probe: Binding, rows: int) -> set[str]:
    names = {n for n, a in probe.arguments.items() if n.endswith("label") and a.shape[:1] == (rows,)}
    return names - probe.gradients.keys()


def _need(symbol: Graph, binding: Binding, rows: int, backend: CudaBackend) -> Need:
    """What a step needs for its values. Values within a fused group need no memory, and views have their input's."""
    groups = backend.fuse(symbol.nodes(), symbol.heads, binding.dtype)
    with backend.device.active():
        formats = backend.formats(groups, symbol.heads, binding.shapes, binding.dtype)
    within = {node for group in groups for node in group[:-1]}
    views = {node for group in groups for node in group if node.op is not None and node.op.is_view}
    shapes = {entry: shape for entry, shape in binding.shapes.items() if entry[0] not in within | views}
    return Need(shapes, rows, bool(binding.gradients), formats)


def _shape_only(shape: Shape, dtype: Any) -> Array:
    """An array of `shape` that takes no memory: a single zero, repeated by strides of 0. A binding of such arrays can
    be asked about shapes.
    """
    return np.broadcast_to(np.zeros((), dtype), shape)
