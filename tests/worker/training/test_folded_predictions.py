"""Predictions of a network whose BatchNorms are folded: a kept executor has the values of now, whoever changed them."""

import numpy as np
import pytest

import pushgrad as mx
from pushgrad.common.errors import ShapeError

X = np.random.default_rng(1).uniform(-1, 1, (3, 2, 5, 5)).astype(np.float32)


def model(no_bias=False):
    net = mx.sym.Convolution(mx.sym.Variable("data"), kernel=(3, 3), num_filter=4, no_bias=no_bias, name="conv")
    net = mx.sym.Activation(mx.sym.BatchNorm(net, fix_gamma=False, name="bn"), act_type="relu")
    net = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(net, num_hidden=3, name="fc"), name="softmax")
    rng = np.random.default_rng(2)
    shapes, _, states = net.infer_shape(data=X.shape)
    learned = zip(net.list_arguments(), shapes, strict=True)
    arguments = {n: rng.uniform(-1, 1, s).astype(np.float32) for n, s in learned if n not in ("data", "softmax_label")}
    averages = zip(net.list_auxiliary_states(), states, strict=True)
    auxiliaries = {n: rng.uniform(0.5, 1, s).astype(np.float32) for n, s in averages}
    return mx.FeedForward(net, arg_params=arguments, aux_params=auxiliaries)


def as_it_is(one):
    """The outputs by way of an executor of the network as it is."""
    executor = one.symbol.simple_bind(grad_req="null", data=X.shape)
    executor.copy_params_from(one.arg_params, one.aux_params)
    return executor.forward(data=X)[0]


@pytest.mark.parametrize("no_bias", [False, True])
def test_what_was_changed_in_place_counts(no_bias):
    one = model(no_bias)
    expected = [one.predict(X)]
    kept = one._spare._kept[0][2]
    for values in (one.arg_params, one.aux_params):
        for name, array in values.items():
            array[...] *= 1.25
            expected.append(one.predict(X))
            assert one._spare._kept[0][2] is kept
            np.testing.assert_allclose(expected[-1], as_it_is(one), rtol=1e-5, atol=1e-6, err_msg=name)
            assert not np.array_equal(expected[-1], expected[-2])


def test_other_arrays_of_any_layout_and_type_count():
    one = model()
    first = one.predict(X)
    one.arg_params["conv_weight"] = np.asfortranarray(one.arg_params["conv_weight"])
    np.testing.assert_array_equal(one.predict(X), first)
    one.arg_params["conv_weight"] = one.arg_params["conv_weight"].astype(np.float64)
    np.testing.assert_array_equal(one.predict(X), first)


@pytest.mark.parametrize("name", ["conv_weight", "bn_gamma", "bn_beta", "conv_bias"])
def test_another_shape_is_named(name):
    one = model()
    right, one.arg_params[name] = one.predict(X), one.arg_params[name][:3]
    with pytest.raises(ShapeError, match=name):
        one.predict(X)
    one.arg_params[name] = model().arg_params[name]
    np.testing.assert_array_equal(one.predict(X), right)


def test_infinite_and_missing_numbers_come_through():
    one = model()
    one.predict(X)
    one.arg_params["conv_weight"][1, 0, 0, 0], one.aux_params["bn_moving_var"][2] = np.nan, -1
    assert np.isnan(one.predict(X)).all()
