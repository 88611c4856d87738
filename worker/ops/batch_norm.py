"""BatchNorm: each channel is normalised to mean 0 and variance 1 over the batch, then scaled by gamma, shifted by beta.

Arrays of data's shape are handled as (before, channels, after), whatever `axis` is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from ...common.errors import ShapeError
from ..array import Array, Arrays, Gradients, Shape
from .operator import Operator, PartialShape, Step
from .parameters import Bool, Float, Int, Optional
from .shapes import merge, merge_all, product


class BatchNorm(Operator):
    """output = (data - mean) / sqrt(variance + eps) * gamma + beta, for each channel, that is, each index on `axis`.

    data and output have one shape; gamma, beta and the averages are (channels,). While training, mean and (biased)
    variance are those of the batch over all other axes, and each forward moves the averages: moving = momentum * moving
    + (1 - momentum) * batch. Without training or with use_global_stats the moving averages are used instead. With
    fix_gamma, gamma counts as 1 and its gradient is 0. output_mean_var adds the outputs mean and var, the latter
    holding 1 / sqrt(variance + eps) as in MXNet; no gradient passes through them.

    Ioffe, Szegedy: "Batch Normalization" (2015). Checked against MXNet 1.9.1, which moves the averages in backward.
    cudnn_off and the calibration ranges are accepted and change nothing.
    """

    aliases = ("BatchNorm_v1",)
    is_per_device = True  # its statistics are per worker anyway, so each GPU of a worker may take its own, too
    second_average: ClassVar[str] = "moving_var"
    eps = Float(1e-3, low=0.0)
    momentum = Float(0.9)
    fix_gamma = Bool(True)
    use_global_stats = Bool(False)
    output_mean_var = Bool(False)
    axis = Int(1)
    cudnn_off = Bool(False)
    min_calib_range = Optional(Float())
    max_calib_range = Optional(Float())

    def arguments(self) -> tuple[str, ...]:
        """data, gamma, beta."""
        return ("data", "gamma", "beta")

    def auxiliaries(self) -> tuple[str, ...]:
        """The moving averages of mean and variance."""
        return ("moving_mean", self.second_average)

    def outputs(self) -> tuple[str, ...]:
        """output and, with output_mean_var, mean and var."""
        return ("output", "mean", "var") if self.output_mean_var else ("output",)

    def couples_rows(self, in_shapes: Sequence[Shape] = ()) -> bool:
        """True unless the moving averages are always used: statistics are those of the whole batch."""
        return not self.use_global_stats

    def infer_shape(
        self, in_shapes: list[PartialShape], out_shapes: list[PartialShape]
    ) -> tuple[list[PartialShape], list[PartialShape]]:
        """Data and output from each other, and the number of channels from whichever array has it.

        Raises ShapeError if data has no axis `axis` or the shapes contradict each other.
        """
        name = self.op_name()
        data = merge(in_shapes[0], out_shapes[0], f"{name}: data")
        where = [f"{name}: {each}" for each in ("data", "gamma", "beta", *self.outputs()[1:])]
        own: PartialShape = None if data is None else (data[self.channel_axis(data)],)
        channels = merge_all([own, *in_shapes[1:], *out_shapes[1:]], where)
        if data is not None and channels is not None:
            axis = self.channel_axis(data)
            data = (*data[:axis], channels[0], *data[axis + 1 :])
        return [data, channels, channels], [data, *[channels] * (len(out_shapes) - 1)]

    def auxiliary_shapes(self, in_shapes: list[PartialShape]) -> list[PartialShape]:
        """(channels,) for both averages, as gamma."""
        return [in_shapes[1]] * 2

    def channel_axis(self, shape: Shape) -> int:
        """`axis` counted from the front. Raises ShapeError if data of that shape has no such axis."""
        axis = self.axis + len(shape) if self.axis < 0 else self.axis
        if not 0 <= axis < len(shape):
            raise ShapeError(f"{self.op_name()}: data", expected=f"a shape with axis {self.axis}", got=shape)
        return axis

    def planes(self, array: Array) -> Array:
        """`array` of data's shape as (before, channels, after), sharing its memory."""
        axis, shape = self.channel_axis(array.shape), array.shape
        return array.reshape(product(shape[:axis]), shape[axis], product(shape[axis + 1 :]))

    def uses_batch(self, step: Step, data: Array) -> bool:
        """Whether the batch's own statistics are used; an empty batch has none."""
        return step.is_train and not self.use_global_stats and data.size > 0

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """Normalise data and, while training, move the averages."""
        data, gamma, beta, *averages = inputs
        out = self.planes(outputs[0])
        mean, var = self._normalise(step, data, averages, out)
        if not self.fix_gamma:
            out *= gamma[:, None]
        out += beta[:, None]
        if self.output_mean_var:
            outputs[1][...] = mean
            outputs[2][...] = (var + self.eps) ** -0.5
        if self.uses_batch(step, data):
            # The variance enters as it is, without n / (n - 1), as in MXNet.
            for average, batch in zip(averages, (mean, var), strict=True):
                average[...] = self.momentum * average + (1 - self.momentum) * batch

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """With n elements per channel, normalised data h and head gradient d: gamma gets sum d h, beta gets sum d.

        Data gets gamma / sqrt(var + eps) * (d - sum d / n - h sum(d h) / n): the chain rule through mean and variance
        (Ioffe, Szegedy, section 3). The two sums are left out with the moving averages, which do not depend on data.
        """
        data, gamma, _, *averages = inputs
        head = self.planes(out_grads[0])
        # h is computed again, straight into data's gradient: nothing has to be kept from forward, and no other array
        # of data's size is needed.
        scratch = self.planes(step.xp.empty_like(data) if in_grads[0] is None else in_grads[0])
        _, var = self._normalise(step, data, averages, scratch)
        # Both sums are needed for data's gradient, so they are computed even if gamma and beta want none.
        sum_gamma = _channel_dots(step.xp, head, scratch)
        sum_beta = head.sum(axis=(0, 2), dtype=np.float64)
        if in_grads[0] is not None:
            self._data_gradient(step, head, gamma, (var + self.eps) ** -0.5, (sum_gamma, sum_beta), scratch)
        if in_grads[1] is not None:
            in_grads[1][...] = 0 if self.fix_gamma else sum_gamma
        if in_grads[2] is not None:
            in_grads[2][...] = sum_beta

    def _normalise(self, step: Step, data: Array, averages: Arrays, out: Array) -> tuple[Array, Array]:
        """Write (data - mean) / sqrt(var + eps) to `out`; mean and var in double precision, one per channel."""
        # Sums over a whole batch lose digits in float32. The variance is taken of the centred data in a second pass:
        # E[x^2] - E[x]^2 would cancel where the mean is large.
        xp, planes = step.xp, self.planes(data)
        if self.uses_batch(step, data):
            mean = planes.mean(axis=(0, 2), dtype=np.float64)
            xp.subtract(planes, mean[:, None], out=out)
            var = _channel_dots(xp, out, out) / (planes.shape[0] * planes.shape[2])
        else:
            mean, var = (average.astype(np.float64) for average in averages)
            xp.subtract(planes, mean[:, None], out=out)
        out *= ((var + self.eps) ** -0.5)[:, None]
        return mean, var

    def _data_gradient(
        self, step: Step, head: Array, gamma: Array, inverse: Array, sums: tuple[Array, Array], grad: Array
    ) -> None:
        """Replace the normalised data in `grad` by data's gradient."""
        if self.uses_batch(step, head):
            count = head.shape[0] * head.shape[2]
            # In place and in this order, as `grad` still holds h: -h sum(d h) / n, then - sum(d) / n, then + d.
            grad *= (-sums[0] / count)[:, None]
            grad -= (sums[1] / count)[:, None]
            grad += head
        else:
            grad[...] = head
        grad *= (inverse if self.fix_gamma else gamma * inverse)[:, None]


class CuDNNBatchNorm(BatchNorm):
    """BatchNorm's name in files of networks trained with cuDNN before 2017; gamma is learned unless fix_gamma.

    Its second average is called moving_inv_var, but holds the variance.
    """

    second_average = "moving_inv_var"
    fix_gamma = Bool(False)


def _channel_dots(xp: Any, left: Array, right: Array) -> Array:
    """The sum of left * right for each channel, (channels,), accumulated in double precision."""
    dots: Array = xp.einsum("acb,acb->c", left, right, dtype=np.float64)
    return dots
