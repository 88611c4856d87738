"""The compiled BatchNorm against the plain one, and with relu behind it against both apart."""

import numpy as np
import pytest

from pushgrad.common.call_table import Table
from pushgrad.worker.cpu.activation import ActivationKernel
from pushgrad.worker.cpu.batch_norm import BatchNormKernel
from pushgrad.worker.cpu.registry import kernel_for
from pushgrad.worker.ops.activation import Activation
from pushgrad.worker.ops.batch_norm import BatchNorm, CuDNNBatchNorm
from pushgrad.worker.ops.operator import Step

TRAINING = Step(is_train=True)
SHAPES = [
    ((7, 3, 5, 4), 1),
    ((2, 3, 17, 19), 1),  # several vectors and a part of one for each row of a channel
    ((2, 2, 16, 16), 1),
    ((4, 3, 4, 4), 1),  # a row of a channel is one vector
    ((5, 130, 3), 1),  # several groups of several channels
    ((9, 600), 1),
    ((1, 4), 1),
    ((4, 3, 5), -1),
    ((6, 11), 0),
]


def arrays(shape, axis):
    """data (far from zero), gamma, beta, moving mean, moving variance, in float32; and a head gradient."""
    rng, channels = np.random.default_rng(sum(shape)), shape[axis]
    data = rng.normal(30, 2, shape)
    states = [rng.uniform(0.5, 2, channels), *rng.normal(size=(2, channels)), rng.uniform(0.5, 2, channels)]
    return [array.astype(np.float32) for array in (data, *states)], rng.standard_normal(shape, np.float32)


class InParts:
    """A kernel whose parts for so many threads run one after the other."""

    def __init__(self, kernel, count):
        self.kernel, self.count = kernel, count

    def forward(self, *arrays):
        self._run(self.kernel.forward_parts(*arrays, self.count))

    def backward(self, *arrays):
        self._run(self.kernel.backward_parts(*arrays, self.count))

    def _run(self, parts):
        assert 1 <= len(parts) <= self.count
        for rows in reversed(parts):
            Table(rows).run()


def run(worker, op, step, inputs, head, wanted=(0, 1, 2)):
    """Outputs, gradients and states that `worker` computes, in the dtype of `inputs`."""
    inputs = [array.copy() for array in inputs]
    _, shapes = op.infer_shape([array.shape for array in inputs[:3]], [None] * len(op.outputs()))
    outputs = [np.full(shape, np.nan, inputs[0].dtype) for shape in shapes]
    worker.forward(step, inputs, outputs)
    grads = [np.full_like(array, np.nan) if i in wanted else None for i, array in enumerate(inputs)]
    worker.backward(step, [head], inputs, outputs, grads)
    return [*outputs, *(grad for grad in grads if grad is not None), *inputs[3:]]


@pytest.mark.parametrize("step", [TRAINING, Step()])
@pytest.mark.parametrize("global_stats", [False, True])
@pytest.mark.parametrize("fix_gamma", [False, True])
@pytest.mark.parametrize(("shape", "axis"), SHAPES)
def test_same_as_the_plain_version(shape, axis, fix_gamma, global_stats, step):
    op = BatchNorm(axis=axis, fix_gamma=fix_gamma, use_global_stats=global_stats, output_mean_var=True)
    inputs, head = arrays(shape, axis)
    fast = kernel_for([op], [a.shape for a in inputs], [shape], np.float32)
    assert isinstance(fast, BatchNormKernel)
    found = run(fast, op, step, inputs, head)
    expected = run(op, op, step, [array.astype(np.float64) for array in inputs], head.astype(np.float64))
    for got, want in zip(found, expected, strict=True):
        np.testing.assert_allclose(got, want, rtol=2e-4, atol=2e-5 * max(1, np.abs(want).max()))


@pytest.mark.parametrize("count", [2, 3, 8])
@pytest.mark.parametrize(("shape", "axis"), SHAPES)
def test_parts_give_the_same_bits(shape, axis, count):
    op = BatchNorm(axis=axis, fix_gamma=False, output_mean_var=True)
    inputs, head = arrays(shape, axis)
    whole = BatchNormKernel(op, shape[axis])
    parts = InParts(BatchNormKernel(op, shape[axis]), count)
    together, apart = run(whole, op, TRAINING, inputs, head), run(parts, op, TRAINING, inputs, head)
    assert all((a == b).all() for a, b in zip(together, apart, strict=True))


def test_only_the_gradients_that_are_wanted():
    op = CuDNNBatchNorm()
    inputs, head = arrays((4, 3, 2), 1)
    fast = kernel_for([op], [a.shape for a in inputs], [(4, 3, 2)], np.float32)
    everything = run(fast, op, TRAINING, inputs, head)
    for which in range(3):
        alone = run(fast, op, TRAINING, inputs, head, wanted=(which,))
        assert (alone[1] == everything[1 + which]).all()


def test_arguments_with_gaps():
    op, (inputs, head) = BatchNorm(fix_gamma=False), arrays((6, 4, 3, 5), 1)
    wide = [np.repeat(array, 2, axis=-1) for array in (inputs[0], head)]
    kernel, results = BatchNormKernel(op, 4), []
    for data, given in ((inputs[0], head), (wide[0][..., ::2], wide[1][..., ::2])):
        out, grads = np.empty_like(head), [np.empty_like(array) for array in inputs]
        kernel.forward(TRAINING, [data, *(array.copy() for array in inputs[1:])], [out])
        kernel.backward(TRAINING, [given], [data, *inputs[1:]], [out], [*grads[:3], None, None])
        results.append([out, *grads[:3]])
    assert all((a == b).all() for a, b in zip(*results, strict=True))


@pytest.mark.parametrize("before", [[], [Step()], [TRAINING], [TRAINING, Step()], [Step(), TRAINING]])
@pytest.mark.parametrize("then", [[], [TRAINING], [Step()]])
@pytest.mark.parametrize("step", [TRAINING, Step()])
@pytest.mark.parametrize("count", [1, 2])
def test_backward_after_any_passes(before, step, then, count):
    """The plain operator's backward goes by its own step and inputs, whatever ran before it."""
    op = BatchNorm(fix_gamma=False)
    inputs, head = arrays((5, 130, 3), 1)
    results = []
    for worker in (InParts(BatchNormKernel(op, 130), count), op):
        given, out = [array.copy() for array in inputs], np.empty_like(head)
        for each in before:
            worker.forward(each, given, [out])
        grads = [np.full_like(array, np.nan) for array in given[:3]] + [None, None]
        for each in (step, *then):
            worker.backward(each, [head], given, [out], grads)
        results.append([*grads[:3], *given[3:]])
    for got, want in zip(*results, strict=True):
        np.testing.assert_allclose(got, want, rtol=2e-4, atol=1e-4)


def test_a_large_mean_and_a_constant_channel():
    data = (1e4 + np.random.default_rng(0).normal(size=(500, 2, 3))).astype(np.float32)
    data[:, 1] = 12345.678
    inputs = [data, *(np.full(2, value, np.float32) for value in (1, 0.5, 0, 1))]
    op = BatchNorm(eps=1e-5)
    out = run(BatchNormKernel(op, 2), op, TRAINING, inputs, data)[0]
    np.testing.assert_allclose(out[:, 0].std(), 1, rtol=1e-3)
    np.testing.assert_allclose(out[:, 0].mean(), 0.5, atol=1e-5)
    assert (out[:, 1] == 0.5).all()


def test_the_deviation_of_an_empty_batch_is_that_of_the_averages():
    op, (inputs, head) = BatchNorm(output_mean_var=True), arrays((0, 3, 2), 1)
    found, expected = (run(worker, op, TRAINING, inputs, head) for worker in (BatchNormKernel(op, 3), op))
    for got, want in zip(found, expected, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-6)


def test_an_empty_batch_and_nan():
    op = BatchNorm(fix_gamma=False)
    inputs, head = arrays((0, 3, 2), 1)
    found = run(BatchNormKernel(op, 3), op, TRAINING, inputs, head)
    assert (found[2] == 0).all() and (found[3] == 0).all() and (found[4] == inputs[3]).all()
    inputs, head = arrays((4, 3, 2), 1)
    inputs[0][0, 1, 0] = np.nan
    out = run(BatchNormKernel(op, 3), op, TRAINING, inputs, head)[0]
    assert np.isnan(out[:, 1]).all() and np.isfinite(out[:, [0, 2]]).all()


def run_apart(op, step, inputs, head, normalise=BatchNormKernel, activate=ActivationKernel):
    """As `run`, of a BatchNorm and a relu that are two kernels."""
    inputs = [array.copy() for array in inputs]
    between, out, behind = np.empty_like(head), np.empty_like(head), np.empty_like(head)
    grads = [*(np.full_like(array, np.nan) for array in inputs[:3]), None, None]
    first, second = normalise(op, len(inputs[1])), activate("relu")
    first.forward(step, inputs, [between])
    second.forward(step, [between], [out])
    second.backward(step, [head], [between], [out], [behind])
    first.backward(step, [behind], inputs, [between], grads)
    return [out, *grads[:3], *inputs[3:]]


def bits(arrays):
    return [array.view(np.int32).tolist() for array in arrays]


@pytest.mark.parametrize("step", [TRAINING, Step()])
@pytest.mark.parametrize("global_stats", [False, True])
@pytest.mark.parametrize("fix_gamma", [False, True])
@pytest.mark.parametrize(("shape", "axis"), SHAPES)
def test_relu_behind_it_has_the_bits_of_both_apart(shape, axis, fix_gamma, global_stats, step):
    op = BatchNorm(axis=axis, fix_gamma=fix_gamma, use_global_stats=global_stats)
    inputs, head = arrays(shape, axis)
    inputs[0] -= 30  # so that moving averages, too, lead to numbers of both signs
    chain = [op, Activation(act_type="relu")]
    together = run(kernel_for(chain, [a.shape for a in inputs], [shape], np.float32), op, step, inputs, head)
    assert (together[0] == 0).any() and (together[0] > 0).any()
    assert bits(together[:4]) == bits(run_apart(op, step, inputs, head)[:4])
    doubles = [array.astype(np.float64) for array in (*inputs, head)]
    plain = run_apart(op, step, doubles[:5], doubles[5], lambda op, channels: op, lambda kind: chain[1])
    for got, want in zip(together, plain, strict=True):
        np.testing.assert_allclose(got, want, rtol=2e-4, atol=2e-5 * max(1, np.abs(want).max()))


@pytest.mark.parametrize("count", [2, 3])
def test_parts_give_the_same_bits_with_relu(count):
    op = BatchNorm(fix_gamma=False)
    inputs, head = arrays((5, 130, 3), 1)
    whole = BatchNormKernel(op, 130, has_relu=True)
    apart = run(InParts(whole, count), op, TRAINING, inputs, head)
    assert bits(run(whole, op, TRAINING, inputs, head)) == bits(apart)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", ["data", "moving mean", "head"])
@pytest.mark.parametrize("shape", [(4, 5, 3, 7), (6, 5)])
def test_bad_numbers_go_through_relu_as_they_do_apart(shape, where, bad):
    """A head gradient that is infinite or NaN is noticed even where relu's output is zero."""
    op = BatchNorm(fix_gamma=False, use_global_stats=where == "moving mean")
    inputs, head = arrays(shape, 1)
    # Channel 1's output is negative throughout, so that relu's slope is zero at the bad number.
    inputs[2][1] = -100
    {"data": inputs[0][0, 1:3], "moving mean": inputs[3][1:3], "head": head[0, 1:3]}[where].flat[0] = bad
    together = run(BatchNormKernel(op, 5, has_relu=True), op, TRAINING, inputs, head)[:4]
    apart = run_apart(op, TRAINING, inputs, head)[:4]
    for got, want in zip(together, apart, strict=True):
        np.testing.assert_array_equal(got, want)
    assert not all(np.isfinite(array).all() for array in together) or where == "moving mean"
