"""Arrays in host memory, computing on GPUs: what is copied when, and that nothing is read too early."""

from functools import partial

import numpy as np
import pytest

import pushgrad as mx
from pushgrad.worker.devices.placement import Placement
from pushgrad.worker.execution.bound_arrays import Places
from pushgrad.worker.execution.choose_executor import bind_share
from pushgrad.worker.execution.executor import Executor
from pushgrad.worker.execution.gpu import host_memory_executor
from pushgrad.worker.execution.gpu.pinned_pages import page_runs


def network():
    net = mx.sym.Convolution(mx.sym.Variable("data"), kernel=(3, 3), num_filter=4, name="conv")
    net = mx.sym.BatchNorm(net, fix_gamma=False, name="bn")
    net = mx.sym.Activation(mx.sym.FullyConnected(mx.sym.Flatten(net), num_hidden=8, name="fc1"), act_type="tanh")
    return mx.sym.SoftmaxOutput(mx.sym.FullyConnected(net, num_hidden=3, name="fc2"), name="softmax")


def requests(net):
    return {name: "null" if name in ("data", "softmax_label") else "write" for name in net.list_arguments()}


@pytest.mark.parametrize("least", [1, 500, 1 << 30])
def test_weights_that_change_between_steps(gpus, monkeypatch, least):
    monkeypatch.setattr(host_memory_executor, "STRETCH", least)
    monkeypatch.setattr(host_memory_executor, "BUCKET", least)
    net, shapes = network(), {"data": (6, 2, 6, 6)}
    weights = {"fc1_weight": np.zeros((8, 64), np.float32)}
    gradients = {"fc1_weight": np.full((8, 64), np.nan, np.float32)}
    placement = Placement.of(mx.gpu(0))
    found = host_memory_executor.HostedExecutor(net, placement, requests(net), shapes, Places(weights, gradients))
    expected = Executor.for_share(net, requests(net), [(0, 6)], shapes)
    assert found.arg_dict["fc1_weight"] is weights["fc1_weight"]
    assert found.grad_dict["fc1_weight"] is gradients["fc1_weight"]
    generator, order = np.random.default_rng(0), []
    for _ in range(4):
        for name, array in found.arg_dict.items():
            array[...] = expected.arg_dict[name][...] = generator.standard_normal(array.shape)
        for executor in (found, expected):
            executor.arg_dict["softmax_label"][:] = np.arange(6) % 3
        order.append([])
        found.forward_backward(lambda name, gradient: order[-1].append((name, gradient.copy())))
        expected.forward_backward()
        assert {name for name, _ in order[-1]} == set(found.grad_dict) - {"data", "softmax_label"}
        for name, gradient in order[-1]:
            np.testing.assert_allclose(gradient, expected.grad_dict[name], rtol=1e-4, atol=1e-5, err_msg=name)
        for name, state in found.aux_dict.items():
            np.testing.assert_allclose(state, expected.aux_dict[name], rtol=1e-5, err_msg=name)
        np.testing.assert_allclose(found.outputs[0], expected.outputs[0], rtol=1e-4, atol=1e-6)
    if least == 1:
        assert [name for name, _ in order[0]][:2] == ["fc2_weight", "fc2_bias"], "the last layer's come first"
    found.close()


def test_predictions_with_values_that_were_copied_in(gpus):
    net, shapes = network(), {"data": (6, 2, 6, 6)}
    found = host_memory_executor.HostedExecutor(net, Placement.of(mx.gpu(0)), "null", shapes)
    expected = Executor.for_share(net, "null", [(0, 6)], shapes)
    generator = np.random.default_rng(0)
    for _ in range(2):
        values = {name: generator.standard_normal(array.shape) for name, array in expected.arg_dict.items()}
        states = {name: generator.random(array.shape) for name, array in expected.aux_dict.items()}
        for executor in (found, expected):
            executor.copy_params_from(values, states)
        for _ in range(3):
            data = generator.standard_normal((6, 2, 6, 6))
            output = found.forward(data=data)[0]
            np.testing.assert_allclose(output, expected.forward(data=data)[0], rtol=1e-4, atol=1e-6)


def test_pages_are_registered_once():
    memory = np.zeros(1 << 16, np.uint8)
    start = -memory.ctypes.data % 4096
    arrays = [memory[start : start + 10], memory[start + 20 : start + 5000], memory[start + 16384 : start + 16385]]
    (first, last), (second, end) = page_runs([*arrays, memory[:0]])
    assert (last - first, end - second, second - first) == (8192, 4096, 16384)
    assert first == memory.ctypes.data + start


def values_for(executor):
    """Random values for all that the executor reads, but labels from 0 to 2."""
    generator = np.random.default_rng(5)
    arrays = {name: generator.standard_normal(array.shape) for name, array in executor.arg_dict.items()}
    return {name: np.arange(len(a)) % 3 if name.endswith("label") else a for name, a in arrays.items()}


def places_to_compute(net, wish, shapes, contexts):
    """An executor on `contexts`, and one on the processor alone with the same values."""
    found = bind_share(net, Placement.of(contexts), wish, [(0, 6)], shapes)
    expected = Executor.for_share(net, wish, [(0, 6)], shapes)
    for executor in (found, expected):
        executor.copy_params_from(values_for(expected))
    return found, expected


CONTEXTS = pytest.mark.parametrize(
    ("gpus", "contexts"),
    [(1, [mx.gpu(0)]), (2, [mx.gpu(0), mx.gpu(1)]), (1, [mx.gpu(0), mx.cpu()]), (2, [mx.gpu(0), mx.gpu(1), mx.cpu()])],
    indirect=["gpus"],
    ids=["one", "two", "mixed", "two-mixed"],
)


def perceptron():
    net = mx.sym.Activation(mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=8, name="fc1"), act_type="tanh")
    return mx.sym.SoftmaxOutput(mx.sym.FullyConnected(net, num_hidden=3, name="fc2"), name="softmax")


@CONTEXTS
def test_predictions_with_weights_that_forward_is_given(gpus, contexts):
    found, expected = places_to_compute(perceptron(), "null", {"data": (6, 5)}, contexts)
    np.testing.assert_allclose(found.forward()[0], expected.forward()[0], rtol=1e-4, atol=1e-6)
    weight = np.random.default_rng(6).standard_normal((8, 5))
    for _ in range(2):
        expected.forward(fc1_weight=weight)
        np.testing.assert_allclose(found.forward(fc1_weight=weight)[0], expected.outputs[0], rtol=1e-4, atol=1e-6)
        weight = weight + 1


@CONTEXTS
def test_predictions_between_steps_see_weights_that_the_store_has_changed(gpus, contexts):
    net = perceptron()
    found, expected = places_to_compute(net, requests(net), {"data": (6, 5)}, contexts)
    for executor in (found, expected):
        executor.forward_backward()
        executor.arg_dict["fc1_weight"] *= -2
        executor.forward()
    np.testing.assert_allclose(found.outputs[0], expected.outputs[0], rtol=1e-4, atol=1e-6)


def hear(heard, name, gradient):
    heard.append((name, gradient.copy()))


@CONTEXTS
@pytest.mark.parametrize("wish", ["write", "add"])
def test_gradients_of_parameters_and_of_inputs_that_the_batch_cuts(gpus, contexts, wish):
    net = perceptron()
    wishes = {name: "null" if name == "softmax_label" else wish for name in net.list_arguments()}
    found, expected = places_to_compute(net, wishes, {"data": (6, 5)}, contexts)
    for _ in range(3):
        heard = []
        found.forward_backward(partial(hear, heard))
        expected.forward_backward()
        assert sorted(name for name, _ in heard) == sorted(set(wishes) - {"softmax_label"})
        for name, gradient in heard:
            np.testing.assert_allclose(gradient, expected.grad_dict[name], rtol=1e-4, atol=1e-5, err_msg=name)
            np.testing.assert_array_equal(found.grad_dict[name], gradient)


def test_states_beside_the_processor_are_one_for_both_parts_and_stay_in_predictions(gpus):
    net = mx.sym.BatchNorm(mx.sym.Variable("data"), fix_gamma=False, momentum=0.3, name="bn")
    found, expected = places_to_compute(net, "null", {"data": (6, 5)}, [mx.gpu(0), mx.cpu()])
    found.forward(is_train=True)
    states = {name: array.copy() for name, array in found.aux_dict.items()}
    expected.copy_params_from({}, states)
    for _ in range(3):
        np.testing.assert_allclose(found.forward()[0], expected.forward()[0], rtol=1e-5, atol=1e-6)
    for name, array in found.aux_dict.items():
        np.testing.assert_array_equal(array, states[name], err_msg=name)
