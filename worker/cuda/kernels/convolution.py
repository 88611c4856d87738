"""Convolution and its transpose on a GPU, by cuDNN where it can, by our own kernels elsewhere.

`math` says how products are computed; arrays are float32 in any case, sums too:
- "float32": operands as they are. "tf32": cuDNN may round them to 10 bits of mantissa and use tensor cores.
- "float16", "bfloat16": operands are rounded to that type, and results pass through it; weights stay float32 masters.
  Halves lie with channels last, as tensor cores read them; the copies between both layouts round in the same pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...array import Array, Shape
from ...ops.operator import Step
from ..arena import Arena, Claim
from ..cudnn import Convolution, Cudnn, Plan
from ..device import Device
from .convolution_base import BaseConvolution, ChannelBias, clear
from .convolution_columns import ColumnsConvolution

_ROLES = {  # of two operands and the target
    "fprop": ("image", "filters", "result"),
    "dgrad": ("result", "filters", "image"),
    "wgrad": ("image", "result", "filters"),
}
_ALIGNMENT = 16  # bytes, of all addresses that cuDNN is given
_HALVES = ("float16", "bfloat16")


def convolution_kernel(
    device: Device,
    op: Any,
    in_shapes: Sequence[Shape],
    out_shapes: Sequence[Shape],
    act_type: str | None = None,
    math: str = "float32",
) -> BaseConvolution:
    """The kernel for ops.convolution.Convolution and the activation behind it. Without cuDNN, `math` is "float32"."""
    cudnn = None if op.cudnn_off else Cudnn.of(device)
    if cudnn is None:
        return ColumnsConvolution(device, op, in_shapes, out_shapes, act_type)
    return ConvolutionKernel(device, op, in_shapes, out_shapes, act_type, math, cudnn)


class ConvolutionKernel(BaseConvolution):
    """See BaseConvolution. What cuDNN has no plan for goes to ColumnsConvolution, each of the three operations alone.

    The forward plan is made at once, those of the gradients when they are first asked for, which must not be while a
    graph is being captured. The parameter `workspace` of the operator (in MiB) bounds cuDNN's scratch memory.
    """

    def __init__(
        self,
        device: Device,
        op: Any,
        in_shapes: Sequence[Shape],
        out_shapes: Sequence[Shape],
        act_type: str | None,
        math: str,
        cudnn: Cudnn,
    ) -> None:
        super().__init__(device, op, in_shapes, out_shapes, act_type)
        self._cudnn, self._math = cudnn, math
        self._substitute: ColumnsConvolution | None = None
        self._shapes = {"image": self.data, "filters": self.weight, "result": self.out}
        self._halves: dict[str, Array] = {}
        self._in_backward = False
        self._rounded: Array | None = None  # in backward: the head gradient whose halves are there already
        sizes = [2 * int(np.prod(shape)) for shape in self._shapes.values()] if math in _HALVES else []
        self._claim = Claim(Arena.of(device, "halves"), sizes)
        if self.data[0]:
            self._plan("fprop")

    def backward(
        self,
        step: Step,
        out_grads: Sequence[Array],
        inputs: Sequence[Array],
        outputs: Sequence[Array],
        in_grads: Sequence[Array | None],
    ) -> None:
        """See BaseConvolution."""
        self._in_backward = True
        try:
            super().backward(step, out_grads, inputs, outputs, in_grads)
        finally:
            self._in_backward, self._rounded = False, None

    def compute(self, data: Array, weight: Array, out: Array) -> None:
        """See BaseConvolution."""
        if not self._run("fprop", data, weight, out):
            self._columns().compute(data, weight, out)

    def data_gradient(self, weight: Array, grad: Array, target: Array) -> None:
        """See BaseConvolution."""
        if not self._run("dgrad", grad, weight, target):
            self._columns().data_gradient(weight, grad, target)

    def weight_gradient(self, data: Array, grad: Array, target: Array) -> None:
        """See BaseConvolution."""
        if not self._run("wgrad", data, grad, target):
            self._columns().weight_gradient(data, grad, target)

    def _run(self, kind: str, *arrays: Array) -> bool:
        """Whether cuDNN has done it."""
        plan = self._plan(kind)
        if plan is None:
            return False
        if self._math in _HALVES:
            self._run_in_halves(kind, plan, *arrays)
        elif any(array.data.ptr % _ALIGNMENT for array in arrays):  # type: ignore[attr-defined]
            return False
        else:
            plan.run(*arrays)
        return True

    def _run_in_halves(self, kind: str, plan: Plan, first: Array, second: Array, target: Array) -> None:
        if not self._halves:
            self._halves = {
                role: part.view(np.uint16) for role, part in zip(_ROLES["fprop"], self._claim.parts(), strict=True)
            }
        for role, array in zip(_ROLES[kind], (first, second), strict=False):
            if array is not self._rounded:  # both gradients read the head gradient, one directly behind the other
                self._convert("to_half", array.shape, array, self._halves[role])
            if role == "result" and self._in_backward:
                self._rounded = array
        halves = [self._halves[role] for role in _ROLES[kind]]
        plan.run(*halves)
        self._convert("from_half", target.shape, halves[2], target)

    def _convert(self, kernel: str, shape: Shape, source: Array, target: Array) -> None:
        images, channels, pixels = shape[0], shape[1], int(np.prod(shape[2:]))
        if 1 in (channels, pixels):  # both layouts are the same memory
            flat = self.device.module("round_half", BFLOAT16=int(self._math == "bfloat16"))
            flat.over(
                {"to_half": "round_half", "from_half": "widen_half"}[kernel],
                source.size,
                (source, target, np.int64(source.size)),
            )
            return
        grid = (-(-pixels // 32), -(-channels // 32), min(images, 65535))
        module = self.device.module("half_layout", BFLOAT16=int(self._math == "bfloat16"))
        module.launch(kernel, grid, (source, target, np.int32(images), np.int32(channels), np.int32(pixels)))

    def _plan(self, kind: str) -> Plan | None:
        return self._cudnn.plan(self.wanted(kind))

    def wanted(self, kind: str) -> Convolution:
        """What cuDNN is asked for."""
        windows = self.op.windows()
        flat = len(windows.kernel) == 1  # cuDNN wants two spatial axes or three
        return Convolution(
            kind=kind,
            **{role: (*shape[:2], 1, *shape[2:]) if flat else shape for role, shape in self._shapes.items()},
            padding=(0, *windows.pad) if flat else windows.pad,
            stride=(1, *windows.stride) if flat else windows.stride,
            dilation=(1, *windows.dilate) if flat else windows.dilate,
            math=self._math,
            channels_last=self._math in _HALVES,
            workspace=self.op.workspace << 20,
        )

    def _columns(self) -> ColumnsConvolution:
        if self._substitute is None:
            shapes = [self.data, self.weight], [self.out]
            self._substitute = ColumnsConvolution(self.device, self.op, *shapes)
        return self._substitute


class DeconvolutionKernel:
    """Deconvolution by the kernel of the convolution that it is the transpose of.

    data (N, C, ...), weight (C, F / groups, ...), bias (F,) -> (N, F, ...).
    """

    def __init__(
        self, device: Device, op: Any, in_shapes: Sequence[Shape], out_shapes: Sequence[Shape], math: str = "float32"
    ) -> None:
        """`op` is an ops.deconvolution.Deconvolution."""
        convolution = op.convolution(in_shapes[0])
        convolution.cudnn_off, convolution.workspace = op.cudnn_off, op.workspace
        self._bias = ChannelBias(device, out_shapes[0])
        self.convolution = convolution_kernel(
            device, convolution, [out_shapes[0], in_shapes[1]], [in_shapes[0]], math=math
        )

    def forward(self, step: Step, inputs: Sequence[Array], outputs: Sequence[Array]) -> None:
        """Write the output."""
        if not outputs[0].size:
            return
        self.convolution.data_gradient(inputs[1], inputs[0], outputs[0])
        self._bias.add(outputs[0], inputs[2] if len(inputs) > 2 else None)

    def backward(
        self,
        step: Step,
        out_grads: Sequence[Array],
        inputs: Sequence[Array],
        outputs: Sequence[Array],
        in_grads: Sequence[Array | None],
    ) -> None:
        """Write the gradients of data, weight and bias, those that are asked for."""
        grad = out_grads[0]
        if not grad.size:
            clear(in_grads)
            return
        if in_grads[0] is not None:
            self.convolution.compute(grad, inputs[1], in_grads[0])
        if in_grads[1] is not None:
            self.convolution.weight_gradient(grad, inputs[0], in_grads[1])
        if len(inputs) > 2 and in_grads[2] is not None:
            self._bias.gradient(grad, in_grads[2])
