"""What comes after the products of a convolution: a bias for each channel, and an activation."""

from __future__ import annotations

import numpy as np

from ...array import Array, Shape
from ..device import Device
from ..scratch_memory import Arena, Claim
from .activation import activate_with_bias, slope_times
from .batch_norm_walks import ChannelsLastWalk
from .bias import bias_gradient, bias_scratch
from .channel_packs import HALVES
from .channels_last import ChannelsLastArrays


class Finish:
    """Bias and activation of float32 arrays (N, F, ...) in C order. The bias is (F,), as is its gradient."""

    def __init__(self, device: Device, shape: Shape, act_type: str | None = None) -> None:
        self._device, self._act_type, self._inner = device, act_type, int(np.prod(shape[2:]))
        # One arena for all layers: a layer's gradient is done with when the next layer's backward begins.
        self._slopes = Claim(Arena.of(device, "slopes"), [4 * int(np.prod(shape))]) if act_type else None
        self._scratch: Array | None = None

    def apply(self, out: Array, bias: Array | None) -> None:
        """out = f(out + bias) in place, without a bias if it is None."""
        activate_with_bias(self._device, out, bias, self._act_type, self._inner)

    def before(self, out: Array, grad: Array) -> Array:
        """The gradient of what `apply` was given, grad * f', from `out`, its result.

        That is `grad` itself without an activation, else scratch memory until the next layer's call.
        """
        if self._slopes is None or self._act_type is None:
            return grad
        target = self._slopes.parts()[0].view(np.float32).reshape(grad.shape)
        slope_times(self._device, self._act_type, out, grad, target)
        return target

    def bias_gradient(self, grad: Array, target: Array) -> None:
        """target (F,) = the sums over all other axes of what `before` returned."""
        if self._scratch is None:
            self._scratch = bias_scratch(self._device, grad, target.size, self._inner)
        bias_gradient(self._device, grad, target, self._scratch, self._inner)


class ChannelsLastFinish:
    """The same for arrays (N, F, H, W) with channels last. The bias (F,) is float32, as is its gradient."""

    def __init__(self, device: Device, shape: Shape, act_type: str | None, math: str) -> None:
        self._device, self._act_type = device, act_type
        self._arrays = ChannelsLastArrays(device, math, shape[1], act_type)
        # The bias's gradient is the first of the two sums that BatchNorm takes of its data: the same kernel does.
        self._walk = ChannelsLastWalk(device, int(np.prod(shape)) // shape[1], shape[1], None, math)
        bytes_of_one, channels = (2 if math in HALVES else 4), shape[1]
        self._slopes = Claim(Arena.of(device, "slopes"), [bytes_of_one * int(np.prod(shape))]) if act_type else None
        # BatchNorm's arena, as its partial sums, too, last for one call only.
        self._partial = Claim(Arena.of(device, "batch_norm"), [16 * self._walk.parts * channels])

    def apply(self, out: Array, bias: Array | None) -> None:
        """out = f(out + bias) in place, without a bias if it is None."""
        if bias is not None:
            self._arrays.activate_with_bias(out, bias)
        elif self._act_type:
            self._arrays.activate(out, out)

    def before(self, out: Array, grad: Array) -> Array:
        """The gradient of what `apply` was given, grad * f', with channels last; as Finish.before."""
        if self._slopes is None:
            return grad
        images, channels, *extents = grad.shape
        # In memory (N, H, W, F), seen as (N, F, H, W), as all arrays with channels last.
        memory = self._slopes.parts()[0].view(grad.dtype)
        target: Array = memory.reshape(images, *extents, channels).transpose(0, 3, 1, 2)
        self._arrays.slope_times(out, grad, target)
        return target

    def bias_gradient(self, grad: Array, target: Array) -> None:
        """target (F,) = the sums over all other axes of what `before` returned, added up in double precision."""
        partial = self._partial.parts()[0].view(np.float64)
        self._walk.sum("data_sums", grad, partial)
        args = partial, np.int32(self._walk.parts), target
        self._device.module("channel_statistics").launch("total", (target.size,), args, threads=128)
