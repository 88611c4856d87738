"""The executor: shapes of slices, order of sums, announcements, requests for gradients, and memory over many steps."""

import threading
import tracemalloc

import numpy as np
import pytest

import pushgrad as mx
from pushgrad.common.errors import GraphError, ParameterError, ShapeError
from pushgrad.worker.execution import slice_layout
from pushgrad.worker.ops.batch_position import BatchPosition


def network():
    data = mx.sym.Variable("data")
    conv = mx.sym.Convolution(data, kernel=(3, 3), num_filter=4, name="conv")
    pool = mx.sym.Pooling(mx.sym.Activation(conv, act_type="tanh"), pool_type="max", kernel=(2, 2), stride=(2, 2))
    hidden = mx.sym.Activation(mx.sym.FullyConnected(mx.sym.Flatten(pool), num_hidden=8, name="fc1"), act_type="relu")
    return mx.sym.SoftmaxOutput(mx.sym.FullyConnected(hidden, num_hidden=3, name="fc2"), name="softmax")


def bound(rows=8, slices=None, dtype=np.float32, symbol=None, **options):
    symbol = network() if symbol is None else symbol
    types = dict.fromkeys(symbol.list_arguments(), dtype)
    executor = symbol.simple_bind(data=(rows, 2, 8, 8), slices=slices, type_dict=types, **options)
    rng = np.random.default_rng(7)
    for name, array in executor.arg_dict.items():
        array[...] = rng.integers(0, 3, array.shape) if name.endswith("label") else rng.uniform(-1, 1, array.shape)
    return executor


def gradients(executor):
    executor.forward_backward()
    return {name: array.copy() for name, array in executor.grad_dict.items() if array is not None}


def test_fused_float32_agrees_with_the_plain_float64_graph():
    fast, plain = bound(), bound(dtype=np.float64)
    expected = gradients(plain)
    for name, found in gradients(fast).items():
        np.testing.assert_allclose(found, expected[name], rtol=1e-4, atol=1e-5, err_msg=name)
    np.testing.assert_allclose(fast.outputs[0], plain.outputs[0], rtol=1e-5)


def separable():
    """Convolutions in groups and without, with what is computed together with them only where there is no backward."""
    net = mx.sym.Convolution(mx.sym.Variable("data"), kernel=(3, 3), num_filter=6, name="wide")
    net = mx.sym.clip(net, a_min=0, a_max=0.5)
    net = mx.sym.Convolution(net, kernel=(3, 3), pad=(1, 1), num_filter=6, num_group=6, name="deep")
    net = mx.sym.Activation(net, act_type="relu")
    net = mx.sym.Convolution(net, kernel=(3, 3), stride=(2, 2), num_filter=6, num_group=6, name="deeper")
    net = mx.sym.Pooling(mx.sym.clip(net, a_min=0, a_max=0.2), pool_type="max", kernel=(2, 2), stride=(2, 2))
    return mx.sym.SoftmaxOutput(mx.sym.FullyConnected(net, num_hidden=3, name="fc"), name="softmax")


@pytest.mark.parametrize(("grad_req", "groups"), [("write", 8), ("null", 6)])
def test_what_is_computed_with_convolutions_in_training_and_prediction(grad_req, groups):
    fast, plain = (bound(dtype=dtype, symbol=separable(), grad_req=grad_req) for dtype in (np.float32, np.float64))
    assert len(fast._outline.groups) == groups
    for executor in (fast, plain):
        executor.forward(is_train=grad_req != "null")
    np.testing.assert_allclose(fast.outputs[0], plain.outputs[0], rtol=1e-5)
    if grad_req != "null":
        expected = gradients(plain)
        for name, found in gradients(fast).items():
            np.testing.assert_allclose(found, expected[name], rtol=1e-3, atol=1e-5, err_msg=name)


def test_forward_then_backward_gives_the_bits_of_both_at_once():
    one, two = bound(slices=3), bound(slices=3)
    expected = gradients(one)
    two.forward(is_train=True)
    two.backward()
    for name, array in expected.items():
        assert np.array_equal(two.grad_dict[name], array), name


@pytest.mark.parametrize("slices", [2, 3, 4, 8])
def test_slices_change_rounding_only(slices):
    whole, cut = gradients(bound()), gradients(bound(slices=slices))
    for name, array in whole.items():
        np.testing.assert_allclose(cut[name], array, rtol=1e-4, atol=1e-5, err_msg=name)


def test_threads_do_not_change_bits(monkeypatch):
    results = []
    for threads in (1, 2, 4):
        monkeypatch.setenv("OMP_NUM_THREADS", str(threads))
        executor = bound(slices=4)
        assert executor.threads == threads
        results.append(gradients(executor))
    for name in results[0]:
        assert all(np.array_equal(results[0][name], other[name]) for other in results[1:]), name


@pytest.mark.parametrize("rows, threads", [(4, 1), (400, 3)])
def test_a_small_network_is_one_threads_work(monkeypatch, rows, threads):
    monkeypatch.setattr(slice_layout, "WORK_OF_ONE_COMPILED", 3e6)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    symbol = mx.symbol.FullyConnected(mx.symbol.Variable("data"), num_hidden=100, name="fc")
    assert symbol.simple_bind(slices=4, data=(rows, 500)).threads == threads


def test_more_slices_than_rows():
    few, cut = gradients(bound(rows=2)), gradients(bound(rows=2, slices=5))
    for name, array in few.items():
        np.testing.assert_allclose(cut[name], array, rtol=1e-4, atol=1e-5, err_msg=name)


def test_each_gradient_is_announced_once_when_it_is_final_and_last_layers_come_first():
    executor, seen, lock = bound(slices=2), [], threading.Lock()

    def announce(name, gradient):
        with lock:
            seen.append((name, gradient.copy()))

    executor.forward_backward(announce)
    names = [name for name, _ in seen]
    assert sorted(names) == sorted(name for name, array in executor.grad_dict.items() if array is not None)
    assert names.index("fc2_weight") < names.index("conv_weight")
    for name, array in seen:
        assert np.array_equal(array, executor.grad_dict[name]), name


def test_requests_write_add_and_null():
    executor = bound(grad_req={"fc1_weight": "write", "fc2_weight": "add"})
    assert executor.grad_dict["conv_weight"] is None
    executor.forward_backward()
    once = executor.grad_dict["fc2_weight"].copy(), executor.grad_dict["fc1_weight"].copy()
    executor.forward_backward()
    np.testing.assert_allclose(executor.grad_dict["fc2_weight"], 2 * once[0], rtol=1e-6)
    assert np.array_equal(executor.grad_dict["fc1_weight"], once[1])


def test_a_shared_weight_gets_the_sum_of_its_uses():
    weight = mx.sym.Variable("w")
    first = mx.sym.FullyConnected(mx.sym.Variable("data"), weight=weight, num_hidden=4, no_bias=True, name="a")
    second = mx.sym.FullyConnected(first, weight=weight, num_hidden=4, no_bias=True, name="b")
    executor = mx.sym.LinearRegressionOutput(second, name="out").simple_bind(
        data=(3, 4), type_dict=dict.fromkeys(("data", "w", "out_label"), np.float64)
    )
    rng = np.random.default_rng(0)
    for array in executor.arg_arrays:
        array[...] = rng.standard_normal(array.shape)
    executor.forward_backward()
    w, x, label = (executor.arg_dict[name] for name in ("w", "data", "out_label"))
    error = ((x @ w.T) @ w.T - label) / 4
    expected = error.T @ (x @ w.T) + (error @ w).T @ x
    np.testing.assert_allclose(executor.grad_dict["w"], expected)


def test_out_grads_scale_a_head_that_is_no_loss():
    symbol = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=2, name="fc")
    executor = symbol.simple_bind(data=(3, 4), slices=3)
    executor.arg_dict["data"][...] = np.arange(12).reshape(3, 4)
    executor.forward(is_train=True)
    head = np.array([[1, 0], [0, 2], [3, 0]], np.float32)
    executor.backward(head)
    assert np.array_equal(executor.grad_dict["fc_weight"], head.T @ executor.arg_dict["data"])
    executor.backward()
    assert np.array_equal(executor.grad_dict["fc_bias"], [3, 3])


def test_a_group_may_show_an_inner_output_and_a_view():
    loss = network()
    inner = loss.get_internals()["conv_output"]
    symbol = mx.sym.Group([loss, mx.sym.BlockGrad(inner)])
    both, alone = bound(symbol=symbol, slices=2), bound(slices=2)
    expected = gradients(alone)
    for name, found in gradients(both).items():
        np.testing.assert_allclose(found, expected[name], rtol=1e-4, atol=1e-6, err_msg=name)
    assert both.outputs[1].shape == (8, 4, 6, 6)
    assert both.outputs[1].any()


def test_valid_normalisation_counts_labels_of_the_whole_batch():
    data = mx.sym.Variable("data")
    options = {"normalization": "valid", "use_ignore": True, "ignore_label": 1, "name": "softmax"}
    symbol = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(mx.sym.Flatten(data), num_hidden=3, name="fc"), **options)
    whole, cut = gradients(bound(symbol=symbol)), gradients(bound(symbol=symbol, slices=4))
    for name, array in whole.items():
        np.testing.assert_allclose(cut[name], array, rtol=1e-4, atol=1e-6, err_msg=name)


def test_rows_that_are_coupled_are_computed_as_one_slice():
    symbol = mx.sym.Reshape(mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=4, name="fc"), shape=(-1,))
    executor = symbol.simple_bind(data=(6, 3), slices=3)
    assert executor.slices == [(0, 6)]
    assert executor.forward()[0].shape == (24,)


def test_dropout_does_not_depend_on_slices():
    symbol = mx.sym.Dropout(mx.sym.Variable("data"), p=0.4)
    shown = []
    for slices in (1, 2, 5):
        executor = symbol.simple_bind(data=(10, 6), slices=slices)
        executor.copy_params_from({"data": np.ones((10, 6), np.float32)})
        executor.forward_backward(at=BatchPosition(number=3, global_rows=10))
        shown.append(executor.outputs[0].copy())
    assert np.array_equal(shown[0], shown[1])
    assert np.array_equal(shown[0], shown[2])
    assert 0 < (shown[0] == 0).mean() < 1


def test_bind_uses_the_arrays_it_is_given():
    symbol = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=2, no_bias=True, name="fc")
    data, weight = np.ones((3, 4), np.float32), np.ones((2, 4), np.float32)
    gradient = np.zeros_like(weight)
    executor = symbol.bind(mx.cpu(), [data, weight], args_grad={"fc_weight": gradient})
    assert np.array_equal(executor.forward(is_train=True)[0], np.full((3, 2), 4))
    weight *= 2
    executor.forward(is_train=True)
    executor.backward()
    assert np.array_equal(executor.outputs[0], np.full((3, 2), 8))
    assert np.array_equal(gradient, np.full((2, 4), 3))


def test_no_memory_grows_over_steps():
    executor = bound(rows=32, slices=2)
    for _ in range(10):
        executor.forward_backward()
    peaks = []
    tracemalloc.start()
    try:
        for _ in range(3):
            tracemalloc.reset_peak()
            before, _ = tracemalloc.get_traced_memory()
            for _ in range(100):
                executor.forward_backward()
            peaks.append(tracemalloc.get_traced_memory()[1] - before)
    finally:
        tracemalloc.stop()
    assert min(peaks) < 64 * 1024  # others' threads may allocate something now and then; steps would every time


def test_an_error_on_a_compute_thread_reaches_the_caller_and_leaves_the_executor_usable():
    executor = bound(slices=2)
    label = executor.arg_dict["softmax_label"]
    good = label.copy()
    label[7] = 5
    with pytest.raises(ValueError, match=r"SoftmaxOutput.*row 7.*got 5"):
        executor.forward_backward()
    label[...] = good
    assert np.array_equal(gradients(executor)["fc1_bias"], gradients(bound(slices=2))["fc1_bias"])


def test_errors_name_what_is_wrong():
    executor = bound()
    with pytest.raises(ShapeError, match=r"argument data.*\(8, 2, 8, 8\).*\(7, 2, 8, 8\)"):
        executor.forward(data=np.zeros((7, 2, 8, 8), np.float32))
    with pytest.raises(ParameterError, match="no argument named 'x'"):
        executor.forward(x=1)
    with pytest.raises(ParameterError, match=r"grad_req of data.*'maybe'"):
        bound(grad_req="maybe")
    with pytest.raises(ParameterError, match="no argument named nobody"):
        bound(grad_req={"nobody": "write"})
    with pytest.raises(GraphError, match="out_grads"):
        executor.backward([None, None])
    with pytest.raises(ShapeError, match="gradient of softmax_output"):
        executor.backward(np.zeros((3, 3), np.float32))
    with pytest.raises(GraphError, match="missing fc_weight"):
        mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=1, no_bias=True, name="fc").bind(
            mx.cpu(), {"data": np.zeros((2, 2), np.float32)}
        )


def test_a_gradient_array_that_is_no_one_run_of_memory_is_refused():
    symbol = mx.sym.Activation(mx.sym.Variable("x"), act_type="relu")
    data = np.zeros((2, 3), np.float32, order="F")
    with pytest.raises(mx.PushgradError, match="args_grad x: expected a C-ordered writable array"):
        symbol.bind(mx.cpu(), {"x": data}, {"x": np.zeros_like(data)})
    executor = symbol.bind(mx.cpu(), {"x": data + 1}, {"x": np.zeros((2, 3), np.float32)})
    assert executor.forward()[0].tolist() == [[1, 1, 1], [1, 1, 1]]
