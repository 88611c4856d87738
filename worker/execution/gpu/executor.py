"""A symbol graph bound to arrays of one GPU."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ....common.errors import DeviceError
from ...array import Array, Shape
from ...cuda.device import Device
from ...cuda.step import Update
from ...graphs.graph import Graph
from ...ops.batch_position import BatchPosition
from ..bound_arrays import Binding, as_array
from ..executor_base import Announce, BaseExecutor, check_shape
from ..reshaped_arrays import reshaped
from .backend import CudaBackend
from .gpu_errors import explained
from .recorded_step import RecordedStep
from .replica import Pause, Replica
from .replicas import WHOLE

_CUDA = 2  # DLPack's kDLCUDA


class CudaExecutor(BaseExecutor):
    """The counterpart of `Executor` with cupy arrays, each of its argument's, state's or output's shape.

    Work is queued in order with the caller's current stream, and methods return before it is done, unless an operator
    checks values, such as labels: then they wait, and raise DataError for wrong ones. The second call of a kind is
    recorded as a CUDA graph, which all later ones replay. All methods raise DeviceError if the GPU fails.
    """

    def __init__(self, symbol: Graph, replica: Replica) -> None:
        super().__init__(symbol, replica.binding, replica.outputs)
        self._replica, self._device = replica, replica.device
        self._counts: list[float] = []
        self._buckets = replica.buckets(WHOLE)  # one bucket: nobody waits for a part of the gradients
        self._recorded_steps: dict[tuple[str, bool], RecordedStep[Pause]] = {}

    @classmethod
    def simple_bind(
        cls,
        symbol: Graph,
        gpu: int,
        grad_req: Any,
        type_dict: Mapping[str, Any] | None,
        shapes: Mapping[str, Shape],
    ) -> CudaExecutor:
        """Bind to new arrays on GPU number `gpu`, all zeros; `shapes` are those of the inputs.

        Raises what Binding.allocate raises, and DeviceError if the GPU fails or has too little memory.
        """
        device = Device.get(gpu)
        with explained([device]), device.serving():
            replica = Replica.allocate(symbol, device, grad_req, shapes, (0, 0), type_dict=type_dict)
            return cls(symbol, replica)

    @classmethod
    def bind(cls, symbol: Graph, gpu: int, args: Any, args_grad: Any, grad_req: Any, aux_states: Any) -> CudaExecutor:
        """Bind to the caller's arrays, by name or in order, which lie on that GPU: cupy's, or others with DLPack.

        Raises what Binding.adopt raises, and DeviceError for an array that lies elsewhere.
        """
        device = Device.get(gpu)

        def take(value: Any) -> Array:
            # No silent copy: results would go into the copy, and the caller's array would stay as it is.
            if not isinstance(value, device.xp.ndarray) and getattr(value, "__dlpack_device__", _on_host)()[0] == _CUDA:
                value = device.xp.from_dlpack(value)
            if not isinstance(value, device.xp.ndarray) or value.device.id != device.index:
                what = f"{type(value).__module__}.{type(value).__name__} of shape {getattr(value, 'shape', None)}"
                raise DeviceError(
                    f"bind on {device}: an array that lies elsewhere", got=what, remedy="cupy.asarray copies it"
                )
            return value  # type: ignore[no-any-return]

        with explained([device]), device.serving():
            binding = Binding.adopt(symbol, args, args_grad, grad_req, aux_states, take)
            return cls(symbol, Replica(symbol, binding, device, CudaBackend(device), (0, binding.rows())))

    def reshape(self, partial_shaping: bool = False, allow_up_sizing: bool = False, **shapes: Shape) -> CudaExecutor:
        """An executor for other `shapes` of inputs that shares the arrays whose shape stays."""
        device = self._device
        with explained([device]), device.serving():
            backend = CudaBackend(device)
            binding = reshaped(self._replica.binding, shapes, partial_shaping, backend.zeros)
            return CudaExecutor(self.symbol, Replica(self.symbol, binding, device, backend, (0, binding.rows())))

    def forward(self, is_train: bool = False, **inputs: Any) -> list[Array]:
        """Copy `inputs`, numpy's or cupy's arrays, into the arguments of those names and queue the outputs.

        Returns the outputs. Raises ParameterError for an unknown name and ShapeError for an array of another shape.
        """
        with explained([self._device]), self._device.serving():
            return super().forward(is_train, **inputs)

    def compute(self, is_train: bool, at: BatchPosition) -> None:
        """Queue the outputs, and wait for them only if an operator checks values."""
        with explained([self._device]), self._device.serving():
            self._prepare(is_train, at)
            self._run("forward", self._forward)
            self._look()

    def backward(self, out_grads: Any = None, announce: Announce | None = None) -> None:
        """Queue the gradients of the last forward(is_train=True), then call `announce(name, gradient)` for each.

        `out_grads`: one array per output, of its shape, or one array; ones if left out. Raises GraphError for another
        number of arrays and ShapeError for another shape.
        """
        with explained([self._device]), self._device.serving():
            # Given gradients may lie elsewhere in each call, and a graph would hold the addresses of the first ones.
            if out_grads is None:
                self._run("backward", self._backward)
            else:
                self._replica.backward(self._head_grads(out_grads, self._take))
            self._look()
        self._announce(announce)

    def forward_backward(self, announce: Announce | None = None, at: BatchPosition | None = None) -> None:
        """Queue a training step; `announce(name, gradient)` is called for each gradient once all are queued."""
        with explained([self._device]), self._device.serving():
            self._prepare(True, self._position(at))
            self._run("both", self._both)
            self._look()
        self._announce(announce)

    def count_over(self, whole: Mapping[str, Array]) -> None:
        """For losses that normalise over the global batch: count in `whole`, its labels by argument name.

        Labels are host arrays, with all rows of the global batch.
        """
        self._counts = self._replica.counts(whole)

    def _forward(self, _: int) -> Iterator[Pause]:
        return self._replica.forward()

    def _backward(self, _: int) -> Iterator[Pause]:
        self._replica.backward([None] * len(self.outputs))
        yield from ()  # makes this a generator, whose work is queued when RecordedStep advances it, not before

    def _both(self, _: int) -> Iterator[Pause]:
        return self._replica.forward_backward(self._buckets)

    def _prepare(self, is_train: bool, at: BatchPosition) -> None:
        if self._replica.place(is_train, at):
            self._recorded_steps = {}  # their kernels have the old position among their arguments
        # Labels are counted on the host, so with such a loss this waits for what has been queued before.
        counting = self._replica.binding.counting
        if counting and at.global_rows == self.rows:
            self.count_over({label: self.arg_dict[label].get() for _, _, label in counting})  # type: ignore[attr-defined]
        self._replica.step.set_now(at.number, 0, Update(), self._counts)

    def _run(self, what: str, body: Any) -> None:
        key = what, self._replica.step.is_train  # operators such as Dropout queue other work for training
        if key not in self._recorded_steps:
            self._recorded_steps[key] = RecordedStep([self._device], body, self._nothing_between, self._replica.records)
        self._recorded_steps[key].run()

    def _look(self) -> None:
        """Raise what kernels have found wrong; waits for the GPU, so only if some kernel looks for anything."""
        if self._replica.step.complaints:
            self._replica.step.complaints.look()

    def _announce(self, announce: Announce | None) -> None:
        if announce is not None:
            for name, gradient in self._replica.binding.gradients.items():
                announce(name, gradient)

    def _nothing_between(self, _: Pause) -> None:
        """Between segments: nothing to do, as nobody waits for a part of the gradients of a lone GPU."""

    def _copy(self, name: str, target: Array, value: Any) -> None:
        given = self._take(value)
        check_shape(name, target, given)
        target[...] = given.astype(target.dtype, copy=False)

    def _take(self, value: Any) -> Array:
        """`value` as an array of the same shape on this GPU, from wherever it lies."""
        xp = self._device.xp
        if isinstance(value, xp.ndarray):
            return xp.asarray(value)  # type: ignore[no-any-return]
        if getattr(value, "__dlpack_device__", _on_host)()[0] == _CUDA:
            return xp.from_dlpack(value)  # type: ignore[no-any-return]
        return xp.asarray(np.ascontiguousarray(as_array(value)))  # type: ignore[no-any-return]


def _on_host() -> tuple[int, int]:
    """The answer of `__dlpack_device__` for arrays in host memory: kDLCPU, device 0."""
    return 1, 0
