"""Deconvolution: the transpose of convolution, which makes planes larger.

Its forward is a convolution's data gradient and its backward a convolution, so it owns no loops; `transposed_forward`
and `transposed_backward` do the same with a compiled convolution.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...common.errors import ParameterError, ShapeError
from ..array import Arrays, Gradients, Shape
from .convolution import LAYOUTS, Convolution, check_filters
from .operator import Operator, PartialShape, Step
from .parameters import Bool, Choice, Int, Ints, Optional
from .shapes import merge
from .windows import Windows

if TYPE_CHECKING:
    from .kernel import Kernel


class Deconvolution(Operator):
    """data (N, C, H, W), weight (C, num_filter / num_group, KH, KW), bias (num_filter,) -> (N, num_filter, OH, OW).

    A convolution with this weight maps the output back to data; this is that convolution's data gradient.
    OH = stride (H - 1) + dilate (KH - 1) + 1 - 2 pad + adj. With target_shape, pad and adj are those that give this
    size: half of the surplus, rounded up, is cut off on each side. Kernels can also have one or three axes.
    workspace, cudnn_tune and cudnn_off matter for cuDNN only.
    """

    kernel = Ints(minimum=1)
    stride = Ints((), minimum=1)
    dilate = Ints((), minimum=1)
    pad = Ints((), minimum=0)
    adj = Ints((), minimum=0)
    target_shape = Ints((), minimum=0)
    num_filter = Int(minimum=1)
    num_group = Int(1, minimum=1)
    workspace = Int(512, minimum=0)
    no_bias = Bool(True)
    cudnn_tune = Optional(Choice("off", "limited_workspace", "fastest"))
    cudnn_off = Bool(False)
    layout = Optional(Choice(*LAYOUTS.values()))

    def check(self) -> None:
        """Raise ParameterError where Convolution does, and if adj or target_shape do not fit kernel and stride."""
        check_filters("Deconvolution", self)
        windows = self._windows()
        for name, values in (("adj", self.adj), ("target_shape", self.target_shape)):
            if values and len(values) != len(self.kernel):
                expected = f"{len(self.kernel)} numbers, as many as in kernel"
                raise ParameterError(f"Deconvolution: parameter {name}", expected=expected, got=values)
        # adj chooses among the sizes that the convolution's floor maps to one: there are `stride` of them.
        if any(a >= s for a, s in zip(self.adj, windows.stride, strict=False)) and not any(self.target_shape):
            raise ParameterError(
                "Deconvolution: parameter adj", expected=f"less than stride {windows.stride}", got=self.adj
            )

    def _windows(self) -> Windows:
        return Windows.of("Deconvolution", self.kernel, self.stride, self.pad, self.dilate)

    def arguments(self) -> tuple[str, ...]:
        """data, weight and, unless no_bias, bias."""
        return ("data", "weight") if self.no_bias else ("data", "weight", "bias")

    def border(self, extents: Shape) -> tuple[Shape, Shape]:
        """pad and adj for data of those spatial extents. Raises ShapeError if they cannot give target_shape."""
        windows = self._windows()
        if not any(self.target_shape):
            return windows.pad, self.adj or (0,) * len(self.kernel)
        # Without padding the output would reach over `full`; what exceeds target_shape must be cut off.
        surplus = [full - t for full, t in zip(windows.reach(extents), self.target_shape, strict=True)]
        adj = tuple(n % 2 for n in surplus)  # of an odd surplus, both sides together cut 1 too many; adj adds it back
        if any(n < 0 for n in surplus) or any(a >= s for a, s in zip(adj, windows.stride, strict=True)):
            raise ShapeError(
                f"Deconvolution: target_shape from data of extents {extents}",
                expected=f"at most {windows.reach(extents)}, and less by an even number where the stride is 1",
                got=self.target_shape,
            )
        return tuple((n + 1) // 2 for n in surplus), adj

    def infer_shape(
        self, in_shapes: list[PartialShape], out_shapes: list[PartialShape]
    ) -> tuple[list[PartialShape], list[PartialShape]]:
        """Weight, bias and output from data; data's channels from the weight, its rows and extents from the output.

        Raises ShapeError if channels and groups do not fit, or if padding leaves nothing of the output.
        """
        axes = len(self.kernel)
        data = merge(in_shapes[0], (0,) * (axes + 2), "Deconvolution: data")
        out = merge(out_shapes[0], (0, self.num_filter, *(0,) * axes), "Deconvolution: output")
        filters = (0, self.num_filter // self.num_group, *self.kernel)
        weight = merge(in_shapes[1], filters, "Deconvolution: weight")
        assert data is not None and out is not None and weight is not None
        data = merge(data, (out[0], weight[0], *self._from_output(out[2:])), "Deconvolution: data")
        assert data is not None
        if data[1] % self.num_group:
            raise ShapeError(
                "Deconvolution: data", expected=f"channels divisible by num_group {self.num_group}", got=data
            )
        # The weight's first axis is data's channels: seen from the convolution, these are its filters.
        weight = merge(weight, (data[1], *filters[1:]), "Deconvolution: weight")
        out = merge(out, (data[0], self.num_filter, *self._to_output(data[2:])), "Deconvolution: output")
        bias = [] if self.no_bias else [merge(in_shapes[2], (self.num_filter,), "Deconvolution: bias")]
        return [data, weight, *bias], [out]

    def _to_output(self, extents: Shape) -> Shape:
        """Spatial extents of the output; 0 where those of data are not known."""
        if not all(extents) and any(self.target_shape):
            return self.target_shape
        known = tuple(n or 1 for n in extents)  # 1 stands in for unknown extents, whose results are dropped below
        pad, adj = self.border(known)
        rules = zip(extents, self._windows().reach(known), pad, adj, strict=True)
        found = tuple(full - 2 * p + a if n else 0 for n, full, p, a in rules)
        if any(n < 0 or (n == 0 and known) for n, known in zip(found, extents, strict=True)):
            raise ShapeError("Deconvolution: data (the padding leaves no output)", got=extents)
        return found

    def _from_output(self, extents: Shape) -> Shape:
        """Spatial extents of data; 0 where they do not follow from the output."""
        if any(self.target_shape):  # pad then depends on data's extents, so several of them give the same output
            return (0,) * len(extents)
        windows = self._windows()
        pad, adj = self.border(extents)
        rules = zip(extents, pad, adj, windows.span(), windows.stride, strict=True)
        steps = [(n, *divmod(n + 2 * p - a - span, s)) for n, p, a, span, s in rules]
        # A remainder means that this output cannot occur; `infer_shape` then reports it once data is known.
        return tuple(whole + 1 if n and not rest and whole >= 0 else 0 for n, whole, rest in steps)

    def convolution(self, data: Shape) -> Convolution:
        """The convolution that maps the output back to data of that shape (N, C, ...)."""
        pad, _ = self.border(data[2:])
        return Convolution(
            kernel=self.kernel,
            stride=self.stride,
            dilate=self.dilate,
            pad=pad,
            num_filter=data[1],
            num_group=self.num_group,
            no_bias=True,
        )

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """The data gradient of the convolution, plus the bias."""
        transposed_forward(self.convolution(inputs[0].shape), step, inputs, outputs)

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """dx is the convolution of dy; dW is that convolution's weight gradient for the head gradient data."""
        transposed_backward(self.convolution(inputs[0].shape), step, out_grads, inputs, in_grads)


def transposed_forward(convolution: Kernel, step: Step, inputs: Arrays, outputs: Arrays) -> None:
    """Deconvolution's forward by the backward of `convolution`, plain or compiled; arrays as in Deconvolution."""
    data, weight, out = inputs[0], inputs[1], outputs[0]
    # A convolution's data gradient does not depend on its input, so `out` can be passed in its place.
    convolution.backward(step, [data], [out, weight], [data], [out, None])
    if len(inputs) > 2:
        out += inputs[2].reshape(-1, *(1,) * (out.ndim - 2))


def transposed_backward(
    convolution: Kernel,
    step: Step,
    out_grads: Arrays,
    inputs: Arrays,
    in_grads: Gradients,
) -> None:
    """Deconvolution's backward by forward and backward of `convolution`, plain or compiled; arrays as there."""
    grad, data, weight = out_grads[0], inputs[0], inputs[1]
    if in_grads[1] is not None:
        convolution.backward(step, [data], [grad, weight], [data], [None, in_grads[1]])
    if in_grads[0] is not None:
        convolution.forward(step, [grad, weight], [in_grads[0]])
    if len(inputs) > 2 and in_grads[2] is not None:
        axes: Any = (0, *range(2, grad.ndim))
        step.xp.sum(grad, axis=axes, out=in_grads[2])
