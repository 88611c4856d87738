"""An executor whose arrays lie in host memory while GPUs compute: for workers of a job, whose weights and gradients
pass through the host anyway, and for predictions.

Three streams per GPU work at the same time: one copies in, one computes, one copies out. Only events order them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ...array import Array, Shape
from ...cuda.device import Device, held
from ...cuda.step import Update
from ...devices.placement import Placement
from ...graphs.graph import Graph
from ...ops.batch_position import BatchPosition
from ..bound_arrays import Binding, Places
from ..executor_base import Announce, StepExecutor
from .pinned_pages import PinnedPages
from .recorded_step import RecordedStep
from .replica import Bucket, Pause, Stretch
from .replicas import BUCKET, Replicas

STRETCH = 8 << 20  # bytes of weights, at least, that must have arrived before a part of forward begins


class HostedExecutor(StepExecutor):
    """The counterpart of `Executor` on the GPUs of `placement`, each of which computes some rows.

    Arrays are pinned, also those in `places` if the driver allows it. Weights are copied in while forward computes
    with those that have arrived; each bucket of gradients is copied out while backward goes on, and announced when it
    has arrived. Arrays have the shapes of the whole share. Methods raise DeviceError if a GPU fails.
    """

    def __init__(
        self,
        symbol: Graph,
        placement: Placement,
        grad_req: Any,
        shapes: Mapping[str, Shape],
        places: Places | None = None,
        precision: str = "float32",
    ) -> None:
        """Arguments are those of `bind_share`. Raises what binding a graph raises, GraphError if rows cannot be shared
        by several GPUs, and DeviceError if a GPU has too little memory.
        """
        devices = [Device.get(index) for index in placement.gpus]
        with held(devices):
            first = devices[0]
            binding = self._binding = Binding.allocate(symbol, grad_req, None, shapes, places, first.pinned_zeros)
            super().__init__(symbol, binding, [first.pinned(shape, binding.dtype) for shape in binding.output_shapes()])
            self._replicas = Replicas(symbol, placement, grad_req, shapes, precision, self.rows, BUCKET, STRETCH)
            given = [*(places.arguments.values() if places else ()), *(places.gradients.values() if places else ())]
            self._pages = PinnedPages(first, given)
        self._counts: list[float] = []
        self._stale = True  # whether the GPUs' weights and states are older than the host's
        # Buckets on their way to the host, each with its events of arrival.
        self._leaving: list[tuple[Bucket, list[Any]]] = []
        self._arriving: dict[Stretch, list[Any]] = {}  # weights on their way to the GPUs: one event of arrival for each
        self._recorded_steps: dict[tuple[bool, bool], RecordedStep[Pause]] = {}

    def compute(self, is_train: bool, at: BatchPosition) -> None:
        """Compute the outputs on the GPUs and wait until they are in host memory.

        Raises DataError if an operator finds values that it cannot use.
        """
        with self._replicas.alone():
            self._begin(is_train, at)
            self._recorded_step(False, is_train).run()
            self._fetch_results(is_train)

    def forward_backward(self, announce: Announce | None = None, at: BatchPosition | None = None) -> None:
        """One training step; gradients are announced in the order of backward, on this thread.

        Raises DataError if an operator finds values that it cannot use, or if gradients in float16 overflow at any
        scale.
        """
        self._stale = True  # whoever trains may have changed the weights since
        with self._replicas.alone():
            self._begin(True, self._position(at))
            self._stale = True  # and a store changes them as soon as gradients are announced
            self._leaving = []
            self._recorded_step(True, True).run()
            # All is queued, so waiting here holds nothing up: later buckets go on arriving while one is announced.
            for bucket, arrivals in self._leaving:
                for arrival in arrivals:
                    arrival.synchronize()
                for name in bucket.names if announce else ():
                    announce(name, self._binding.gradients[name])  # type: ignore[misc]
            self._fetch_results(True)
            self._replicas.look_at_scale()

    def copy_params_from(
        self,
        arg_params: Mapping[str, Any],
        aux_params: Mapping[str, Any] | None = None,
        allow_extra_params: bool = False,
    ) -> None:
        """Copy values into arguments and states by name, each of its argument's or state's shape.

        The GPUs get them with the next step. Raises ShapeError for another shape, and ParameterError for an unknown
        name unless `allow_extra_params`.
        """
        super().copy_params_from(arg_params, aux_params, allow_extra_params)
        self._stale = True

    def show_overflow(self) -> None:
        """See StepExecutor.show_overflow."""
        self._replicas.shows_overflow = True

    def changed(self, name: str) -> None:
        """Take note that the host's argument or state `name` has changed: the GPUs get it with the next step."""
        if name not in self._replicas.batched:  # what the batch cuts is copied in every step anyway
            self._stale = True

    def count_over(self, whole: Mapping[str, Array]) -> None:
        """Count by what losses divide in `whole`: the global batch's labels by argument name, with all its rows."""
        self._counts = self._replicas.replicas[0].counts(whole)

    def close(self) -> None:
        """Wait for the GPUs and let go of memory that others own; the executor must not be used afterwards."""
        # A copy that is still under way must not find its pages unregistered.
        with self._replicas.alone():
            for device in self._replicas.devices:
                device.synchronize()
        self._pages.close()

    def _feed(self, name: str, value: Any) -> None:
        super()._feed(name, value)
        self.changed(name)

    def _begin(self, is_train: bool, at: BatchPosition) -> None:
        """Queue what a step needs: inputs and, if they are stale, weights and states; then the figures of the step."""
        replicas = self._replicas
        if replicas.place(is_train, at):
            self._recorded_steps = {}  # their kernels have the old position among their arguments
        if at.global_rows == self.rows:
            self.count_over(self.arg_dict)
        for device in replicas.devices:
            device.inward.wait_event(device.mark())  # the last step may still read what is overwritten
        # In the order in which forward reads them. It begins once the batch and the first stretch have arrived; it
        # waits for each later stretch when it gets there (see _between).
        first, *others = replicas.stretches
        self._send({*first.names, *replicas.batched})
        for device in replicas.devices:
            device.stream.wait_event(device.mark(device.inward))
        for stretch in others:
            self._send({*stretch.names} - replicas.batched)
            self._arriving[stretch] = [device.mark(device.inward) for device in replicas.devices]
        replicas.set_now(at.number, 0, Update(), self._counts)
        self._stale = False

    def _send(self, names: set[str]) -> None:
        """Queue copies of host arrays to every GPU: of inputs, and of all others if the GPUs' are stale."""
        wanted = names if self._stale else names & self._replicas.batched
        here = {**self.arg_dict, **self.aux_dict}
        for index, (device, replica) in enumerate(zip(self._replicas.devices, self._replicas.replicas, strict=True)):
            there = replica.binding.variables(None)
            for name in wanted:
                device.upload(there[name], self._replicas.rows_of(here[name], name, index), device.inward)

    def _recorded_step(self, trains: bool, is_train: bool) -> RecordedStep[Pause]:
        key = trains, is_train
        if key not in self._recorded_steps:
            body = self._replicas.train if trains else self._replicas.infer
            self._recorded_steps[key] = RecordedStep(
                self._replicas.devices, body, self._between, self._replicas.records
            )
        return self._recorded_steps[key]

    def _between(self, pause: Pause) -> None:
        """Between two segments of a step: fetch the gradients that are final, or wait for weights that come next."""
        if isinstance(pause, Bucket):
            self._fetch(pause)
            return
        for device, event in zip(self._replicas.devices, self._arriving[pause], strict=True):
            device.stream.wait_event(event)

    def _fetch(self, bucket: Bucket) -> None:
        """Queue the bucket's sum over GPUs and its copy to the host, beside backward."""
        replicas = self._replicas
        replicas.sum(bucket)
        replicas.unscale(bucket)
        if replicas.collective is not None:
            replicas.collective.tell(replicas.devices[0].outward)
        # A sum is the same on all GPUs, so the first one's will do; of what the batch cuts each has its own rows.
        cut = [name for name in bucket.names if name in replicas.batched]
        others = range(1, len(replicas.devices)) if cut else ()
        self._leaving.append((bucket, [self._download(0, bucket.names), *(self._download(i, cut) for i in others)]))

    def _download(self, index: int, names: Iterable[str]) -> Any:
        """Queue copies of GPU `index`'s gradients to the host; gives the event of their arrival."""
        device, source = self._replicas.devices[index], self._replicas.replicas[index].binding.gradients
        device.outward.wait_event(device.mark())  # until the stream that computes and unscales gradients has done so
        for name in names:
            host = self._replicas.rows_of(self._binding.gradients[name], name, index)
            device.download(host, source[name], device.outward)
        return device.mark(device.outward)

    def _fetch_results(self, is_train: bool) -> None:
        """Copy outputs, and states after training, to the host; wait for them and raise what kernels found wrong."""
        replicas = self._replicas
        if replicas.collective is not None:
            replicas.collective.join()
        for device, replica, (first, last) in zip(replicas.devices, replicas.replicas, replicas.parts, strict=True):
            for host, output in zip(self.outputs, replica.outputs, strict=True):
                device.download(host[first:last] if last - first < self.rows else host, output, device.stream)
        # Every GPU has the same states after their mean, so the first one's will do.
        for name, state in replicas.replicas[0].binding.auxiliaries.items() if is_train else ():
            replicas.devices[0].download(self.aux_dict[name], state, replicas.devices[0].stream)
        for device in replicas.devices:
            device.stream.synchronize()
        replicas.look()
