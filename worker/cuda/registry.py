"""Which CUDA kernel stands in for an operator, or a fused chain of them, in float32.

There is one maker per operator, which returns None for what only the plain version on cupy's arrays covers. `last`
tells which arrays lie with channels last, in the type of `precision` (see execution/gpu/channels_last.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..array import Shape
from ..ops.kernel import Kernel
from ..ops.operator import Operator
from .device import Device

Shapes = Sequence[Shape]
Last = tuple[bool, bool]  # whether the first input, and the first output, lie with channels last
Maker = Callable[[Device, str, Sequence[Any], Shapes, Shapes, Last], Kernel | None]


def kernel_for(
    device: Device,
    precision: str,
    chain: Sequence[Operator],
    in_shapes: Shapes,
    out_shapes: Shapes,
    dtype: np.dtype[Any],
    last: Last = (False, False),
) -> Kernel:
    """The kernel for `chain`, or the operator itself, whose plain version runs on cupy's arrays.

    precision: "float32", "tf32", "float16" or "bfloat16", of products and convolutions. The shapes are those of the
    chain's inputs and outputs. To be called while the device is active, as kernels reserve memory. Raises ValueError if
    no kernel computes the chain's operators together.
    """
    name = chain[0].op_name()
    if chain[0].asks_host:  # such a step cannot be captured; see HostCall
        from .host_call import HostCall

        return HostCall(chain[0])
    if dtype == np.float32 and name in _MAKERS:
        made = _MAKERS[name](device, precision, chain, in_shapes, out_shapes, last)
        if made is not None:
            return made
    if len(chain) > 1:  # there is no plain version of a chain: fusion must not have offered it
        raise ValueError(f"no kernel for the chain {[member.op_name() for member in chain]}")
    return chain[0]


def _convolution(
    device: Device, precision: str, chain: Sequence[Any], ins: Shapes, outs: Shapes, last: Last
) -> Kernel | None:
    from .kernels.convolution import convolution_kernel

    return convolution_kernel(device, chain[0], ins, outs, _activation_behind(chain), precision, last)


def _deconvolution(
    device: Device, precision: str, chain: Sequence[Any], ins: Shapes, outs: Shapes, last: Last
) -> Kernel | None:
    from .kernels.convolution import DeconvolutionKernel

    return DeconvolutionKernel(device, chain[0], ins, outs, precision)


def _fully_connected(
    device: Device, precision: str, chain: Sequence[Any], ins: Shapes, outs: Shapes, last: Last
) -> Kernel | None:
    from .kernels.fully_connected import FullyConnectedKernel

    return FullyConnectedKernel(device, chain[0], _activation_behind(chain), precision)


def _activation(
    device: Device, precision: str, chain: Sequence[Any], ins: Shapes, outs: Shapes, last: Last
) -> Kernel | None:
    from .kernels.activation import ActivationKernel
    from .kernels.channels_last import ChannelsLastActivationKernel

    act_type = getattr(chain[0], "act_type", chain[0].op_name())  # Activation, or relu, sigmoid ... by their names
    if last[0]:
        return ChannelsLastActivationKernel(device, act_type, ins[0], precision)
    return ActivationKernel(device, act_type)


def _add(device: Device, precision: str, chain: Sequence[Any], ins: Shapes, outs: Shapes, last: Last) -> Kernel | None:
    from .kernels.add import AddKernel

    act_type = _activation_behind(chain)
    # A sum alone, in C order, is one kernel of cupy's already.
    return AddKernel(device, act_type, ins[0], precision if last[0] else None) if act_type or last[0] else None


def _clip(device: Device, precision: str, chain: Sequence[Any], ins: Shapes, outs: Shapes, last: Last) -> Kernel | None:
    from .kernels.channels_last import ChannelsLastClipKernel

    return ChannelsLastClipKernel(device, chain[0], ins[0], precision) if last[0] else None


def _concat(
    device: Device, precision: str, chain: Sequence[Any], ins: Shapes, outs: Shapes, last: Last
) -> Kernel | None:
    from .kernels.channels_last import ChannelsLastConcatKernel

    return ChannelsLastConcatKernel(device, ins, outs[0], precision) if last[0] else None


def _pooling(
    device: Device, precision: str, chain: Sequence[Any], ins: Shapes, outs: Shapes, last: Last
) -> Kernel | None:
    from .kernels.pooling import pool_kernel

    return pool_kernel(device, chain[0], ins[0], outs[0], precision if last[0] else None)


def _batch_norm(
    device: Device, precision: str, chain: Sequence[Any], ins: Shapes, outs: Shapes, last: Last
) -> Kernel | None:
    from .kernels.batch_norm import batch_norm_kernel

    return batch_norm_kernel(device, chain[0], ins[0], _activation_behind(chain), precision if last[0] else None)


def _softmax_output(
    device: Device, precision: str, chain: Sequence[Any], ins: Shapes, outs: Shapes, last: Last
) -> Kernel | None:
    from .kernels.softmax_output import SoftmaxOutputKernel

    return SoftmaxOutputKernel(device, chain[0])


def _dropout(
    device: Device, precision: str, chain: Sequence[Any], ins: Shapes, outs: Shapes, last: Last
) -> Kernel | None:
    from .kernels.dropout import DropoutKernel

    return None if chain[0].axes else DropoutKernel(device, chain[0])


def _embedding(
    device: Device, precision: str, chain: Sequence[Any], ins: Shapes, outs: Shapes, last: Last
) -> Kernel | None:
    from .kernels.embedding import EmbeddingKernel

    return EmbeddingKernel(device, chain[0])


def _activation_behind(chain: Sequence[Any]) -> str | None:
    return str(chain[1].act_type) if len(chain) > 1 else None


_MAKERS: dict[str, Maker] = {
    "Convolution": _convolution,
    "Deconvolution": _deconvolution,
    "FullyConnected": _fully_connected,
    "Activation": _activation,
    "elemwise_add": _add,
    "add_n": _add,
    "clip": _clip,
    "Concat": _concat,
    "Pooling": _pooling,
    "BatchNorm": _batch_norm,
    "CuDNNBatchNorm": _batch_norm,
    "SoftmaxOutput": _softmax_output,
    "Dropout": _dropout,
    "Embedding": _embedding,
    **dict.fromkeys(("relu", "sigmoid", "tanh", "softsign"), _activation),
}
