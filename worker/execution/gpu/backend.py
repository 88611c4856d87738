"""What programs on a GPU are made of: its memory, what its kernels fuse, and which kernels there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...array import Array, Shape
from ...cuda.cudnn import Cudnn
from ...cuda.device import Device
from ...cuda.kernels.add import add_to
from ...cuda.loss_scale import ScaledLoss
from ...cuda.registry import kernel_for
from ...graphs.node import Entry, Node
from ...ops.kernel import Kernel
from ...ops.operator import Operator
from ..fusion import extends_on_host, fuse, is_pooling
from ..memory_format import Format, Formats
from .channels_last import ChannelsLast, adds_two, formats


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
        """Convolutions, fully connected layers, normalisations and sums with the activation behind them."""
        return fuse(nodes, heads, _extends if dtype == np.float32 else None)

    def formats(
        self,
        groups: Sequence[Sequence[Node]],
        heads: Sequence[Entry],
        shapes: Mapping[Entry, Shape],
        dtype: np.dtype[Any],
    ) -> Formats:
        """Around convolutions of cuDNN on tensor cores, which read nothing else without a copy: with channels last."""
        on_tensor_cores = self.precision != "float32" and dtype == np.float32 and Cudnn.of(self.device) is not None
        return formats(groups, heads, shapes, self.precision) if on_tensor_cores else {}

    def add(self, total: Array, addend: Array) -> None:
        """See Backend."""
        if total.dtype == np.uint16 or not total.flags.c_contiguous:
            add_to(self.device, total, addend, self.precision)
        else:
            total += addend

    def kernel_for(
        self,
        chain: Sequence[Operator],
        in_shapes: Sequence[Shape],
        out_shapes: Sequence[Shape],
        dtype: Any,
        formats: Sequence[Format] = (),
    ) -> Kernel:
        """See Backend."""
        first, result = (isinstance(one, ChannelsLast) for one in formats or (None, None))
        shapes = in_shapes, out_shapes
        kernel = kernel_for(self.device, self.precision, chain, *shapes, np.dtype(dtype), (first, result))
        is_scaled = self.precision == "float16" and chain[0].is_loss
        return ScaledLoss(self.device, kernel) if is_scaled else kernel


def _extends(group: Sequence[Node], node: Node) -> bool:
    if len(group) == 1 and node.op is not None and node.op.op_name() == "Activation" and _takes_activation(group[0]):
        return True
    return not is_pooling(node) and extends_on_host(group, node)


def _takes_activation(node: Node) -> bool:
    op: Any = node.op
    if adds_two(op):
        return all(source.op is not None for source, _ in node.inputs)  # whose arrays are without gaps
    return op.op_name() in ("BatchNorm", "CuDNNBatchNorm") and not op.output_mean_var
