"""What tests of CUDA kernels share: one computation done twice, by a kernel on the device and by the plain operator."""

import numpy as np
import pytest

from pushgrad.worker.cuda.step import CudaStep, Update
from pushgrad.worker.ops.activation import Activation
from pushgrad.worker.ops.operator import Step


class Chain:
    """The plain operators one after the other."""

    def __init__(self, op, act_type):
        self.op, self.act = op, act_type and Activation(act_type=act_type)
        self.infer_shape = op.infer_shape

    def forward(self, step, inputs, outputs):
        self.op.forward(step, inputs, outputs)
        if self.act:
            self.before = outputs[0].copy()
            self.act.forward(step, [self.before], outputs)

    def backward(self, step, out_grads, inputs, outputs, in_grads):
        if self.act:
            grad = np.empty_like(outputs[0])
            self.act.backward(step, out_grads, [self.before], outputs, [grad])
            out_grads = [grad]
        self.op.backward(step, out_grads, inputs, outputs, in_grads)


class Bench:
    """Runs kernels on `device`, and operators on numpy, over the same inputs and at the same step."""

    def __init__(self, device):
        self.device = device
        with device.active():
            self.step = CudaStep.on(device)
        self.at()

    def at(self, count=1.0, number=0, update=None, **fields):
        """Where the next computations stand. `number` and `count` are known on the device only."""
        self.plain_step = Step(is_train=True, count=count, number=number, **fields)
        self.step.is_train = True
        for name, value in fields.items():
            setattr(self.step, name, value)
        self.step.count_slot = {self.step.node: 0}
        with self.device.active():
            self.step.set_now(number, 0, update or Update(0.1), [count])

    def send(self, array):
        """A copy on the device, in C order."""
        with self.device.active():
            return self.device.xp.asarray(np.ascontiguousarray(array))

    def fetch(self, array):
        """A copy on the host, once everything is done."""
        with self.device.active():
            self.device.synchronize()
            return np.array(array.get())

    @staticmethod
    def chain(op, act_type):
        """A layer and the activation behind it."""
        return Chain(op, act_type)

    def make(self, maker, *args, **options):
        """`maker(device, ...)`, made while the device is active."""
        with self.device.active():
            return maker(self.device, *args, **options)

    def on_device(self, kernel, inputs, shape, head, wanted=None):
        """Output and gradients as `kernel` writes them over NaN."""
        arrays, nan = [self.send(array) for array in inputs], np.full(shape, np.nan, np.float32)
        out, head = self.send(nan), self.send(head)
        grads = [self.send(np.full_like(a, np.nan)) if self._wants(wanted, i) else None for i, a in enumerate(inputs)]
        with self.device.active():
            kernel.forward(self.step, arrays, [out])
            kernel.backward(self.step, [head], arrays, [out], grads)
        return self.fetch(out), [None if grad is None else self.fetch(grad) for grad in grads]

    def on_host(self, op, inputs, shape, head, wanted=None):
        """The same by the plain operator."""
        out = np.full(shape, np.nan, inputs[0].dtype)
        grads = [np.full_like(a, np.nan) if self._wants(wanted, i) else None for i, a in enumerate(inputs)]
        with np.errstate(all="ignore"):
            op.forward(self.plain_step, inputs, [out])
            op.backward(self.plain_step, [head.astype(out.dtype)], inputs, [out], grads)
        return out, grads

    def both(self, kernel, op, inputs, seed=0, wanted=None):
        """Those of the kernel, and those of the operator in the inputs' precision."""
        _, (shape,) = op.infer_shape([array.shape for array in inputs], [None])
        head = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
        got = self.on_device(kernel, [array.astype(np.float32) for array in inputs], shape, head, wanted)
        return got, self.on_host(op, inputs, shape, head, wanted)

    @staticmethod
    def _wants(wanted, index):
        return wanted is None or index in wanted

    @staticmethod
    def close(got, want, rtol=1e-5, atol=1e-6):
        """Output and gradients are alike, NaN included."""
        for one, other in zip((got[0], *got[1]), (want[0], *want[1]), strict=True):
            if other is None:
                assert one is None
            else:
                np.testing.assert_allclose(one, other, rtol, atol)


@pytest.fixture
def bench(device):
    """A Bench on the stand-in for a GPU, and on a GPU where there is one."""
    return Bench(device)
