"""Bound graphs on a GPU: arrays are cupy's, and values are those of the processor."""

import numpy as np
import pytest

import pushgrad as mx
from pushgrad.common.errors import DataError, DeviceError, ParameterError, ShapeError
from pushgrad.worker.ops.batch_position import BatchPosition

SHAPES = {"data": (6, 2, 8, 8)}


def network():
    net = mx.sym.Convolution(mx.sym.Variable("data"), kernel=(3, 3), num_filter=3, name="conv")
    net = mx.sym.Dropout(mx.sym.Activation(net, act_type="relu"), p=0.4, name="drop")
    net = mx.sym.FullyConnected(mx.sym.Flatten(net), num_hidden=4, name="fc")
    return mx.sym.SoftmaxOutput(net, name="softmax")


def values(seed=0):
    generator = np.random.default_rng(seed)
    found = {
        "data": (6, 2, 8, 8), "conv_weight": (3, 2, 3, 3), "conv_bias": (3,), "fc_weight": (4, 108), "fc_bias": (4,)
    }  # fmt: skip
    arrays = {name: generator.standard_normal(shape).astype(np.float32) for name, shape in found.items()}
    return {**arrays, "softmax_label": np.arange(6, dtype=np.float32) % 4}


def on_both(net, shapes=SHAPES, **options):
    return [net.simple_bind(ctx, **options, **shapes) for ctx in (mx.cpu(), mx.gpu(0))]


def fetched(arrays):
    return [None if array is None else np.array(array.get() if hasattr(array, "get") else array) for array in arrays]


def assert_alike(found, expected, rtol=1e-4):
    for one, other in zip(fetched(found), fetched(expected), strict=True):
        largest = 0 if other is None else np.abs(other).max(initial=0)
        np.testing.assert_allclose(one, other, rtol=rtol, atol=rtol / 10 * max(1, largest))


def test_steps_that_are_replayed_see_new_values_and_new_masks(gpus):
    expected, found = on_both(network())
    assert isinstance(found.arg_dict["data"], gpus.ndarray)
    for number in range(5):
        for executor in (expected, found):
            executor.copy_params_from(values(number))
            executor.forward_backward(at=BatchPosition(seed=7, number=number, global_rows=executor.rows))
        assert_alike(found.outputs, expected.outputs)
        assert_alike(found.grad_arrays, expected.grad_arrays)


def test_forward_and_backward_apart(gpus):
    net = network().get_internals()["fc_output"]
    expected, found = on_both(net)
    for executor in (expected, found):
        executor.copy_params_from({n: v for n, v in values().items() if n != "softmax_label"})
    for is_train in (False, True, False, True):
        assert_alike(found.forward(is_train), expected.forward(is_train))
    head = np.random.default_rng(1).standard_normal((6, 4)).astype(np.float32)
    for executor in (expected, found):
        executor.backward(head)
    assert_alike(found.grad_arrays, expected.grad_arrays)
    with pytest.raises(ShapeError, match="gradient of fc_output"):
        found.backward(head[:2])


def test_both_passes_of_losses_are_replayed(gpus):
    net = mx.sym.BatchNorm(mx.sym.Variable("data"), fix_gamma=False, name="bn")
    net = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(net, num_hidden=3, name="fc"), name="softmax")
    expected, found = on_both(net, {"data": (8, 4)})
    generator = np.random.default_rng(0)
    for number in range(6):
        given = {name: generator.standard_normal(array.shape) for name, array in expected.arg_dict.items()}
        given["softmax_label"] = generator.integers(0, 3, 8)
        for executor in (expected, found):
            executor.copy_params_from(given)
            executor.forward(is_train=number != 2)
            executor.backward()
        assert_alike(found.grad_arrays, expected.grad_arrays)
        assert_alike(found.aux_arrays, expected.aux_arrays)


def test_gradients_are_added_up(gpus):
    expected, found = on_both(network(), grad_req={"conv_weight": "add", "fc_bias": "write"})
    for executor in (expected, found):
        executor.copy_params_from(values())
        for _ in range(3):
            executor.forward_backward()
    assert_alike([found.grad_dict["conv_weight"]], [expected.grad_dict["conv_weight"]])
    assert found.grad_dict["fc_weight"] is None


def test_inputs_may_lie_on_either_side(gpus):
    expected, found = on_both(network())
    given = values()
    for executor in (expected, found):
        executor.copy_params_from(given)
    data = np.random.default_rng(5).integers(0, 9, (6, 2, 8, 8))
    assert_alike(found.forward(data=data), expected.forward(data=data))
    assert_alike(found.forward(data=gpus.asarray(data)), expected.outputs)
    with pytest.raises(ShapeError, match="argument data: expected shape"):
        found.forward(data=data[:3])
    with pytest.raises(ParameterError, match="no argument named 'date'"):
        found.forward(date=data)


def test_in_order_with_the_callers_stream(gpus):
    _, found = on_both(mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=1, no_bias=True), {"data": (1, 1)})
    with gpus.cuda.Stream(non_blocking=True) as stream:
        for number in range(4):
            found.arg_dict["data"].fill(number)
            found.arg_dict[found.symbol.list_arguments()[1]].fill(2)
            (output,) = found.forward()
            doubled = output * 2
            assert float(doubled.get(stream=stream)[0, 0]) == 4 * number


def test_in_order_with_the_callers_stream_after_an_exception(gpus, device):
    with gpus.cuda.Stream(non_blocking=True) as stream:
        array = gpus.zeros(4, np.float32)
        with pytest.raises(ValueError, match="in the middle"), device.serving():
            array += 3
            raise ValueError("in the middle")
        array *= 2
        assert array.get(stream=stream).tolist() == [6] * 4


def test_arrays_of_ones_own(gpus):
    xp, net = gpus, network()
    arrays = {name: xp.asarray(value) for name, value in values().items()}
    gradients = {"fc_bias": xp.zeros((4,), np.float32)}
    found = net.bind(mx.gpu(0), arrays, gradients)
    found.forward_backward()
    expected = net.bind(mx.cpu(), values(), {"fc_bias": np.zeros(4, np.float32)})
    expected.forward_backward()
    assert_alike([gradients["fc_bias"]], [expected.grad_dict["fc_bias"]])
    with pytest.raises(DeviceError, match=r"bind on gpu\(0\): .* got numpy.ndarray of shape .*cupy.asarray copies"):
        net.bind(mx.gpu(0), values())


def test_a_wrong_label_is_told(gpus):
    _, found = on_both(network())
    found.copy_params_from({**values(), "softmax_label": np.array([0, 1, 2, 9, 0, 0], np.float32)})
    with pytest.raises(DataError, match=r"SoftmaxOutput: label of row 3: expected a class.* from 0 to 3, got 9"):
        found.forward_backward()
    found.copy_params_from(values())
    found.forward_backward()


class Doubling(mx.operator.CustomOp):
    def forward(self, is_train, req, in_data, out_data, aux):
        assert isinstance(in_data[0], np.ndarray)
        self.assign(out_data[0], req[0], 2 * in_data[0])

    def backward(self, req, out_grad, in_data, out_data, in_grad, aux):
        self.assign(in_grad[0], req[0], 2 * out_grad[0])


@mx.operator.register("doubling_on_gpu")
class DoublingProp(mx.operator.CustomOpProp):
    def create_operator(self, ctx, in_shapes, in_dtypes):
        return Doubling()


def test_operators_in_python_compute_on_the_host(gpus):
    net = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=3, name="fc")
    net = mx.sym.SoftmaxOutput(mx.sym.Custom(net, op_type="doubling_on_gpu", name="twice"), name="softmax")
    expected, found = on_both(net, {"data": (4, 5)})
    generator = np.random.default_rng(0)
    for _ in range(3):
        given = {name: generator.standard_normal(array.shape) for name, array in expected.arg_dict.items()}
        given["softmax_label"] = np.array([0, 1, 2, 1], np.float32)
        for executor in (expected, found):
            executor.copy_params_from(given)
            executor.forward_backward()
        assert_alike(found.grad_arrays, expected.grad_arrays)


def test_double_precision(gpus):
    types = dict.fromkeys(("data", "conv_weight", "conv_bias", "fc_weight", "fc_bias", "softmax_label"), np.float64)
    expected, found = on_both(network(), type_dict=types)
    for executor in (expected, found):
        executor.copy_params_from(values())
        executor.forward_backward()
    assert found.outputs[0].dtype == np.float64
    assert_alike(found.grad_arrays, expected.grad_arrays, rtol=1e-10)


def test_a_profile_has_every_operator(gpus):
    _, found = on_both(network())
    found.copy_params_from(values())
    for _ in range(2):
        found.forward_backward()  # recorded, and replayed from now on
    with mx.profiler.profile() as profile:
        found.forward_backward()
    found.forward_backward()
    text = str(profile)
    assert all(name in text for name in ("Convolution+Activation", "Dropout", "FullyConnected", "SoftmaxOutput"))


def test_a_context_by_with_and_several_at_once(gpus):
    with mx.gpu(0):
        assert isinstance(network().simple_bind(**SHAPES).arg_dict["data"], gpus.ndarray)
    with pytest.raises(ParameterError, match=r"a bound executor computes on one GPU.*FeedForward takes a list"):
        network().simple_bind([mx.gpu(0), mx.cpu()], **SHAPES)


def test_reshaped_executors_share_their_weights(gpus):
    expected, found = on_both(network())
    smaller = [executor.reshape(data=(2, 2, 8, 8), softmax_label=(2,)) for executor in (expected, found)]
    for executor in (expected, found):
        assert isinstance(executor, mx.Executor)
        executor.copy_params_from(values())
    for executor in smaller:
        executor.forward_backward(at=BatchPosition(seed=7, global_rows=2))
    assert_alike(smaller[1].outputs, smaller[0].outputs)
    assert smaller[1].arg_dict["fc_weight"] is found.arg_dict["fc_weight"]
    with pytest.raises(ShapeError, match="softmax_label would change"):
        found.reshape(data=(2, 2, 8, 8))


@pytest.mark.parametrize(
    "form", [lambda a, b: a % b, lambda a, b: mx.sym.broadcast_mod(a, b), lambda a, b: a % 0 + b % 2]
)
def test_modulo_by_zero_is_zero(gpus, form):
    net = form(mx.sym.Variable("a"), mx.sym.Variable("b"))
    expected, found = on_both(net, {"a": (5,), "b": (5,)})
    left, right = np.array([5, -5, 0, 3.5, np.nan], np.float32), np.array([0, 0, 0, 2, 2], np.float32)
    assert_alike(found.forward(a=left, b=right), expected.forward(a=left, b=right))
    assert expected.outputs[0][0] == 0


@pytest.mark.parametrize("name", ["erf", "gamma", "gammaln"])
def test_special_functions_of_halves(gpus, name):
    net = getattr(mx.sym, name)(mx.sym.Variable("x"))
    expected, found = on_both(net, {"x": (4,)}, type_dict={"x": np.float16})
    for executor in (expected, found):
        executor.forward(is_train=True, x=np.array([-0.5, 0.25, 1, 3.5], np.float16))
        executor.backward()
    assert_alike(found.outputs, expected.outputs, rtol=2e-3)
    assert_alike(found.grad_arrays, expected.grad_arrays, rtol=1e-2)
