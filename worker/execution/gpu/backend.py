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
from ..fusion import extends_anywhere, fuse, is_pooling
from ..memory_format import Format, Formats
from .channels_last import ChannelsLast, adds_two, formats


class CudaBackend:
    """The Backend of one GPU; to be used while the device is active. Methods only queue work.

    `precision` is that of convolutions and products: "float32", "tf32", "float16" or "bfloat16".
    """

    def __init__(self, device: Device, precision: str = "float32") -> None:
        self.device, self.precision = device, precision

    def empty(self, shape: Shape, dtype: Any) -> Array:
        """A cupy array of `shape` on this GPU with undefined contents."""
        return self.device.empty(shape, dtype)

    def zeros(self, shape: Shape, dtype: Any) -> Array:
        """A cupy array of zeros of `shape` on this GPU."""
        return self.device.zeros(shape, dtype)

    def fuse(
        self, nodes: Sequence[Node], heads: Sequence[Entry], dtype: np.dtype[Any], trains: bool = True
    ) -> list[list[Node]]:
        """Groups of a convolution, fully connected layer, normalisation or sum with the activation behind it; in other
        types than float32 every node is its own.
        """
        return fuse(nodes, heads, _extends if dtype == np.float32 else None)

    def formats(
        self,
        groups: Sequence[Sequence[Node]],
        heads: Sequence[Entry],
        shapes: Mapping[Entry, Shape],
        dtype: np.dtype[Any],
    ) -> Formats:
        """Channels last for values around convolutions, if cuDNN computes these on tensor cores: those read no other
        format without making a copy first.
        """
        on_tensor_cores = self.precision != "float32" and dtype == np.float32 and Cudnn.of(self.device) is not None
        return formats(groups, heads, shapes, self.precision) if on_tensor_cores else {}

    def add(self, total: Array, addend: Array) -> None:
        """Add one gradient to another of the same shape and format, in place."""
        # cupy would take 16-bit floats, which are kept as uint16, for whole numbers.
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
        """The GPU's kernel for the chain, or its first operator on cupy's arrays if there is none.

        A loss in float16 also multiplies its gradients by the step's scale (see cuda/loss_scale.py).
        """
        first, result = (isinstance(one, ChannelsLast) for one in formats or (None, None))
        shapes = in_shapes, out_shapes
        kernel = kernel_for(self.device, self.precision, chain, *shapes, np.dtype(dtype), (first, result))
        is_scaled = self.precision == "float16" and chain[0].is_loss
        return ScaledLoss(self.device, kernel) if is_scaled else kernel


def _extends(group: Sequence[Node], node: Node) -> bool:
    """As `extends_anywhere`, but never with a pooling, and with activations behind normalisations and sums as well."""
    if len(group) == 1 and node.op is not None and node.op.op_name() == "Activation" and _takes_activation(group[0]):
        return True
    return not is_pooling(node) and extends_anywhere(group, node)


def _takes_activation(node: Node) -> bool:
    op: Any = node.op
    if adds_two(op):
        # The kernel wants arrays without gaps; computed values have none, an argument that a user has bound may.
        return all(source.op is not None for source, _ in node.inputs)
    return op.op_name() in ("BatchNorm", "CuDNNBatchNorm") and not op.output_mean_var
