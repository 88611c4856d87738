"""cuDNN's plans by the plain operators, in the formats and with the rounding of the real ones."""

import numpy as np
from on_cpu import arrays, dispatch

from pushgrad.worker.cuda.cudnn_convolution import KINDS
from pushgrad.worker.ops.convolution import Convolution
from pushgrad.worker.ops.operator import Step


def halves(bits, math):
    """16-bit patterns as float32."""
    if math == "float16":
        return bits.view(np.float16).astype(np.float32)
    return (bits.astype(np.uint32) << 16).view(np.float32)


def rounded(array, math):
    """The patterns of float32 values."""
    if math == "float16":
        with np.errstate(over="ignore"):
            return array.astype(np.float16).view(np.uint16)
    bits = array.view(np.uint32).astype(np.uint64)
    return np.where(np.isnan(array), bits >> 16 | 0x40, (bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)


class FakePlan:
    """The plan of a convolution. On the stand-in for a GPU it is queued, as the real one is."""

    def __init__(self, wanted):
        self.wanted, self.shapes = wanted, wanted.shapes()

    def run(self, first, second, target):
        if isinstance(target, arrays.DeviceArray):
            dispatch.perform(self.compute, (first, second, target), {}, [target])
        else:
            made = np.empty(target.shape, target.dtype)
            self.compute(first.get(), second.get(), made)
            target.set(made)

    def compute(self, first, second, target):
        w = self.wanted
        one, other = (self.read(array, shape) for array, shape in zip((first, second), self.shapes, strict=False))
        made = np.empty(self.shapes[2], np.float32)
        geometry = {"kernel": w.filters[2:], "stride": w.stride, "pad": w.padding, "dilate": w.dilation}
        groups = w.image[1] // w.filters[1]
        op = Convolution(num_filter=w.filters[0], num_group=groups, no_bias=True, **geometry)
        if w.kind == "fprop":
            op.forward(Step(), [one, other], [made])
        elif w.kind == "dgrad":
            op.backward(Step(), [one], [made, other], [None], [made, None])
        else:
            op.backward(Step(), [other], [one, made], [None], [None, made])
        target[...] = self.write(made).reshape(target.shape)

    def read(self, memory, shape):
        if not self.wanted.channels_last:
            return memory.reshape(shape)
        numbers = memory.reshape(-1) if memory.dtype == np.float32 else halves(memory.reshape(-1), self.wanted.math)
        return np.moveaxis(numbers.reshape(shape[0], *shape[2:], shape[1]), -1, 1)

    def write(self, made):
        if not self.wanted.channels_last:
            return made
        last = np.moveaxis(made, 1, -1).copy()
        return rounded(last, self.wanted.math) if self.wanted.math in ("float16", "bfloat16") else last


class FakeCudnn:
    """Has plans for some kinds of operation only."""

    def __init__(self, kinds=KINDS):
        self.kinds, self.asked = kinds, set()

    def plan(self, wanted):
        self.asked.add(wanted)
        return FakePlan(wanted) if wanted.kind in self.kinds else None
