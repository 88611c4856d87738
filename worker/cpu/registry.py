"""Which compiled kernel stands in for an operator (or a fused chain of them) on the CPU in float32.

There is one maker per operator. It looks at parameters and shapes, and returns None for what only the plain version
covers. Makers import their kernels when they need them: declaring a compiled loop imports numba.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..array import Shape
from ..ops.kernel import Kernel
from ..ops.operator import Operator
from .choose_convolution import choose_convolution


def kernel_for(
    chain: Sequence[Operator],
    in_shapes: Sequence[Shape],
    out_shapes: Sequence[Shape],
    dtype: Any,
    rows: int | None = None,
) -> Kernel:
    """The compiled kernel for `chain`, or the operator itself, whose plain version works everywhere.

    `chain` is one operator, or several that execution/fusion.py joined; the shapes are those of the chain's inputs and
    outputs, `dtype` is that of its arrays. The kernel is the one that would be chosen for so many `rows` of the batch,
    by default for all. Raises ValueError if no kernel computes several operators together.
    """
    op: Any = chain[0]
    if op.op_name() == "Custom":
        from ..ops.custom import CustomCall

        # The user's object may keep values between forward and backward, so each bound node gets its own.
        return CustomCall(op)
    if np.dtype(dtype) == np.float32:
        maker = _MAKERS.get(op.op_name(), _no_kernel)
        # Convolutions alone are chosen by the number of rows.
        if maker is choose_convolution:
            made = choose_convolution(chain, in_shapes, out_shapes, rows)
        else:
            made = maker(chain, in_shapes, out_shapes)
        if made is not None:
            return made
    if len(chain) > 1:  # there is no plain version of a chain: fusion must not have offered it
        raise ValueError(f"no kernel for the chain {[member.op_name() for member in chain]}")
    return chain[0]


def pooling_tiles(op: Any) -> bool:
    """Whether `op` is a two-dimensional max-pooling whose windows lie side by side: no overlap, no padding."""
    return bool(
        op.pool_type == "max"
        and not op.global_pool
        and len(op.kernel) == 2
        and tuple(op.stride or (1, 1)) == tuple(op.kernel)
        and not any(op.pad or ())
        and op.pooling_convention == "valid"
        and op.layout in (None, "NCHW")
    )


def _fully_connected(chain: Sequence[Any], in_shapes: Sequence[Shape], out_shapes: Sequence[Shape]) -> Kernel | None:
    from .fully_connected import FullyConnectedKernel

    return FullyConnectedKernel(chain[0], chain[1].act_type if len(chain) > 1 else None)


def _activation(chain: Sequence[Any], in_shapes: Sequence[Shape], out_shapes: Sequence[Shape]) -> Kernel | None:
    from .activation import ActivationKernel

    return ActivationKernel(chain[0].act_type)


def _unary(chain: Sequence[Any], in_shapes: Sequence[Shape], out_shapes: Sequence[Shape]) -> Kernel | None:
    from .activation import ActivationKernel

    return ActivationKernel(chain[0].op_name())


def _add(chain: Sequence[Any], in_shapes: Sequence[Shape], out_shapes: Sequence[Shape]) -> Kernel | None:
    from .adding import AddKernel

    return AddKernel(has_relu=len(chain) > 1)


def _clip(chain: Sequence[Any], in_shapes: Sequence[Shape], out_shapes: Sequence[Shape]) -> Kernel | None:
    from .clipping import ClipKernel

    return ClipKernel(chain[0])


def _pad(chain: Sequence[Any], in_shapes: Sequence[Shape], out_shapes: Sequence[Shape]) -> Kernel | None:
    if chain[0].mode != "constant" or len(in_shapes[0]) != 4:
        return None
    from .padding import PadKernel

    return PadKernel(chain[0])


def _embedding(chain: Sequence[Any], in_shapes: Sequence[Shape], out_shapes: Sequence[Shape]) -> Kernel | None:
    from .embedding import EmbeddingKernel

    return EmbeddingKernel(chain[0])


def _pooling(chain: Sequence[Any], in_shapes: Sequence[Shape], out_shapes: Sequence[Shape]) -> Kernel | None:
    op, data, out = chain[0], in_shapes[0], out_shapes[0]
    from .plane_sums import PlaneSumKernel
    from .pooling import PoolKernel
    from .whole_plane_maximum import WholePlaneMaximumKernel

    if op.pool_type == "lp" or op.to_first():
        return None
    # A window that covers the plane leaves one number: a reduction along each plane, without any layout of windows.
    if op.global_pool or (out[2:] == (1, 1) and tuple(op.kernel) == data[2:] and not any(op.pad)):
        return WholePlaneMaximumKernel(data) if op.pool_type == "max" else PlaneSumKernel(data, op.pool_type == "avg")
    # PoolKernel keeps the number of the winning tap as an int16.
    return PoolKernel(op, data, out) if len(data) == 4 and math.prod(op.kernel) < 1 << 15 else None


def _softmax_output(chain: Sequence[Any], in_shapes: Sequence[Shape], out_shapes: Sequence[Shape]) -> Kernel | None:
    from .softmax import SoftmaxOutputKernel, handles

    return SoftmaxOutputKernel(chain[0]) if handles(chain[0], in_shapes) else None


def _dropout(chain: Sequence[Any], in_shapes: Sequence[Shape], out_shapes: Sequence[Shape]) -> Kernel | None:
    if chain[0].axes:  # one decision for a whole axis: the kernel decides element by element
        return None
    from .dropout import DropoutKernel

    return DropoutKernel(chain[0])


def _batch_norm(chain: Sequence[Any], in_shapes: Sequence[Shape], out_shapes: Sequence[Shape]) -> Kernel | None:
    from .batch_norm import BatchNormKernel

    return BatchNormKernel(chain[0], in_shapes[1][0], has_relu=len(chain) > 1)


def _deconvolution(chain: Sequence[Any], in_shapes: Sequence[Shape], out_shapes: Sequence[Shape]) -> Kernel | None:
    from .deconvolution import DeconvolutionKernel

    data, weight, out = in_shapes[0], in_shapes[1], out_shapes[0]
    # The convolution leads from the output of the deconvolution back to its data: shapes change places.
    convolution = choose_convolution([chain[0].convolution(data)], [out, weight], [data])
    return convolution and DeconvolutionKernel(convolution)


def _upsampling(chain: Sequence[Any], in_shapes: Sequence[Shape], out_shapes: Sequence[Shape]) -> Kernel | None:
    if chain[0].sample_type != "bilinear":
        return None
    # Bilinear upsampling is a deconvolution in which every channel is a group of its own.
    return _deconvolution([chain[0].deconvolution(in_shapes[0][1])], in_shapes, out_shapes)


def _rnn(chain: Sequence[Any], in_shapes: Sequence[Shape], out_shapes: Sequence[Shape]) -> Kernel | None:
    from .rnn import RnnKernel

    return RnnKernel(chain[0])


def _leaky_relu(chain: Sequence[Any], in_shapes: Sequence[Shape], out_shapes: Sequence[Shape]) -> Kernel | None:
    if chain[0].act_type == "rrelu":  # draws a random slope for each element
        return None
    from .leaky_relu import LeakyReLUKernel

    return LeakyReLUKernel(chain[0])


def _lrn(chain: Sequence[Any], in_shapes: Sequence[Shape], out_shapes: Sequence[Shape]) -> Kernel | None:
    from .lrn import LRNKernel

    return LRNKernel(chain[0], in_shapes[0])


def _permutation(chain: Sequence[Any], in_shapes: Sequence[Shape], out_shapes: Sequence[Shape]) -> Kernel | None:
    from .permutation import SHORTEST, PermutationKernel, run_length

    order = chain[0].order(len(in_shapes[0]))
    return PermutationKernel(order) if run_length(order, in_shapes[0]) >= SHORTEST else None


def _no_kernel(chain: Sequence[Any], in_shapes: Sequence[Shape], out_shapes: Sequence[Shape]) -> Kernel | None:
    return None


# By the operator's canonical name; in a chain, by that of its first operator.
_MAKERS: dict[str, Callable[[Sequence[Any], Sequence[Shape], Sequence[Shape]], Kernel | None]] = {
    "Convolution": choose_convolution,
    "FullyConnected": _fully_connected,
    "Activation": _activation,
    "Pooling": _pooling,
    "SoftmaxOutput": _softmax_output,
    "Dropout": _dropout,
    "RNN": _rnn,
    "UpSampling": _upsampling,
    "Deconvolution": _deconvolution,
    "BatchNorm": _batch_norm,
    "CuDNNBatchNorm": _batch_norm,
    "LeakyReLU": _leaky_relu,
    "LRN": _lrn,
    "Embedding": _embedding,
    "Pad": _pad,
    "clip": _clip,
    "elemwise_add": _add,
    "transpose": _permutation,
    "SwapAxis": _permutation,
    **dict.fromkeys(("relu", "sigmoid", "tanh", "softsign"), _unary),
}
