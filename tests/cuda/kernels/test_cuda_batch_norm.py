"""BatchNorm on the device against the plain operator."""

import numpy as np
import pytest

from pushgrad.worker.cuda.kernels.batch_norm import BatchNormKernel, batch_norm_kernel
from pushgrad.worker.cuda.kernels.batch_norm_walks import _shares
from pushgrad.worker.ops.batch_norm import BatchNorm, CuDNNBatchNorm
from pushgrad.worker.ops.operator import Step

SHAPES = [
    ((7, 3, 5, 4), 1),
    ((2, 3, 17, 19), 1),  # a plane is longer than a block
    ((3, 2, 33, 70), 1),  # planes are cut
    ((130, 2, 8, 5), 1),  # rows are cut
    ((5, 130, 3), 1),  # channels lie side by side
    ((90, 40), 1),
    ((9, 600), 1),
    ((1, 4), 1),
    ((4, 3, 5), -1),
    ((6, 11), 0),
]


def arrays(shape, axis, offset=30):
    """data (far from zero), gamma, beta, moving mean, moving variance; and a head gradient."""
    rng, channels = np.random.default_rng(sum(shape)), shape[axis]
    states = [rng.uniform(0.5, 2, channels), *rng.normal(size=(2, channels)), rng.uniform(0.5, 2, channels)]
    inputs = [array.astype(np.float32) for array in (rng.normal(offset, 2, shape), *states)]
    return inputs, rng.standard_normal(shape).astype(np.float32)


def results(shape, channels, op, dtype):
    return [np.full(s, np.nan, dtype) for s in [shape, *[(channels,)] * (len(op.outputs()) - 1)]]


def on_device(bench, kernel, op, is_train, inputs, head, wanted=(0, 1, 2), forward=True):
    """Outputs, gradients and states."""
    outputs = results(head.shape, inputs[1].size, op, np.float32)
    inputs, outputs, head = list(map(bench.send, inputs)), list(map(bench.send, outputs)), bench.send(head)
    grads = [bench.send(np.full(a.shape, np.nan, np.float32)) if i in wanted else None for i, a in enumerate(inputs)]
    bench.step.is_train = is_train
    with bench.device.active():
        if forward:
            kernel.forward(bench.step, inputs, outputs)
        kernel.backward(bench.step, [head], inputs, outputs, grads)
    return [bench.fetch(a) for a in (*outputs, *(grad for grad in grads if grad is not None), *inputs[3:])]


def on_host(op, is_train, inputs, head):
    """The same in float64."""
    inputs = [array.astype(np.float64) for array in inputs]
    outputs = results(head.shape, inputs[1].size, op, np.float64)
    grads = [np.full_like(array, np.nan) for array in inputs[:3]]
    op.forward(Step(is_train=is_train), inputs, outputs)
    op.backward(Step(is_train=is_train), [head.astype(np.float64)], inputs, outputs, [*grads, None, None])
    return [*outputs, *grads, *inputs[3:]]


def close(found, expected, rtol=1e-4):
    for got, want in zip(found, expected, strict=True):
        np.testing.assert_allclose(got, want, rtol=rtol, atol=rtol / 10 * max(1, np.abs(want).max(initial=0)))


@pytest.mark.parametrize("is_train", [True, False])
@pytest.mark.parametrize("global_stats", [False, True])
@pytest.mark.parametrize("fix_gamma", [False, True])
@pytest.mark.parametrize(("shape", "axis"), SHAPES)
def test_same_as_the_plain_version(bench, shape, axis, fix_gamma, global_stats, is_train):
    op = BatchNorm(axis=axis, fix_gamma=fix_gamma, use_global_stats=global_stats, output_mean_var=True)
    inputs, head = arrays(shape, axis)
    kernel = bench.make(batch_norm_kernel, op, shape)
    for _ in range(2):
        close(on_device(bench, kernel, op, is_train, inputs, head), on_host(op, is_train, inputs, head))


@pytest.mark.parametrize("which", range(3))
def test_only_the_gradients_that_are_wanted(bench, which):
    op, (inputs, head) = CuDNNBatchNorm(), arrays((4, 3, 2), 1)
    kernel = bench.make(BatchNormKernel, op, head.shape)
    everything = on_device(bench, kernel, op, True, inputs, head)
    assert (on_device(bench, kernel, op, True, inputs, head, (which,))[1] == everything[1 + which]).all()


@pytest.mark.parametrize("before", [None, False])
def test_backward_without_a_training_forward(bench, before):
    op, (inputs, head) = CuDNNBatchNorm(), arrays((4, 3, 6, 6), 1)
    kernel = bench.make(BatchNormKernel, op, head.shape)
    if before is not None:
        on_device(bench, kernel, op, before, inputs, head)
    found = on_device(bench, kernel, op, True, inputs, head, forward=False)
    close(found[1:4], on_host(op, True, inputs, head)[1:4])
    assert (found[4] == inputs[3]).all() and (found[5] == inputs[4]).all()


def test_two_kernels_share_their_scratch(bench):
    op, made = CuDNNBatchNorm(), []
    for shape in ((4, 3, 6, 6), (3, 5, 40)):
        made.append((bench.make(BatchNormKernel, op, shape), *arrays(shape, 1)))
    for kernel, inputs, head in made * 2:
        close(on_device(bench, kernel, op, True, inputs, head), on_host(op, True, inputs, head))


def test_a_mean_far_from_zero(bench):
    op, (inputs, head) = CuDNNBatchNorm(eps=1e-5), arrays((8, 2, 9, 9), 1, offset=3e4)
    kernel = bench.make(BatchNormKernel, op, head.shape)
    found, expected = on_device(bench, kernel, op, True, inputs, head), on_host(op, True, inputs, head)
    close(found, expected, rtol=2e-4)


def test_an_empty_batch(bench):
    op, (inputs, head) = BatchNorm(fix_gamma=False, output_mean_var=True), arrays((0, 3, 4, 4), 1)
    kernel = bench.make(BatchNormKernel, op, head.shape)
    close(on_device(bench, kernel, op, True, inputs, head), on_host(op, True, inputs, head))


def test_nan_stays_in_its_channel(bench):
    op, (inputs, head) = CuDNNBatchNorm(), arrays((4, 3, 5, 5), 1)
    inputs[0][1, 2, 3, 3] = np.nan
    out = on_device(bench, bench.make(BatchNormKernel, op, head.shape), op, True, inputs, head)[0]
    assert np.isnan(out[:, 2]).all() and not np.isnan(out[:, :2]).any()


@pytest.mark.parametrize(
    "shape", [(256, 64, 56 * 56), (256, 3, 224 * 224), (32, 2048, 49), (1, 1, 10**7), (10**5, 128, 1)]
)
def test_large_arrays_occupy_the_whole_gpu(shape):
    width, lanes, splits, columns = _shares(*shape)
    blocks = -(-shape[1] // width) * splits * columns
    assert 256 % (width * lanes) == 0 and 528 <= blocks <= max(2112, shape[1])


def test_a_recorded_step_is_replayed(bench):
    op, (inputs, head) = CuDNNBatchNorm(), arrays((4, 3, 5, 5), 1)
    kernel = bench.make(BatchNormKernel, op, head.shape)
    here, heads, outs = [bench.send(a) for a in inputs], [bench.send(head)], [bench.send(np.zeros_like(head))]
    grads = [bench.send(np.zeros_like(array)) for array in inputs[:3]]

    def run():
        kernel.forward(bench.step, here, outs)
        kernel.backward(bench.step, heads, here, outs, grads)

    with bench.device.active():
        run()
        bench.device.stream.begin_capture()
        run()
        graph = bench.device.stream.end_capture()
        inputs[0] = inputs[0] ** 2
        for array, value in zip(here, inputs, strict=True):
            array.set(value)
    bench.device.launch(graph)
    close([bench.fetch(a) for a in (*outs, *grads, *here[3:])], on_host(op, True, inputs, head))
