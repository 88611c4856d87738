"""What programs on a GPU are made of: its memory, what its kernels fuse, and which kernels there are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..array import Array, Shape
from ..fusion import extends_on_host, fuse, is_pooling
from ..graph import Entry, Node
from ..kernels.registry import Kernel
from ..ops.operator import Operator
from .device import Device
from .loss_scale import ScaledLoss
from .registry import kernel_for


class CudaBackend:
    """A Backend of one GPU; to be used while the device is active. `precision` is that of convolutions and products."""

    def __init__(self, device: Device, precision: str = "float32") -> None:
        self.device, self.precision = device, precision

    def empty(self, shape: Shape, dtype: Any) -> Array:
        """See Backend."""
        return self.device.empty(shape, dtype)

    def zeros(self, shape: Shape, dtype: Any) -> Array:
        """See Backend."""
        return self.device.zeros(shape, dtype)

    def fuse(self, nodes: Sequence[Node], heads: Sequence[Entry], dtype: np.dtype[Any]) -> list[list[Node]]:
        """Convolutions and fully connected layers with the activation behind them."""
        return fuse(nodes, heads, _extends if dtype == np.float32 else None)

    def kernel_for(
        self, chain: Sequence[Operator], in_shapes: Sequence[Shape], out_shapes: Sequence[Shape], dtype: Any
    ) -> Kernel:
        """See Backend."""
        kernel = kernel_for(self.device, self.precision, chain, in_shapes, out_shapes, np.dtype(dtype))
        is_scaled = self.precision == "float16" and chain[0].is_loss
        return ScaledLoss(self.device, kernel) if is_scaled else kernel


def _extends(group: Sequence[Node], node: Node) -> bool:
    return not is_pooling(node) and extends_on_host(group, node)
