"""Convolution and Deconvolution on the device against the plain operators, over random shapes and options."""

import numpy as np
import pytest
from fake_cudnn import FakeCudnn, halves, rounded

from pushgrad.worker.cuda.kernels import convolution_columns
from pushgrad.worker.cuda.kernels.channel_packs import pack_module
from pushgrad.worker.cuda.kernels.convolution import ConvolutionKernel, DeconvolutionKernel, convolution_kernel
from pushgrad.worker.cuda.kernels.convolution_columns import ColumnsConvolution
from pushgrad.worker.ops.convolution import Convolution
from pushgrad.worker.ops.deconvolution import Deconvolution


def random_inputs(op, data, seed=0):
    shapes, (out,) = op.infer_shape([data] + [None] * (len(op.arguments()) - 1), [None])
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(shape) for shape in shapes], shapes, out


def agree(bench, op, data, maker=ColumnsConvolution, act_type=None, tolerance=1e-5, seed=0, **options):
    """What `maker` makes computes what the plain operators do, twice."""
    inputs, shapes, out = random_inputs(op, data, seed)
    if act_type:
        options["act_type"] = act_type
    kernel = bench.make(maker, op, shapes, [out], **options)
    for wanted in (None, (0,), (1,), (2,)):
        got = bench.both(kernel, bench.chain(op, act_type), inputs, seed, wanted)
        scale = max(1.0, *(float(np.abs(a).max(initial=0)) for a in (got[1][0], *got[1][1]) if a is not None))
        bench.close(*got, rtol=tolerance, atol=tolerance * scale)
    return kernel


def random_options(rng, axes):
    lows_and_highs = {"kernel": (1, 4), "stride": (1, 4), "pad": (0, 3), "dilate": (1, 3)}
    options = {name: tuple(int(n) for n in rng.integers(*ends, axes)) for name, ends in lows_and_highs.items()}
    groups = int(rng.choice([1, 1, 2, 3]))
    return {**options, "num_filter": 6, "num_group": groups, "no_bias": bool(rng.integers(2))}


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("seed", range(8))
def test_columns(bench, axes, seed):
    rng = np.random.default_rng(10 * seed + axes)
    data = (int(rng.integers(1, 5)), 6, *(int(e) for e in rng.integers(7, 10, axes)))
    agree(bench, Convolution(**random_options(rng, axes)), data, seed=seed)


@pytest.mark.parametrize(("options", "data"), [
    ({"kernel": (1, 1), "num_filter": 3}, (2, 4, 5, 5)),
    ({"kernel": (1, 1), "num_filter": 3, "stride": (2, 3)}, (2, 4, 5, 7)),
    ({"kernel": (3, 3), "num_filter": 4, "num_group": 4, "pad": (1, 1)}, (2, 4, 6, 5)),
    ({"kernel": (3, 2), "num_filter": 2, "pad": (4, 3)}, (1, 1, 2, 2)),
    ({"kernel": (2, 2), "num_filter": 2, "stride": (3, 3)}, (2, 1, 7, 10)),
    ({"kernel": (3, 3), "num_filter": 2}, (1, 300, 3, 3)),
])  # fmt: skip
def test_corners(bench, options, data):
    agree(bench, Convolution(**options), data)


@pytest.mark.parametrize("act_type", ["relu", "sigmoid", "tanh", "softrelu", "softsign"])
@pytest.mark.parametrize("no_bias", [False, True])
def test_with_an_activation(bench, act_type, no_bias):
    agree(bench, Convolution(kernel=(3, 3), num_filter=4, no_bias=no_bias), (2, 3, 6, 7), act_type=act_type)


@pytest.mark.parametrize("limit", [1, 4000, 9000])
@pytest.mark.parametrize("groups", [1, 2])
def test_batches_in_parts(bench, monkeypatch, limit, groups):
    monkeypatch.setattr(convolution_columns, "COLUMNS_BYTES", limit)
    op = Convolution(kernel=(3, 3), num_filter=4, num_group=groups, pad=(1, 1))
    kernel = agree(bench, op, (7, 2, 5, 4))
    assert kernel._images == {1: 1, 4000: 2, 9000: 4}[limit]


def test_an_empty_batch(bench):
    op = Convolution(kernel=(3, 3), num_filter=4)
    agree(bench, op, (0, 2, 5, 5), act_type="relu")
    agree(bench, op, (0, 2, 5, 5), convolution_kernel)


@pytest.mark.parametrize("seed", range(12))
def test_deconvolution(bench, seed):
    rng = np.random.default_rng(seed)
    axes = 1 + seed % 3
    options = random_options(rng, axes)
    limits = zip(options["pad"], options["kernel"], options["dilate"], strict=True)
    options["pad"] = tuple(min(p, (k - 1) * d // 2) for p, k, d in limits)
    options["adj"] = tuple(int(rng.integers(s)) for s in options["stride"])
    data = (2, 6, *(int(e) for e in rng.integers(3, 6, axes)))
    agree(bench, Deconvolution(**options), data, DeconvolutionKernel, seed=seed)


def test_deconvolution_of_nothing(bench):
    agree(bench, Deconvolution(kernel=(3, 3), num_filter=2, no_bias=False), (0, 2, 4, 4), DeconvolutionKernel)


def test_without_cudnn_columns_are_used(bench):
    op = Convolution(kernel=(3, 3), num_filter=4, cudnn_off=True)
    shapes, outs = [(2, 2, 5, 5), (4, 2, 3, 3), (4,)], [(2, 4, 3, 3)]
    assert isinstance(bench.make(convolution_kernel, op, shapes, outs, None, "float16"), ColumnsConvolution)


@pytest.mark.parametrize("kinds", [("fprop", "dgrad", "wgrad"), ("fprop",), ("dgrad",), ()])
@pytest.mark.parametrize(
    ("math", "tolerance"), [("float32", 1e-5), ("tf32", 1e-5), ("float16", 4e-3), ("bfloat16", 3e-2)]
)
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_around_cudnn(bench, kinds, math, tolerance, axes):
    op = Convolution(kernel=(3,) * axes, stride=(2,) * axes, pad=(1,) * axes, num_filter=4, num_group=2)
    cudnn = FakeCudnn(kinds)
    agree(bench, op, (2, 6, 5, 7, 4)[: 2 + axes], ConvolutionKernel, "tanh", tolerance, math=math, cudnn=cudnn)
    assert {wanted.kind for wanted in cudnn.asked} == {"fprop", "dgrad", "wgrad"}
    assert all(len(wanted.image) == max(4, 2 + axes) for wanted in cudnn.asked)


@pytest.mark.parametrize(
    ("options", "tune", "workspace"),
    [({}, False, 1 << 30), ({"cudnn_tune": "limited_workspace", "workspace": 8}, True, 8 << 20),
     ({"cudnn_tune": "fastest"}, True, 1 << 62), ({"cudnn_tune": "off", "workspace": 0}, False, 0)],
)  # fmt: skip
def test_what_cudnn_is_asked_for(bench, options, tune, workspace):
    op = Convolution(kernel=(3, 3), num_filter=4, **options)
    shapes, outs = op.infer_shape([(2, 3, 5, 5), None, None], [None])
    cudnn = FakeCudnn()
    bench.make(ConvolutionKernel, op, shapes, outs, None, "tf32", cudnn)
    assert {(wanted.tune, wanted.workspace) for wanted in cudnn.asked} == {(tune, workspace)}


def awkward_numbers():
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 1 << 32, 20000, dtype=np.uint32)
    near = rng.uniform(-1e-4, 1e-4, 20000).astype(np.float32)
    ties = (np.arange(20000, dtype=np.float32) + 0.5) * np.float32(2.0**-24)
    limits = np.float32(
        [0.0, -0.0, np.inf, -np.inf, np.nan, 65504, 65519.996, 65520, -65520, 2.0**-25, 2.0**-14, 3.4e38]
    )
    return np.concatenate([bits.view(np.float32), near, ties, limits])


@pytest.mark.parametrize("math", ["float16", "bfloat16"])
def test_rounding_to_halves(bench, math):
    numbers = awkward_numbers()
    module = pack_module(bench.device, "channels_last", math, 1)
    with bench.device.active():
        source, half = bench.send(numbers), bench.device.empty(numbers.shape, np.uint16)
        back = bench.device.empty(numbers.shape)
        shape = (np.int32(1), np.int32(1), np.int32(numbers.size))
        module.launch("to_last", (-(-numbers.size // 32), 1, 1), (source, half, *shape))
        module.launch("from_last", (-(-numbers.size // 32), 1, 1), (half, back, *shape))
    nan, want = np.isnan(numbers), rounded(numbers, math)
    np.testing.assert_array_equal(bench.fetch(half)[~nan], want[~nan])
    np.testing.assert_array_equal(bench.fetch(back), halves(want, math))


@pytest.mark.parametrize("thin", [False, True])
@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 33, 65), (2, 64, 7), (2, 3, 100)])
def test_channels_last_and_back(bench, shape, thin):
    numbers = np.random.default_rng(0).integers(-99, 99, shape).astype(np.float32)
    module, sizes = pack_module(bench.device, "channels_last", "float16", 1), tuple(map(np.int32, shape))
    grid = (-(-shape[2] // 32), -(-shape[1] // 32), min(2, shape[0]))
    count = shape[0] * max(shape[1:])
    with bench.device.active():
        source, half, back = bench.send(numbers), bench.device.empty(shape, np.uint16), bench.device.empty(shape)
        for kernel, arrays in (("to_last", (source, half)), ("from_last", (half, back))):
            if thin:
                module.over(f"thin_{kernel}", count, (*arrays, np.int64(count), *sizes[1:]))
            else:
                module.launch(kernel, grid, (*arrays, *sizes))
    there = bench.fetch(half).view(np.float16).reshape(shape[0], shape[2], shape[1])
    np.testing.assert_array_equal(there, numbers.swapaxes(1, 2))
    np.testing.assert_array_equal(bench.fetch(back), numbers)


def test_a_recorded_step_is_replayed(bench):
    """What is captured neither allocates nor waits, and reads what its arrays then hold."""
    op = Convolution(kernel=(3, 3), num_filter=4, num_group=2, pad=(1, 1))
    inputs, shapes, shape = random_inputs(op, (3, 4, 6, 5))
    kernel = bench.make(ColumnsConvolution, op, shapes, [shape], "relu")
    arrays = [bench.send(np.float32(array)) for array in inputs]
    head, out = bench.send(np.ones(shape, np.float32)), bench.send(np.zeros(shape, np.float32))
    grads = [bench.send(np.zeros(array.shape, np.float32)) for array in inputs]

    def run():
        kernel.forward(bench.step, arrays, [out])
        kernel.backward(bench.step, [head], arrays, [out], grads)

    with bench.device.active():
        run()
        bench.device.stream.begin_capture()
        run()
        graph = bench.device.stream.end_capture()
        inputs[0] = -inputs[0]
        arrays[0].set(np.float32(inputs[0]))
    bench.device.launch(graph)
    got = bench.fetch(out), [bench.fetch(grad) for grad in grads]
    bench.close(got, bench.on_host(bench.chain(op, "relu"), inputs, shape, np.ones(shape)), rtol=1e-4, atol=1e-4)
