"""Kernels for arrays with channels last against the plain operators: what goes in and comes out is rounded, no more."""

import numpy as np
import pytest
from fake_cudnn import FakeCudnn, halves, rounded
from long_after import long_after

from pushgrad.worker.cuda.kernels.add import AddKernel, add_to
from pushgrad.worker.cuda.kernels.batch_norm import batch_norm_kernel
from pushgrad.worker.cuda.kernels.batch_norm_walks import ChannelsLastWalk
from pushgrad.worker.cuda.kernels.channels_last import (
    ChannelsLastActivationKernel,
    ChannelsLastClipKernel,
    ChannelsLastConcatKernel,
)
from pushgrad.worker.cuda.kernels.convolution import ConvolutionKernel
from pushgrad.worker.cuda.kernels.pooling import pool_kernel
from pushgrad.worker.execution.gpu.channels_last import ChannelsLast
from pushgrad.worker.ops.activation import Activation
from pushgrad.worker.ops.batch_norm import BatchNorm
from pushgrad.worker.ops.clip import Clip
from pushgrad.worker.ops.concat import Concat
from pushgrad.worker.ops.convolution import Convolution
from pushgrad.worker.ops.elementwise import ElemwiseAdd
from pushgrad.worker.ops.pooling import Pooling

MATHS = {"tf32": 2e-6, "float16": 1e-3, "bfloat16": 8e-3}  # and what rounding may change, relative


class LastBench:
    """Sends and fetches arrays of either format."""

    def __init__(self, bench, math):
        self.bench, self.math, self.form = bench, math, ChannelsLast(math)

    def representable(self, array):
        """The numbers that the type has nearest to those."""
        array = np.float32(array)
        return array if self.math == "tf32" else halves(rounded(array, self.math), self.math)

    def room(self, shape):
        with self.bench.device.active():
            return self.form.view(self.bench.device.xp.full(self.form.size(shape), np.nan, np.float32), shape)

    def send(self, array):
        target = self.room(array.shape)
        dense = np.ascontiguousarray(np.moveaxis(np.float32(array), 1, -1))
        memory = dense if self.math == "tf32" else rounded(dense, self.math)
        with self.bench.device.active():
            target.transpose(0, 2, 3, 1)[...] = self.bench.device.xp.asarray(memory)
        return target

    def fetch(self, array):
        found = self.bench.fetch(array)
        return found if found.dtype == np.float32 else halves(found, self.math)

    def run(self, kernel, op, inputs, act_type=None, last=None, plain_result=False, seed=3):
        """(output, gradients, states) of the kernel and of the plain operators. `last`: which inputs lie so."""
        last = range(len(inputs)) if last is None else last
        inputs = [self.representable(array) if i in last else np.float32(array) for i, array in enumerate(inputs)]
        shape = op.infer_shape([array.shape for array in inputs[: len(op.arguments())]], [None])[1][0]
        head = self.representable(np.random.default_rng(seed).standard_normal(shape))
        sent = [self.send(array) if i in last else self.bench.send(array) for i, array in enumerate(inputs)]
        wants = range(len(op.arguments()))
        grads = [self.room(a.shape) if i in last else self.bench.send(a * np.nan) for i, a in enumerate(inputs)]
        grads = [grad if i in wants else None for i, grad in enumerate(grads)]
        out = self.bench.send(np.full(shape, np.nan, np.float32)) if plain_result else self.room(shape)
        with self.bench.device.active():
            kernel.forward(self.bench.step, sent, [out])
            kernel.backward(
                self.bench.step, [self.bench.send(head) if plain_result else self.send(head)], sent, [out], grads
            )
        found = [self.fetch(out), *(self.fetch(grads[i]) for i in wants), *map(self.fetch, sent[len(wants) :])]
        exact = [array.astype(np.float64) for array in inputs]
        chain = self.bench.chain(op, act_type)
        made, gradients = self.bench.on_host(chain, exact, shape, head, wants)
        return found, [made, *(gradients[i] for i in wants), *exact[len(wants) :]]

    def agree(self, *args, slack=1.0, **options):
        for got, want in zip(*self.run(*args, **options), strict=True):
            np.testing.assert_allclose(got, want, MATHS[self.math] * slack, MATHS[self.math] * slack)


@pytest.fixture(params=long_after(1, ["float16", "bfloat16", "tf32"]))
def last(bench, request):
    """A LastBench for each type of elements."""
    return LastBench(bench, request.param)


def normal(shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


@pytest.mark.parametrize("act_type", [None, "relu"])
@pytest.mark.parametrize("channels", [1, 3, 8, 320])
@pytest.mark.parametrize("is_train", [True, False])
def test_batch_norm(last, channels, act_type, is_train):
    op, shape, rng = BatchNorm(fix_gamma=False), (5, channels, 4, 3), np.random.default_rng(channels)
    states = rng.uniform(0.5, 2, channels), rng.normal(size=channels), rng.normal(size=channels)
    inputs = [rng.normal(1, 2, shape), *states, rng.uniform(0.5, 2, channels)]
    kernel = last.bench.make(batch_norm_kernel, op, shape, act_type, last.math)
    last.bench.step.is_train = last.bench.plain_step.is_train = is_train
    last.agree(kernel, op, inputs, act_type, last=[0], slack=10)


def test_batch_norm_in_many_parts(last):
    op, shape = BatchNorm(fix_gamma=False, momentum=0.5), (40, 2, 9, 11)
    kernel = last.bench.make(batch_norm_kernel, op, shape, "relu", last.math)
    inputs = [normal(shape), *np.ones((2, 2)), *np.zeros((2, 2))]
    last.agree(kernel, op, inputs, "relu", last=[0], slack=10)


@pytest.mark.parametrize(("rows", "channels"), [(256 * 56 * 56, 64), (64 * 49, 2048), (256 * 28 * 28, 96), (1, 1)])
def test_large_arrays_occupy_the_whole_gpu(bench, rows, channels):
    walk = bench.make(ChannelsLastWalk, rows, channels, None, "float16")
    across = -(-walk._packs // walk._width)
    assert 256 % walk._width == 0 and across * walk.parts <= 1056
    assert across * walk.parts >= min(528, across * (rows // (4 * 256 // walk._width)))
    assert across * walk._width - walk._packs < 8


@pytest.mark.parametrize("act_type", ["relu", "softrelu"])
def test_activation(last, act_type):
    kernel = last.bench.make(ChannelsLastActivationKernel, act_type, (3, 12, 2, 5), last.math)
    last.agree(kernel, Activation(act_type=act_type), [normal((3, 12, 2, 5))], slack=4)


@pytest.mark.parametrize("act_type", [None, "relu"])
@pytest.mark.parametrize("channels", [3, 16])
def test_add(last, channels, act_type):
    shape = (3, channels, 4, 5)
    kernel = last.bench.make(AddKernel, act_type, shape, last.math)
    last.agree(kernel, ElemwiseAdd(), [normal(shape), normal(shape, 1)], act_type)


def test_one_gradient_of_a_sum(bench):
    kernel, arrays = bench.make(AddKernel, None, (2, 3)), [bench.send(np.float32(normal((2, 3), i))) for i in range(4)]
    with bench.device.active():
        kernel.backward(bench.step, [arrays[0]], arrays[1:3], arrays[:1], [None, arrays[3]])
    np.testing.assert_array_equal(bench.fetch(arrays[3]), bench.fetch(arrays[0]))


def test_a_sum_of_arrays_that_begin_anywhere(bench):
    kernel, base = bench.make(AddKernel, "relu", (3, 4)), bench.send(np.float32(normal(26)))
    one, other, out = base[1:13].reshape(3, 4), base[14:26].reshape(3, 4), bench.send(np.zeros((3, 4), np.float32))
    with bench.device.active():
        kernel.forward(bench.step, [one, other], [out])
    np.testing.assert_array_equal(bench.fetch(out), np.maximum(bench.fetch(one) + bench.fetch(other), 0))


def test_gradients_are_added_up(last):
    one, other = last.representable(normal((2, 12, 3, 3))), last.representable(normal((2, 12, 3, 3), 1))
    total, addend = last.send(one), last.send(other)
    with last.bench.device.active():
        add_to(last.bench.device, total, addend, last.math)
    np.testing.assert_array_equal(last.fetch(total), last.representable(one + other))


def test_clip(last):
    kernel = last.bench.make(ChannelsLastClipKernel, Clip(a_min=-0.5, a_max=1), (3, 12, 2, 5), last.math)
    data = normal((3, 12, 2, 5))
    data[0, 0, 0, :3] = -0.5, 1, np.nan
    last.agree(kernel, Clip(a_min=-0.5, a_max=1), [data], slack=4)


@pytest.mark.parametrize("widths", [(8, 16, 8), (3, 5), (4,), (12, 20)])
def test_concat(last, widths):
    shapes = [(2, width, 3, 4) for width in widths]
    kernel = last.bench.make(ChannelsLastConcatKernel, shapes, (2, sum(widths), 3, 4), last.math)
    inputs = [normal(shape, i) for i, shape in enumerate(shapes)]
    last.agree(kernel, Concat(num_args=len(widths)), inputs)


OVERLAP, FULL = {"kernel": (3, 3), "stride": (2, 2), "pad": (1, 1)}, {"pooling_convention": "full"}
POOLS = [
    ("max", OVERLAP, 8),
    ("max", {**OVERLAP, **FULL, "pad": (0, 0)}, 3),
    ("max", {"kernel": (17, 16)}, 8),
    ("max", {"kernel": (18, 19), "pooling_convention": "same", "stride": (5, 7)}, 8),
    ("max", {"global_pool": True}, 3),
    ("avg", {**OVERLAP, "count_include_pad": False}, 3),
    ("avg", {"kernel": (1, 1), "global_pool": True}, 8),
    ("sum", {"kernel": (2, 3), "stride": (1, 2)}, 8),
]


@pytest.mark.parametrize(("kind", "options", "channels"), POOLS)
def test_pooling(last, options, kind, channels):
    op, shape = Pooling(pool_type=kind, **options), (2, channels, 18, 19)
    data = np.random.default_rng(2).integers(-3, 3, shape)  # many ties
    out = op.infer_shape([shape], [None])[1][0]
    kernel = last.bench.make(pool_kernel, op, shape, out, last.math)
    last.agree(kernel, op, [data], plain_result=out[2:] == (1, 1), slack=4)


@pytest.mark.parametrize("formats", [(True, True), (True, False), (False, True)])
@pytest.mark.parametrize("kinds", [("fprop", "dgrad", "wgrad"), ("fprop",), ()])
@pytest.mark.parametrize(("act_type", "kernel"), [(None, (3, 3)), ("relu", (1, 1))])
def test_convolution(last, formats, kinds, act_type, kernel):
    op, shape = Convolution(kernel=kernel, num_filter=8, stride=(2, 1)), (3, 4, 7, 6)
    shapes, outs = op.infer_shape([shape, None, None], [None])
    options = {"math": last.math, "cudnn": FakeCudnn(kinds), "last": formats}
    kernel = last.bench.make(ConvolutionKernel, op, shapes, outs, act_type, **options)
    inputs = [normal(shape, i) for i, shape in enumerate(shapes)]
    found, wanted = last.run(kernel, op, inputs, act_type, last=[0] * formats[0], plain_result=not formats[1])
    for got, want in zip(found, wanted, strict=True):
        tolerance = 4 * MATHS[last.math]
        np.testing.assert_allclose(got, want, tolerance, tolerance * np.abs(want).max())
