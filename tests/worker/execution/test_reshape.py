"""Executor.reshape: another batch size with the same weights, as MXNet 1.9.1 has it."""

import numpy as np
import pytest

import pushgrad as mx
from pushgrad.common.errors import GraphError, ShapeError


def network():
    hidden = mx.sym.BatchNorm(mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=4, name="fc"), name="bn")
    return mx.sym.SoftmaxOutput(hidden, name="softmax")


@pytest.fixture
def executor():
    bound = network().simple_bind(mx.cpu(), grad_req={"fc_weight": "add"}, data=(6, 5))
    rng = np.random.default_rng(0)
    for name, array in bound.arg_dict.items():
        array[...] = rng.integers(0, 4, array.shape) if name.endswith("label") else rng.normal(size=array.shape)
    bound.aux_dict["bn_moving_var"].fill(1)
    return bound


def test_weights_are_shared_and_inputs_are_new(executor):
    smaller = executor.reshape(data=(2, 5), softmax_label=(2,))
    assert isinstance(smaller, mx.Executor)
    assert smaller.outputs[0].shape == (2, 4)
    for kind in ("arg_dict", "grad_dict", "aux_dict"):
        old, new = getattr(executor, kind), getattr(smaller, kind)
        assert {name for name in old if new[name] is not old[name]} == (
            {"data", "softmax_label"} if kind == "arg_dict" else set()
        )
    data = executor.arg_dict["data"]
    whole = executor.forward()[0].copy()
    np.testing.assert_array_equal(smaller.forward(data=data[:2])[0], whole[:2])


def test_requests_stay(executor):
    smaller = executor.reshape(data=(2, 5), softmax_label=(2,))
    smaller.forward(is_train=True)
    smaller.backward()
    once = smaller.grad_dict["fc_weight"].copy()
    smaller.backward()
    np.testing.assert_allclose(smaller.grad_dict["fc_weight"], 2 * once, rtol=1e-6)
    assert smaller.grad_dict["fc_bias"] is None


def test_larger_batches_and_slices():
    sliced = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=4, name="fc").simple_bind(slices=2, data=(4, 3))
    sliced.arg_dict["fc_weight"][...] = 1
    larger = sliced.reshape(data=(6, 3), allow_up_sizing=True)
    assert larger.slices == [(0, 3), (3, 6)]
    np.testing.assert_array_equal(larger.forward(data=np.ones((6, 3)))[0], np.full((6, 4), 3))


def test_what_follows_must_be_named_or_allowed(executor):
    with pytest.raises(ShapeError, match=r"softmax_label would change.*partial_shaping=True"):
        executor.reshape(data=(2, 5))
    assert executor.reshape(data=(2, 5), partial_shaping=True).arg_dict["softmax_label"].shape == (2,)
    with pytest.raises(ShapeError, match=r"fc_weight would change as well: expected fc_weight \(4, 5\), got \(4, 7\)"):
        executor.reshape(data=(6, 7))
    assert executor.reshape(data=(6, 7), partial_shaping=True).arg_dict["fc_weight"].shape == (4, 7)


def test_refused(executor):
    with pytest.raises(GraphError, match="Did you mean data"):
        executor.reshape(dat=(2, 5))
    with pytest.raises(ShapeError):
        executor.reshape(data=(2, 5), softmax_label=(3,))


def test_an_executor_on_the_callers_arrays():
    arrays = {"data": np.ones((4, 3)), "fc_weight": np.ones((2, 3)), "fc_bias": np.zeros(2)}
    bound = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=2, name="fc").bind(mx.cpu(), arrays)
    single = bound.reshape(data=(1, 3))
    assert single.arg_dict["fc_weight"] is bound.arg_dict["fc_weight"]
    np.testing.assert_array_equal(single.forward(data=np.ones((1, 3)))[0], [[3, 3]])
