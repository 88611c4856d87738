"""Which CUDA kernel stands in for an operator, or a chain of them, in float32."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..array import Shape
from ..kernels.registry import Kernel
from ..ops.operator import Operator
from .device import Device

Shapes = Sequence[Shape]
Maker = Callable[[Device, str, Sequence[Any], Shapes, Shapes], Kernel | None]

# Operators that look at values on the host in the middle of a step.
_ASK_HOST = ("Custom", "ROIPooling")


def needs_host(op: Operator) -> bool:
    """Whether the operator keeps a step from being captured."""
    return op.op_name() in _ASK_HOST


def kernel_for(
    device: Device,
    precision: str,
    chain: Sequence[Operator],
    in_shapes: Shapes,
    out_shapes: Shapes,
    dtype: np.dtype[Any],
) -> Kernel:
    """The kernel for `chain`, or the operator itself, whose plain version runs on cupy's arrays."""
    name = chain[0].op_name()
    if needs_host(chain[0]):
        from .host_call import HostCall

        return HostCall(chain[0])
    if dtype == np.float32 and name in _MAKERS:
        made = _MAKERS[name](device, precision, chain, in_shapes, out_shapes)
        if made is not None:
            return made
    if len(chain) > 1:
        raise ValueError(f"no kernel for the chain {[member.op_name() for member in chain]}")
    return chain[0]


_MAKERS: dict[str, Maker] = {}
