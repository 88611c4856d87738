"""Convolution, bias, max-pooling and a monotone activation as one kernel for float32 on the CPU.

The batch is worked off in chunks whose patches fit the second-level cache. Patches are made again in backward: copying
them costs a tenth of the GEMM, while keeping those of the whole batch would take memory and leave the cache.

Two classes make the products: PatchRows for many input channels, DealtColumns for few.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..array import Arrays, Gradients, Shape, aligned_empty, aligned_zeros
from ..ops.operator import Step
from .activation import activate, multiply_by_slope
from .convolution_by_window import DealtColumns
from .convolution_rows import PatchRows

if TYPE_CHECKING:
    from ..ops.convolution import Convolution

# Bytes of patches. 768 KiB leaves room for the GEMM's packed panels in 1 MiB of second-level cache; LeNet's second
# convolution ran one and a half times as fast in chunks that fit as with the patches of the whole batch.
CHUNK_BYTES = 768 * 1024
# For DealtColumns, whose GEMMs take one image each and leave products that are as large as the patches.
DEALT_CHUNK_BYTES = 256 * 1024
FEW_CHANNELS = 16  # a run of kw * C numbers shorter than this is copied faster plane by plane


def patches_fit(op: Convolution, data: Shape) -> bool:
    """Whether the patches of one image of data (n, C, H, W) fit into the cache; else this kernel has no advantage."""
    out = op.infer_shape([data, *[None] * (len(op.arguments()) - 1)], [None])[1][0]
    depth = data[1] * op.kernel[0] * op.kernel[1]
    return out is not None and 4 * out[2] * out[3] * depth <= CHUNK_BYTES


class ConvolutionKernel:
    """Forward and backward of convolution -> max-pooling with `window` -> activation, for one slice of the batch.

    data (n, C, H, W), weight (F, C, kh, kw), bias (F,) -> (n, F, PH, PW).
    """

    def __init__(self, op: Convolution, data: Shape, window: tuple[int, int], act_type: str | None = None) -> None:
        self.act_type = act_type
        out = op.infer_shape([data, *[None] * (len(op.arguments()) - 1)], [None])[1][0]
        assert out is not None
        plane, few = (out[2], out[3]), data[1] * op.kernel[1] < FEW_CHANNELS
        image_bytes = 4 * plane[0] * plane[1] * data[1] * op.kernel[0] * op.kernel[1]
        # The image's patches decide how many images make a chunk, at least one.
        self.chunk = max(1, min(data[0], (DEALT_CHUNK_BYTES if few else CHUNK_BYTES) // image_bytes))
        self.products: DealtColumns | PatchRows = (DealtColumns if few else PatchRows)(
            op, data, plane, window, self.chunk
        )
        self.no_bias = aligned_zeros((op.num_filter,))
        # The unpooling loops always add up the bias's gradient; here, if nobody asks for it or there is no bias.
        self.unused_bias_grad = aligned_empty((op.num_filter,))
        self.slope = aligned_empty((data[0], op.num_filter, plane[0] // window[0], plane[1] // window[1]))

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """Write the pooled, activated output, and remember for backward where each maximum was."""
        self.products.arrange_weight(inputs[1])  # each time, as every training step changes it
        bias, out = (inputs[2] if len(inputs) > 2 else self.no_bias), outputs[0]
        for first in range(0, len(out), self.chunk):
            part = slice(first, first + self.chunk)
            self.products.convolve(inputs[0][part], bias, out[part], first)
        if self.act_type:
            activate(self.act_type, out)

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """Write the gradients of data, weight and bias, those that are asked for."""
        grad, (data_grad, weight_grad) = out_grads[0], in_grads[:2]
        if self.act_type:
            grad = multiply_by_slope(self.act_type, outputs[0], grad, self.slope)
        bias_grad = in_grads[2] if len(inputs) > 2 and in_grads[2] is not None else self.unused_bias_grad
        bias_grad.fill(0)  # chunks add to both, in order
        if weight_grad is not None:
            weight_grad.fill(0)
        for first in range(0, len(grad), self.chunk):
            part = slice(first, first + self.chunk)
            product_grad = self.products.unpool(grad[part], bias_grad, first)
            if weight_grad is not None:
                self.products.add_weight_grad(inputs[0][part], product_grad, weight_grad)
            if data_grad is not None:
                self.products.data_grad(product_grad, data_grad[part])
