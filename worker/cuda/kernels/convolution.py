"""Convolution and its transpose on a GPU, by cuDNN where it has a plan, elsewhere by our own kernels.

`math` says how products are computed; sums are float32 in any case, and weights stay float32 masters:
- "float32": operands as they are. "tf32": cuDNN may round them to 10 bits of mantissa and use tensor cores.
- "float16", "bfloat16": operands are rounded to that type, and results pass through it.
Tensor cores read arrays with channels last. Operands that lie otherwise are copied, and rounded, before the product,
and results after it (see convolution_operands.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...array import Array, Arrays, Gradients, Shape
from ...ops.operator import Step
from ..cudnn import Cudnn, Plan
from ..cudnn_convolution import ROLES, Convolution
from ..cudnn_tuning import tuning
from ..device import Device
from .bias_and_activation import ChannelsLastFinish, Finish
from .channel_packs import ALIGNMENT, HALVES
from .convolution_base import BaseConvolution, clear
from .convolution_columns import ColumnsConvolution
from .convolution_operands import Operands

_UNLIMITED = 1 << 62  # bytes; tuning knows a limit of its own


def convolution_kernel(
    device: Device,
    op: Any,
    in_shapes: Sequence[Shape],
    out_shapes: Sequence[Shape],
    act_type: str | None = None,
    math: str = "float32",
    last: tuple[bool, bool] = (False, False),
) -> BaseConvolution:
    """The kernel for ops.convolution.Convolution and the activation behind it.

    `last`: whether data, and the result, lie with channels last in the type of `math`, which only cuDNN's kernels take.
    Without cuDNN products are float32 whatever `math` says. Raises ParameterError if the environment asks for a way of
    tuning that does not exist.
    """
    cudnn = None if op.cudnn_off else Cudnn.of(device)
    if cudnn is None:
        return ColumnsConvolution(device, op, in_shapes, out_shapes, act_type)
    return ConvolutionKernel(device, op, in_shapes, out_shapes, act_type, math, cudnn, last)


class ConvolutionKernel(BaseConvolution):
    """A BaseConvolution by cuDNN. Each of its three operations goes to ColumnsConvolution if cuDNN has no plan for it.

    The forward plan is made at once, those of the gradients when they are first asked for, which must not be while a
    graph is being captured. The parameter `workspace` of the operator (in MiB) bounds cuDNN's scratch memory, unless
    cudnn_tune is "fastest". Arrays have the shapes that BaseConvolution names; data and result may have channels last.
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
        last: tuple[bool, bool] = (False, False),
    ) -> None:
        shape = out_shapes[0]
        finish = ChannelsLastFinish(device, shape, act_type, math) if last[1] else Finish(device, shape, act_type)
        super().__init__(device, op, in_shapes, out_shapes, finish)
        self._cudnn, self._math, self._tuning = cudnn, math, tuning(op)
        self._substitute: ColumnsConvolution | None = None
        self._shapes = {"image": self.data, "filters": self.weight, "result": self.out}
        self._operands = Operands(device, self._shapes, {"image": last[0], "result": last[1]}, math)
        self.channels_last = math in HALVES or any(last)
        if self.data[0]:  # cuDNN has no plans for empty batches, and none is needed
            self._plan("fprop")

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """Write the gradients of data, weight and bias, those that are asked for."""
        with self._operands.keeping("result"):  # both gradients read the result's, so it is copied once
            super().backward(step, out_grads, inputs, outputs, in_grads)

    def compute(self, data: Array, weight: Array, out: Array) -> None:
        """Write the convolution without bias and activation."""
        self._run("fprop", data, weight, out)

    def data_gradient(self, weight: Array, grad: Array, target: Array) -> None:
        """Write data's gradient, from that of what `compute` writes."""
        self._run("dgrad", grad, weight, target)

    def weight_gradient(self, data: Array, grad: Array, target: Array) -> None:
        """Write the weight's gradient, from that of what `compute` writes."""
        self._run("wgrad", data, grad, target)

    def _run(self, kind: str, first: Array, second: Array, target: Array) -> None:
        # Three ways: cuDNN on arrays with channels last, on plain arrays as they are, or columns on plain arrays.
        plan, (*sources, made) = self._plan(kind), ROLES[kind]
        if plan is not None and self.channels_last:
            one, other = self._operands.last(sources[0], first), self._operands.last(sources[1], second)
            result = self._operands.last_target(made, target)
            plan.run(one, other, result)
            self._operands.give_last(made, result, target)
        # An array that a user has bound may begin anywhere, so alignment is looked at each time.
        elif plan is not None and not any(a.data.ptr % ALIGNMENT for a in (first, second, target)):  # type: ignore[attr-defined]
            plan.run(first, second, target)
        else:
            one, other = self._operands.plain(sources[0], first), self._operands.plain(sources[1], second)
            result = self._operands.plain_target(made, target)
            self._by_columns(kind, one, other, result)
            self._operands.give_plain(made, result, target)

    def _by_columns(self, kind: str, first: Array, second: Array, target: Array) -> None:
        if self._substitute is None:  # made late, as most layers never need it, and it claims memory
            self._substitute = ColumnsConvolution(self.device, self.op, [self.data, self.weight], [self.out])
        if kind == "fprop":
            self._substitute.compute(first, second, target)
        elif kind == "dgrad":
            self._substitute.data_gradient(second, first, target)
        else:
            self._substitute.weight_gradient(first, second, target)

    def _plan(self, kind: str) -> Plan | None:
        return self._cudnn.plan(self.wanted(kind))

    def wanted(self, kind: str) -> Convolution:
        """What cuDNN is asked for: one of KINDS, with the shapes of this layer."""
        windows = self.op.windows()
        flat = len(windows.kernel) == 1  # cuDNN wants two spatial axes or three
        return Convolution(
            kind=kind,
            **{role: (*shape[:2], 1, *shape[2:]) if flat else shape for role, shape in self._shapes.items()},
            padding=(0, *windows.pad) if flat else windows.pad,
            stride=(1, *windows.stride) if flat else windows.stride,
            dilation=(1, *windows.dilate) if flat else windows.dilate,
            math=self._math,
            channels_last=self.channels_last,
            workspace=_UNLIMITED if self._tuning == "fastest" else self.op.workspace << 20,
            tune=self._tuning != "off",
        )


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
        convolution.cudnn_tune = op.cudnn_tune
        self._finish = Finish(device, out_shapes[0])
        self.convolution = convolution_kernel(
            device, convolution, [out_shapes[0], in_shapes[1]], [in_shapes[0]], math=math
        )

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """Write the output: the convolution's data gradient, plus bias."""
        if not outputs[0].size:
            return
        self.convolution.data_gradient(inputs[1], inputs[0], outputs[0])
        self._finish.apply(outputs[0], inputs[2] if len(inputs) > 2 else None)

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
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
            self._finish.bias_gradient(grad, in_grads[2])
