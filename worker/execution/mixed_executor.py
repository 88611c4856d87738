"""GPUs and the processor side by side: each computes some rows of a worker's share, and their gradients are added.

One HostedExecutor does the rows of all GPUs and one Executor those of the processor, at the same time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ...common.slices import share
from ..array import Array, Shape, aligned_zeros
from ..compute_threads import thread_count
from ..devices.placement import Placement, rows_by_load
from ..graphs.graph import Graph
from ..ops.batch_position import BatchPosition
from .bound_arrays import Binding, Places
from .executor import Executor
from .executor_base import Announce, StepExecutor
from .gpu.host_memory_executor import HostedExecutor
from .gpu.replicas import cut_arguments


class MixedExecutor(StepExecutor):
    """The GPUs compute the first rows and the processor the last ones, in proportion to the loads of `placement`.

    Both read the same weights in host memory. An auxiliary state is the mean of theirs, weighted by rows. The arrays of
    this executor have the shapes of the whole share.
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
        """Arguments are those of `bind_share`. Raises GraphError if the rows cannot be computed apart, ParameterError
        if a device would get no row, and what binding a graph raises.
        """
        binding = self._binding = Binding.allocate(symbol, grad_req, None, shapes, places)
        super().__init__(symbol, binding, [aligned_zeros(shape, binding.dtype) for shape in binding.output_shapes()])
        self._batched = cut_arguments(binding, self.rows, parts=2)
        gpus, rest = placement.only_gpus(), sum(placement.loads) - sum(placement.gpu_loads())
        (_, middle), _ = rows_by_load(self.rows, [sum(gpus.loads), rest])  # two parts: all GPUs, and the processor
        self._middle = middle
        first, last = self._inputs(shapes, 0, middle), self._inputs(shapes, middle, self.rows)
        # The GPUs' gradients lie where the sums belong, so that only the processor's need memory of their own;
        # except for what the batch cuts, of which each part writes its own rows.
        cut = {name: array for name, array in binding.gradients.items() if name in self._batched}
        self._gpus = HostedExecutor(
            symbol, gpus, grad_req, first, self._places(0, middle, binding.gradients), precision
        )
        threads = thread_count()
        parts = [share(self.rows - middle, i, threads) for i in range(threads)]
        self._processor = Executor.for_share(symbol, grad_req, parts, last, self._places(middle, self.rows, cut))

    def compute(self, is_train: bool, at: BatchPosition) -> None:
        """Compute the outputs, the GPUs' rows and the processor's side by side; wait until they are there."""
        self._side_by_side(at, lambda part, there: part.compute(is_train, there))
        if is_train:
            self._average_states()

    def forward_backward(self, announce: Announce | None = None, at: BatchPosition | None = None) -> None:
        """One training step; a gradient is announced by the thread that delivers the second part of it."""
        sums = _TwoPartSums(self._binding.gradients, self._batched, announce)
        self._hand_out_states()  # whoever trains may have changed them since the last step
        self._side_by_side(self._position(at), lambda part, there: part.forward_backward(sums.deliver, there))
        self._average_states()

    def copy_params_from(
        self,
        arg_params: Mapping[str, Any],
        aux_params: Mapping[str, Any] | None = None,
        allow_extra_params: bool = False,
    ) -> None:
        """Copy values into arguments and states by name, each of its argument's or state's shape.

        Raises ShapeError for another shape, and ParameterError for an unknown name unless `allow_extra_params`.
        """
        super().copy_params_from(arg_params, aux_params, allow_extra_params)
        # Both parts share our arguments but have states of their own.
        for part in (self._gpus, self._processor):
            part.copy_params_from({}, self.aux_dict)

    def count_over(self, whole: Mapping[str, Array]) -> None:
        """Tell both parts over what losses normalise: `whole` holds the global batch's labels, with all its rows."""
        self._gpus.count_over(whole)
        self._processor.count_over(whole)

    def show_overflow(self) -> None:
        """See StepExecutor.show_overflow: the processor's gradients do not overflow."""
        self._gpus.show_overflow()

    def close(self) -> None:
        """Wait for the GPUs and let go of memory that others own; the executor must not be used afterwards."""
        self._gpus.close()

    def _feed(self, name: str, value: Any) -> None:
        super()._feed(name, value)
        self._gpus.changed(name)  # the processor's part reads our array itself

    def _inputs(self, shapes: Mapping[str, Shape], first: int, last: int) -> dict[str, Shape]:
        return {name: (last - first, *shape[1:]) if name in self._batched else shape for name, shape in shapes.items()}

    def _places(self, first: int, last: int, gradients: Mapping[str, Array]) -> Places:
        """Our own arrays for one part to use: its rows of what follows the batch, everything else whole."""

        def part(arrays: Mapping[str, Array]) -> dict[str, Array]:
            return {n: array[first:last] if n in self._batched else array for n, array in arrays.items()}

        return Places(part(self.arg_dict), part(gradients))

    def _side_by_side(self, at: BatchPosition, work: Callable[[StepExecutor, BatchPosition], Any]) -> None:
        """Do `work` on both parts at once, then put the outputs together.

        Raises the GPUs' error, or else the processor's.
        """
        errors: list[BaseException] = []
        # Neither part has all rows of the batch, so neither counts labels by itself.
        if at.global_rows == self.rows:
            self.count_over(self.arg_dict)

        def on_processor() -> None:
            try:
                work(self._processor, at.behind(self._middle))
            except BaseException as error:
                errors.append(error)

        # This thread queues the GPUs' work and waits for it; the other one is the first of the processor's threads.
        thread = threading.Thread(target=on_processor, name="pushgrad-processor", daemon=True)
        thread.start()
        try:
            work(self._gpus, at)
        finally:
            thread.join()  # also after an error: nothing may still write to our arrays when this returns
        if errors:
            raise errors[0]
        for whole, top, bottom in zip(self.outputs, self._gpus.outputs, self._processor.outputs, strict=True):
            whole[: self._middle], whole[self._middle :] = top, bottom

    def _average_states(self) -> None:
        """After training, leave in all three places the mean of both parts' states, weighted by rows.

        Not after predictions: these change no state, and the rounding of a mean would.
        """
        weight = np.float32(self._middle / self.rows)
        for name, state in self.aux_dict.items():
            mine, other = self._gpus.aux_dict[name], self._processor.aux_dict[name]
            state[...] = weight * mine + (1 - weight) * other
        self._hand_out_states()

    def _hand_out_states(self) -> None:
        """Let both parts begin with our states."""
        for name, state in self.aux_dict.items():
            self._gpus.aux_dict[name][...] = self._processor.aux_dict[name][...] = state
            self._gpus.changed(name)


class _TwoPartSums:
    """Gradients that come in two parts, from two threads; the GPUs' part lies where the sum belongs.

    Of those named in `batched` each part has its own rows, which lie in place already.
    """

    def __init__(self, totals: Mapping[str, Array], batched: set[str], announce: Announce | None) -> None:
        self._totals, self._batched, self._announce = totals, batched, announce
        self._waiting: dict[str, Array] = {}
        self._lock = threading.Lock()

    def deliver(self, name: str, gradient: Array) -> None:
        """Take one part of a gradient, as its executor announces it. The thread that brings the second part announces
        the whole, and adds the two before if both are parts of a sum.

        A sum of two numbers is the same in either order, so the bits do not depend on which part comes first.
        """
        with self._lock:
            other = self._waiting.pop(name, None)
            if other is None:
                self._waiting[name] = gradient
        if other is None:
            return
        total = self._totals[name]
        if name not in self._batched:
            np.add(gradient, other, out=total)
        if self._announce is not None:
            self._announce(name, total)  # outside the lock: a store may take its time
