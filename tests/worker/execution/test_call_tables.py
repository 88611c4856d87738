"""Steps that are walked as tables of calls do what the calls do one by one, which is how they run in a profile."""

import numpy as np
import pytest

import pushgrad as mx
from pushgrad.common.call_table import in_python
from pushgrad.common.errors import DataError
from pushgrad.worker.cpu.row_kernel import RowKernel
from pushgrad.worker.profiling.spans import recorder


def layer(data, size, name, act_type=None):
    made = mx.sym.FullyConnected(data, num_hidden=size, name=name)
    return mx.sym.Activation(made, act_type=act_type) if act_type else made


def perceptron(act_type="tanh", **options):
    return mx.sym.SoftmaxOutput(
        layer(layer(mx.sym.Variable("data"), 7, "a", act_type), 3, "b"), name="softmax", **options
    )


def branches():
    """Two readers of one value, whose gradients are added; a convolution between compiled kernels; no loss."""
    first = layer(mx.sym.Variable("data"), 18, "a", "relu")
    picture = mx.sym.Reshape(first, shape=(-1, 2, 3, 3))
    second = mx.sym.Flatten(mx.sym.Convolution(picture, kernel=(2, 2), num_filter=3, name="conv"))
    together = layer(second, 4, "b") + layer(first, 4, "c") + layer(first, 4, "d", "sigmoid")
    return mx.sym.Group([mx.sym.Activation(together, act_type="softsign"), layer(second, 2, "e"), second])


def coupled(loss=None):
    """Nodes that need the whole batch, of which one is computed in Python; some of their gradients are added to others.

    `loss` follows on the last layer.
    """
    first = mx.sym.BatchNorm(layer(mx.sym.Variable("data"), 5, "a"), fix_gamma=False, name="bn1")
    rectified = mx.sym.Activation(first, act_type="relu")
    turned = mx.sym.SequenceReverse(rectified)
    together = mx.sym.BatchNorm(layer(turned, 5, "b") + rectified + turned, name="bn2")
    last = layer(together, 3, "c")
    return mx.sym.Group([last, rectified]) if loss is None else loss(last)


def bound(symbol, slices, rows=11, threads=2, monkeypatch=None, **options):
    if monkeypatch is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", str(threads))
    executor = symbol.simple_bind(data=(rows, 6), slices=slices, **options)
    rng = np.random.default_rng(5)
    for name, array in executor.arg_dict.items():
        array[...] = rng.integers(0, 3, array.shape) if name.endswith("label") else rng.uniform(-1, 1, array.shape)
    return executor


def step(executor, monkeypatch, one_by_one):
    """What a step leaves, and the names in the order in which their gradients were announced."""
    monkeypatch.setattr(recorder, "on", one_by_one)
    told = {}
    executor.forward_backward(lambda name, gradient: told.setdefault(name, gradient.copy()))
    monkeypatch.setattr(recorder, "on", False)
    recorder.spans.clear()
    left = {name: array.copy() for name, array in executor.grad_dict.items() if array is not None}
    assert told.keys() == left.keys()
    for name, gradient in told.items():
        np.testing.assert_array_equal(gradient, left[name], err_msg=name)
    return [output.copy() for output in executor.outputs], left


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("slices", [None, 2, 3, 5])
@pytest.mark.parametrize(
    "symbol",
    [*map(perceptron, ("relu", "tanh", "softrelu")), branches(), coupled()],
    ids=["relu", "tanh", "softrelu", "branches", "coupled"],
)
def test_the_same_bits(symbol, slices, threads, monkeypatch):
    executor = bound(symbol, slices, threads=threads, monkeypatch=monkeypatch)
    assert executor._walks_tables() and executor.threads == min(threads, slices or 1)
    for _ in range(2):
        walked, called = (step(executor, monkeypatch, one_by_one) for one_by_one in (False, True))
        for one, other in zip(walked[0], called[0], strict=True):
            np.testing.assert_array_equal(one, other)
        for name, gradient in called[1].items():
            np.testing.assert_array_equal(walked[1][name], gradient, err_msg=name)
        executor.arg_dict["a_weight"][...] *= 1.5


def test_gradients_that_are_added(monkeypatch):
    executor = bound(perceptron(), 2, grad_req="add")
    for one_by_one in (False, True, False):
        step(executor, monkeypatch, one_by_one)
    thrice = executor.grad_dict["a_weight"].copy()
    once = bound(perceptron(), 2)
    np.testing.assert_allclose(thrice, 3 * step(once, monkeypatch, False)[1]["a_weight"], rtol=1e-6)


@pytest.mark.parametrize("normalization", ["batch", "valid"])
def test_a_loss_divides_by_another_number_in_each_step(normalization, monkeypatch):
    executor = bound(perceptron(normalization=normalization, use_ignore=True, ignore_label=2), 3)
    for labels in ([0, 1, 2] * 4, [2] * 12, [1] * 12):
        executor.arg_dict["softmax_label"][...] = labels[:11]
        walked, called = (step(executor, monkeypatch, one_by_one)[1] for one_by_one in (False, True))
        for name, gradient in called.items():
            np.testing.assert_array_equal(walked[name], gradient, err_msg=name)


@pytest.mark.parametrize("symbol", [perceptron(), coupled(lambda last: mx.sym.SoftmaxOutput(last, name="softmax"))])
def test_a_wrong_label_is_named_and_the_next_step_is_right(symbol, monkeypatch):
    executor = bound(symbol, 2, rows=8, monkeypatch=monkeypatch)
    expected = step(executor, monkeypatch, False)[1]
    label = executor.arg_dict["softmax_label"].copy()
    executor.arg_dict["softmax_label"][6] = 3
    with pytest.raises(DataError, match=r"label of row 6.*0 to 2.*3"):
        executor.forward_backward()
    executor.arg_dict["softmax_label"][...] = label
    for name, gradient in step(executor, monkeypatch, False)[1].items():
        np.testing.assert_array_equal(gradient, expected[name], err_msg=name)


def test_rows_take_the_place_of_an_announcement():
    executor, seen = bound(perceptron(), 2), []
    executor.finish_by(lambda name, gradient, part: [in_python(lambda: seen.append((name, gradient.copy())))])
    executor.forward_backward(lambda name, gradient: pytest.fail("announced as well"))
    assert [name for name, _ in seen][:2] == ["softmax_label", "b_weight"]  # from the last layer to the first
    for name, gradient in seen:
        np.testing.assert_array_equal(gradient, executor.grad_dict[name], err_msg=name)


def test_arguments_that_are_no_run_of_memory(monkeypatch):
    """The user's own arrays may have gaps: such a call copies them."""
    rng = np.random.default_rng(2)
    data, weight = rng.random((4, 12)).astype(np.float32)[:, ::2], rng.random((6, 3)).astype(np.float32).T
    symbol = mx.sym.Activation(
        mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=3, no_bias=True, name="a"), act_type="relu"
    )
    gradients = {"a_weight": np.zeros((3, 6), np.float32)}
    executor = symbol.bind(None, {"data": data, "a_weight": weight}, gradients, {"data": "null", "a_weight": "write"})
    assert isinstance(executor._programs[0].calls[0].kernel, RowKernel) and not executor._walks_tables()
    executor.forward_backward()
    np.testing.assert_allclose(executor.outputs[0], data @ weight.T, rtol=1e-6)
    np.testing.assert_allclose(gradients["a_weight"], np.ones((4, 3)).T @ data, rtol=1e-6)
