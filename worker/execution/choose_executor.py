"""From contexts to the executor that computes there. Code for GPUs is imported only when one is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...common.errors import ParameterError
from ..array import Rows, Shape
from ..context import current_context
from ..devices.placement import Placement
from ..graphs.graph import Graph
from .bound_arrays import Places
from .executor import Executor
from .executor_base import BaseExecutor, StepExecutor


def simple_bind(
    symbol: Graph,
    ctx: Any,
    grad_req: Any,
    type_dict: Mapping[str, Any] | None,
    slices: int | None,
    shapes: Mapping[str, Shape],
) -> BaseExecutor:
    """An executor with arrays of its own where `ctx` says (None: in the current context); see Symbol.simple_bind.

    Raises ParameterError for several GPUs, or for `slices` on a GPU; DeviceError if the GPU cannot be used; and
    GraphError or ShapeError if `shapes` do not determine all others or contradict each other.
    """
    gpu = _lone_gpu(ctx)
    if gpu is None:
        return Executor.simple_bind(symbol, grad_req, type_dict, slices, **shapes)
    if slices is not None:
        raise ParameterError("slices", expected="None on a GPU, which computes a batch as a whole", got=slices)
    from .gpu.executor import CudaExecutor

    return CudaExecutor.simple_bind(symbol, gpu, grad_req, type_dict, shapes)


def bind(symbol: Graph, ctx: Any, args: Any, args_grad: Any, grad_req: Any, aux_states: Any) -> BaseExecutor:
    """An executor on the caller's arrays, which lie where `ctx` says; see Symbol.bind.

    Raises ParameterError for several GPUs, DeviceError if the GPU cannot be used or an array lies elsewhere, and
    GraphError or ShapeError if the arrays do not fit the graph.
    """
    gpu = _lone_gpu(ctx)
    if gpu is None:
        return Executor.bind(symbol, args, args_grad, grad_req, aux_states)
    from .gpu.executor import CudaExecutor

    return CudaExecutor.bind(symbol, gpu, args, args_grad, grad_req, aux_states)


def bind_share(
    symbol: Graph,
    placement: Placement,
    grad_req: Any,
    slices: Sequence[Rows],
    shapes: Mapping[str, Shape],
    places: Places | None = None,
    precision: str = "float32",
) -> StepExecutor:
    """An executor with arrays in host memory for a worker's share of a global batch, wherever it computes.

    `shapes` are those of the inputs for this share; `slices` are row ranges of it, used if there is no GPU. `places`
    holds arrays that already exist. Raises GraphError or ShapeError if the graph cannot be bound or cut over several
    devices, ParameterError if a device would get no row, and DeviceError if a GPU fails.
    """
    if not placement.gpus:
        return Executor.for_share(symbol, grad_req, slices, shapes, places)
    from .gpu.host_memory_executor import HostedExecutor

    if not placement.is_mixed:
        return HostedExecutor(symbol, placement, grad_req, shapes, places, precision)
    from .mixed_executor import MixedExecutor

    return MixedExecutor(symbol, placement, grad_req, shapes, places, precision)


def _lone_gpu(ctx: Any) -> int | None:
    """The index of the GPU that `ctx` names, None for the processor. ParameterError if it names more than one GPU."""
    placement = Placement.of(current_context() if ctx is None else ctx)
    if placement.gpus and len(placement.contexts) > 1:
        raise ParameterError(
            "a bound executor computes on one GPU",
            got=str(list(placement.contexts)),
            remedy="FeedForward takes a list of contexts",
        )
    return placement.gpus[0] if placement.gpus else None
