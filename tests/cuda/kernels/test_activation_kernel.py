"""Activations, biases and their gradients against the plain operators."""

import numpy as np
import pytest

from pushgrad.worker.cuda.kernels.activation import ActivationKernel, activate_with_bias, slope_times
from pushgrad.worker.cuda.kernels.bias import bias_gradient, bias_scratch
from pushgrad.worker.cuda.kernels.flat import alike, is_dense
from pushgrad.worker.ops.activation import Activation

TYPES = ["relu", "sigmoid", "tanh", "softrelu", "softsign"]


@pytest.mark.parametrize("act_type", TYPES)
@pytest.mark.parametrize("shape", [(1,), (4,), (3, 5, 7), (8, 128), (0, 3), (1027,)])
def test_as_the_operator(bench, act_type, shape):
    data = np.random.default_rng(len(shape)).standard_normal(shape) * 3
    bench.close(*bench.both(bench.make(ActivationKernel, act_type), Activation(act_type=act_type), [data]))


@pytest.mark.parametrize("act_type", TYPES)
def test_values_at_the_ends(bench, act_type):
    data = np.array([np.nan, 0, -0.0, 80, -80, 200, -200, 1e30, -1e30, 1e-30, np.inf, -np.inf], np.float32)
    got, want = bench.both(bench.make(ActivationKernel, act_type), Activation(act_type=act_type), [data])
    np.testing.assert_allclose(got[0], want[0], 1e-5, 1e-38)
    finite = np.abs(data) < 1e20  # beyond, a gradient of 0 from the output is not always one from the input
    np.testing.assert_allclose(got[1][0][finite], want[1][0][finite], 1e-5, 1e-6)
    assert np.isnan(got[1][0][0]), "a NaN comes through"
    assert not np.isnan(got[1][0][1:]).any()


def test_an_array_that_does_not_begin_at_a_quad(bench):
    whole = bench.send(np.linspace(-2, 2, 23, dtype=np.float32))
    kernel = bench.make(ActivationKernel, "relu")
    with bench.device.active():
        kernel.forward(bench.step, [whole[3:20]], [whole[3:20]])
    want = np.linspace(-2, 2, 23, dtype=np.float32)
    want[3:20] = np.maximum(want[3:20], 0)
    np.testing.assert_array_equal(bench.fetch(whole), want)


def test_other_strides(bench):
    values = np.random.default_rng(0).standard_normal((2, 5, 3, 4)).astype(np.float32)
    kernel = bench.make(ActivationKernel, "tanh")
    last = bench.send(values).transpose(0, 3, 1, 2)  # channels behind, both alike
    with bench.device.active():
        first = bench.device.xp.zeros(last.shape, np.float32)
        for out in (last, first):
            kernel.forward(bench.step, [last], [out])
            kernel.backward(bench.step, [last], [last], [out], [out])
    y = np.tanh(values.transpose(0, 3, 1, 2))
    np.testing.assert_allclose(bench.fetch(last), (1 - y * y) * y, 1e-5, 1e-6)
    y, x = np.tanh((1 - y * y) * y), (1 - y * y) * y
    np.testing.assert_allclose(bench.fetch(first), (1 - y * y) * x, 1e-4, 1e-6)


def test_dense():
    array = np.zeros((2, 3, 4, 1), np.float32)
    assert is_dense(array) and is_dense(array.T) and is_dense(array[:0]) and is_dense(np.float32(1).reshape(()))
    assert is_dense(array[1]) and not is_dense(array[:, ::2]) and not is_dense(array[:, :2])
    assert not is_dense(array[::-1]) and not is_dense(np.broadcast_to(array[..., :1], (2, 3, 4, 2)))
    assert alike(array, array.copy()) and not alike(array[..., 0], np.zeros((4, 3, 2), np.float32).T)


@pytest.mark.parametrize("act_type", [None, *TYPES])
@pytest.mark.parametrize("shape", [(7, 10), (3, 5, 9), (2, 6, 16), (0, 4, 4), (5, 1, 1), (1, 3, 1030)])
def test_bias_and_activation(bench, act_type, shape):
    rng = np.random.default_rng(1)
    x, bias = (rng.standard_normal(s).astype(np.float32) for s in (shape, shape[1:2]))
    inner, there = int(np.prod(shape[2:])), bench.send(x)
    with bench.device.active():
        activate_with_bias(bench.device, there, bench.send(bias), act_type, inner)
    summed = x + bias.reshape(-1, *(1,) * (len(shape) - 2))
    want = summed.copy()
    if act_type:
        Activation(act_type=act_type).forward(bench.plain_step, [summed], [want])
    np.testing.assert_allclose(bench.fetch(there), want, 1e-5, 1e-6)


def test_without_bias(bench):
    x = np.array([-1, 2, -3], np.float32)
    there = bench.send(x)
    with bench.device.active():
        activate_with_bias(bench.device, there, None)
        assert (bench.fetch(there) == x).all()
        activate_with_bias(bench.device, there, None, "relu")
        slope_times(bench.device, "relu", there, there, there)
    np.testing.assert_array_equal(bench.fetch(there), [0, 2, 0])


@pytest.mark.parametrize(
    "shape",
    [(7, 10, 1), (1, 1, 1), (0, 3, 1), (0, 3, 4), (700, 33, 1), (130, 5, 1), (9, 3, 49), (40, 20, 576), (3, 2, 5000)],
)
def test_bias_gradient(bench, shape):
    grad = np.random.default_rng(2).standard_normal(shape).astype(np.float32)
    target, there, channels = bench.send(np.full(shape[1], np.nan, np.float32)), bench.send(grad), shape[1]
    with bench.device.active():
        scratch = bias_scratch(bench.device, there, channels, shape[2])
        bias_gradient(bench.device, there, target, scratch, shape[2])
    np.testing.assert_allclose(bench.fetch(target), grad.sum((0, 2), dtype=np.float64), 1e-5, 2e-4)


def test_a_large_gradient_is_summed_in_parts(bench):
    with bench.device.active():
        columns = bias_scratch(bench.device, bench.device.empty((40000,)), 10)
        planes = bias_scratch(bench.device, bench.device.empty((100 * 20 * 576,)), 20, 576)
        small = bias_scratch(bench.device, bench.device.empty((100 * 10,)), 10)
    assert len(columns) > 4 and len(planes) > 4 and len(small) == 1
