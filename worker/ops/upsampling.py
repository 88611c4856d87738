"""UpSampling: enlarge planes by repeating pixels, or by a deconvolution whose filters interpolate bilinearly."""

from __future__ import annotations

from ...common.errors import ShapeError
from ..array import Array, Arrays, Gradients, Shape
from .deconvolution import Deconvolution
from .operator import Operator, PartialShape, Step
from .parameters import Choice, Int
from .shapes import merge


class UpSampling(Operator):
    """Planes `scale` times as high and wide.

    nearest: arg0, arg1, ... (N, C, H, W), each repeated to the size scale * arg0's, which its own size must divide, and
    then joined along the channels (multi_input_mode concat) or added up (sum). bilinear: data (N, C, H, W) and weight
    (C, 1, K, K), K = 2 scale - scale % 2, as a Deconvolution with stride `scale` and one group per channel; num_filter
    is C. num_args is filled in when inputs are given by position. workspace is ignored.
    """

    variadic = True
    scale = Int(minimum=1, maximum=1000)
    num_filter = Int(0, minimum=0)
    sample_type = Choice("nearest", "bilinear")
    multi_input_mode = Choice("concat", "sum", default="concat")
    num_args = Int(1, minimum=1, maximum=1 << 16)
    workspace = Int(512, minimum=0)

    def arguments(self) -> tuple[str, ...]:
        """arg0 to arg<num_args - 1>, or for bilinear data and weight."""
        if self.sample_type == "bilinear":
            return ("data", "weight")
        return tuple(f"arg{i}" for i in range(self.num_args))

    def deconvolution(self, channels: int) -> Deconvolution:
        """The Deconvolution that sample_type bilinear computes, for that many channels."""
        # With this kernel and padding the output is exactly scale times as large: adj is not needed.
        extent, pad = 2 * self.scale - self.scale % 2, self.scale // 2
        return Deconvolution(
            kernel=(extent, extent),
            stride=(self.scale, self.scale),
            pad=(pad, pad),
            num_filter=channels,
            num_group=channels,
        )

    def infer_shape(
        self, in_shapes: list[PartialShape], out_shapes: list[PartialShape]
    ) -> tuple[list[PartialShape], list[PartialShape]]:
        """Output from the inputs; from the output the rows, and extents of inputs where only one is possible.

        Raises ShapeError if an array does not have 4 axes or its extents do not divide the output's.
        """
        where = [f"UpSampling: {name}" for name in self.arguments()]
        out = merge(out_shapes[0], (0, 0, 0, 0), "UpSampling: output")
        assert out is not None
        if self.sample_type == "bilinear":
            return self._infer_bilinear(in_shapes, out)
        shapes: list[Shape] = []
        for shape, name in zip(in_shapes, where, strict=True):
            merged = merge(shape, (out[0], 0, 0, 0), name)
            assert merged is not None
            shapes.append(merged)
        out = self._output(shapes, out)
        # arg0 fixes the scale, so it follows from the output; the others may be any divisor and are only checked.
        self._check_sizes(shapes[1:], where[1:], out)
        rows, channels = (out[0], 0, 0, 0), (0, out[1] if self.multi_input_mode == "sum" else 0, 0, 0)
        first = (0, 0, *(extent // self.scale for extent in out[2:]))  # 0 stays 0, unknown
        found: list[PartialShape] = [merge(merge(s, rows, n), channels, n) for s, n in zip(shapes, where, strict=True)]
        found[0] = merge(found[0], first, where[0])
        return found, [out]

    def _output(self, shapes: list[Shape], out: Shape) -> Shape:
        """The output's shape as far as the inputs' and its own known extents determine it."""
        channels = [shape[1] for shape in shapes]
        joined = sum(channels) if all(channels) else 0  # a sum with an unknown term is unknown
        total = max(channels) if self.multi_input_mode == "sum" else joined
        rows = max(shape[0] for shape in shapes)
        merged = merge(out, (rows, total, *(self.scale * n for n in shapes[0][2:])), "UpSampling: output")
        assert merged is not None
        if any(extent % self.scale for extent in merged[2:]):
            raise ShapeError("UpSampling: output", expected=f"extents divisible by scale {self.scale}", got=merged)
        return merged

    @staticmethod
    def _check_sizes(shapes: list[Shape], where: list[str], out: Shape) -> None:
        for shape, name in zip(shapes, where, strict=True):
            if any(n and whole and whole % n for n, whole in zip(shape[2:], out[2:], strict=True)):
                raise ShapeError(name, expected=f"extents that divide the output's {out[2:]}", got=shape)

    def _infer_bilinear(
        self, in_shapes: list[PartialShape], out: Shape
    ) -> tuple[list[PartialShape], list[PartialShape]]:
        channels = (0, self.num_filter, 0, 0)
        data = merge(in_shapes[0], channels, "UpSampling: data")
        data = merge(data, (*out[:2], *(extent // self.scale for extent in out[2:])), "UpSampling: data")
        assert data is not None
        kernel = self.deconvolution(1).kernel
        weight = merge(in_shapes[1], (data[1], 1, *kernel), "UpSampling: weight")
        larger = (*data[:2], *(self.scale * extent for extent in data[2:]))
        return [data, weight], [merge(out, larger, "UpSampling: output")]

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """Repeat the pixels of each input, or deconvolve."""
        if self.sample_type == "bilinear":
            self.deconvolution(inputs[0].shape[1]).forward(step, inputs, outputs)
            return
        adds = self.multi_input_mode == "sum"
        for number, (data, target) in enumerate(zip(inputs, self._targets(inputs, outputs[0]), strict=True)):
            tiles = _tiles(target, data.shape)
            # The first input overwrites the output, which holds whatever was there before.
            if adds and number > 0:
                tiles += data[:, :, :, None, :, None]
            else:
                tiles[...] = data[:, :, :, None, :, None]

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """Each pixel gets the sum over the places where it was repeated."""
        if self.sample_type == "bilinear":
            self.deconvolution(inputs[0].shape[1]).backward(step, out_grads, inputs, outputs, in_grads)
            return
        for source, grad in zip(self._targets(inputs, out_grads[0]), in_grads, strict=True):
            if grad is not None:
                step.xp.sum(_tiles(source, grad.shape), axis=(3, 5), out=grad)

    def _targets(self, inputs: Arrays, out: Array) -> list[Array]:
        """The part of `out`, of the output's shape, that each input fills, as views."""
        if self.multi_input_mode == "sum":
            return [out] * len(inputs)
        start, parts = 0, []
        for data in inputs:
            parts.append(out[:, start : start + data.shape[1]])
            start += data.shape[1]
        return parts


def _tiles(plane: Array, small: Shape) -> Array:
    """A view of `plane` (N, C, OH, OW) as (N, C, H, OH / H, W, OW / W), H and W being those of `small`."""
    rows, channels, height, width = plane.shape
    return plane.reshape(rows, channels, small[2], height // small[2], small[3], width // small[3])
